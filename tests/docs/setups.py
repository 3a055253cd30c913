"""What a page may ask for with `<!-- setup: name -->`, so that its real code runs unchanged and costs nothing.

A setup is a generator decorated with `@page_setup`; its name is the name pages use. It gets a monkeypatch that is
undone after the page, prepares the world (environment, servers on loopback), and yields names put into the page's
namespace, usually none: code that a reader is to paste must not lean on names the page does not define.
"""

import json
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager, contextmanager
from types import SimpleNamespace
from typing import Any, TypeAlias
from urllib.parse import urlsplit

import pytest

from modelroute.catalog.catalog import Catalog
from modelroute.cli import catalog as catalog_command
from modelroute.cli import ledger
from modelroute.router import Router
from modelroute.runtime import facade, upstream
from modelroute.runtime.clocks import Clocks
from modelroute.runtime.http import HttpRequest
from modelroute.testing.answers import answer
from modelroute.testing.exchange import Exchange
from modelroute.testing.faults import custom
from modelroute.testing.server import FaultServer
from modelroute.types.reply import ToolCall
from modelroute.types.usage import Usage

Setup: TypeAlias = Callable[[pytest.MonkeyPatch], AbstractContextManager[Mapping[str, object]]]

SETUPS: dict[str, Setup] = {}


def page_setup(function: Callable[[pytest.MonkeyPatch], Generator[Mapping[str, object], None, None]]) -> Setup:
    """Register a generator under its own name as a setup that pages can ask for."""
    SETUPS[function.__name__] = contextmanager(function)
    return SETUPS[function.__name__]


PAGE_TIME = 1_795_305_600.0
"""Unix seconds at which pages begin, a Sunday night: what changes by date and hour, prices above all, stands still."""

_KEY = "made-up-key-of-a-page"
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")


@page_setup
def scripted(patch: pytest.MonkeyPatch) -> Generator[Mapping[str, object], None, None]:
    """Every provider of the catalog has a key and answers at once, played by one server on loopback.

    Only the last step is another: whatever is sent to a host goes to that server instead. Decisions, jurisdictions,
    prices and costs are those of the real URLs, at `PAGE_TIME`. What a page itself serves on 127.0.0.1 is left alone.
    """
    for row in Catalog.builtin().providers.values():
        if row.needs_key and row.keys:
            patch.setenv(row.keys[0], _KEY)
    patch.setenv("TEAM_KEY", _KEY)
    _without_proxies(patch)
    begun = time.monotonic()
    patch.setattr(facade, "Clocks", lambda: Clocks(wall=lambda: PAGE_TIME + time.monotonic() - begun))
    for command in (ledger, catalog_command):
        patch.setattr(command, "time", SimpleNamespace(time=lambda: PAGE_TIME + time.monotonic() - begun))
    with _closed_at_the_end(patch), FaultServer(default=custom("page", play)) as server:

        def redirected(*, url: str, method: str, headers: tuple[tuple[str, str], ...], body: bytes) -> HttpRequest:
            parts = urlsplit(url)
            if parts.hostname != "127.0.0.1":
                url = f"{server.url_for(f'/{parts.hostname}').removesuffix('/v1')}{parts.path}"
            return HttpRequest(method=method, url=url, headers=headers, body=body)

        patch.setattr(upstream, "HttpRequest", redirected)
        yield {}


@page_setup
def local(patch: pytest.MonkeyPatch) -> Generator[Mapping[str, object], None, None]:
    """The page runs a real model on this machine: test_pages.py marks it `local_llm` and gives it time to fetch one."""
    _without_proxies(patch)
    with _closed_at_the_end(patch):
        yield {}


@contextmanager
def _closed_at_the_end(patch: pytest.MonkeyPatch) -> Generator[None, None, None]:
    """Close every router a page leaves open, as the end of a program would: pages show calls, not housekeeping."""
    made: list[Router] = []
    connect = Router._connect

    def remembered(router: Router) -> None:
        made.append(router)
        connect(router)

    patch.setattr(Router, "_connect", remembered)
    yield
    for router in made:
        router.close()


def _without_proxies(patch: pytest.MonkeyPatch) -> None:
    for name in _PROXIES:
        patch.delenv(name, raising=False)
        patch.delenv(name.lower(), raising=False)


# ------------------------------------------------------------------------------------------- what providers answer


async def play(exchange: Exchange) -> None:
    """Answer as a sensible model would: call the tool that is offered, fit the schema that is asked for, else talk.

    An answer is said to have 400 tokens, or as many as the cap allows; a prompt one for every four characters.
    """
    asked = exchange.settings
    words = json.dumps(asked.get("messages"), ensure_ascii=False)
    cap = asked.get("max_completion_tokens") or asked.get("max_tokens") or 400
    usage = Usage(len(words) // 4, min(400, int(str(cap))))
    tool = None if '"role": "tool"' in words or "tool_result" in words else _offered_tool(asked)
    schema = _wanted_schema(asked)
    if tool is not None:
        name, parameters = tool
        call = ToolCall("call_1", name, json.dumps(instance_of(parameters)))
        await answer(exchange, "", usage=usage, tool_calls=[call])
    elif schema is not None:
        await answer(exchange, json.dumps(instance_of(schema)), usage=usage)
    else:
        await answer(exchange, "Here is what I found.", usage=usage)


def _offered_tool(asked: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]] | None:
    for tool in asked.get("tools") or ():
        described = tool.get("function", tool)
        return described["name"], described.get("parameters") or described.get("input_schema") or {}
    return None


def _wanted_schema(asked: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Find the schema in each of the places where the library may put it."""
    form = asked.get("response_format") or asked.get("output_config", {}).get("format") or {}
    found = form.get("json_schema", form).get("schema")
    if found is not None:
        return dict(found)
    for message in asked.get("messages", ()):
        _, told, schema = str(message.get("content")).partition("JSON Schema, and with nothing else")
        if told:
            return dict(json.loads(schema[schema.index("{") :]))
    return None


def instance_of(schema: Mapping[str, Any], definitions: Mapping[str, Any] | None = None) -> object:
    """Return a value that fits `schema`, as far as the pages' schemas go."""
    known = definitions if definitions is not None else schema.get("$defs", {})
    if "$ref" in schema:
        return instance_of(known[schema["$ref"].rpartition("/")[2]], known)
    if "enum" in schema:
        return schema["enum"][0]
    if "anyOf" in schema:
        return instance_of(schema["anyOf"][0], known)
    kind = schema.get("type")
    if kind == "object":
        return {name: instance_of(part, known) for name, part in schema.get("properties", {}).items()}
    if kind == "array":
        return [instance_of(schema["items"], known)]
    return {"integer": 2, "number": 12.5, "boolean": True}.get(str(kind), "17")
