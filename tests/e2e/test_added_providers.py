"""A provider that a user adds, in a few lines of TOML or one of Python, over a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from modelroute import AsyncRouter, Catalog, Key, Model, Price, Provider, Reply, Router
from modelroute.testing.exchange import SeenRequest, fingerprint
from modelroute.testing.faults import ok
from modelroute.testing.server import FaultServer

SECRET = "sk-acme-0123456789abcdef"

FILE = """
[defaults]
source = "acme's documentation"
as_of = "2026-11-20"

[providers.acme]
urls = {{ here = "{url}" }}
keys = ["ACME_API_KEY"]
aliases = ["acme-ai"]
jurisdictions = {{ here = "EU" }}
[providers.acme.apis.anthropic-messages]
profile = "messages"

[models.acme-1]
features = ["tools"]
context_window = 32_000

[targets."acme-1@acme"]
wire_name = "acme/one"
prices = [{{ from = 2026-11-01, input = 1, output = 4 }}]
"""


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as serving:
        serving.script("acme/one", [ok("Hello there.")])
        yield serving


@pytest.fixture
def catalog(server: FaultServer, tmp_path: Path) -> Catalog:
    path = tmp_path / "acme.toml"
    path.write_text(FILE.format(url=server.url), "utf-8")
    return Catalog.load(path)


def sent(seen: SeenRequest) -> Mapping[str, object]:
    assert isinstance(seen.body, Mapping)
    return seen.body


def check(reply: Reply, server: FaultServer) -> None:
    assert reply.text == "Hello there."
    assert reply.target == "acme-1@acme"
    (seen,) = server.requests
    assert sent(seen)["model"] == "acme/one"


def test_in_toml_with_its_key_in_the_environment(server: FaultServer, catalog: Catalog) -> None:
    with Router.from_env(catalog=catalog, environ={"ACME_API_KEY": SECRET}) as router:
        reply = router.chat("Hi", jurisdictions="EU", max_cost="0.10")
    check(reply, server)
    assert server.requests[0].headers["authorization"] == fingerprint(f"Bearer {SECRET}")
    assert reply.cost_basis.startswith("catalog 2026-11-20"), "dated, and stale one day"


def test_in_toml_asynchronously_and_by_its_other_name(server: FaultServer, catalog: Catalog) -> None:
    async def asked() -> Reply:
        async with AsyncRouter([Provider("acme-ai", key=SECRET)], catalog=catalog) as router:
            return await router.chat("Hi", model="acme-1@acme-ai")

    check(asyncio.run(asked()), server)


def test_in_toml_by_its_other_api(server: FaultServer, catalog: Catalog) -> None:
    with Router([Provider("acme", key=SECRET, dialect="anthropic-messages")], catalog=catalog) as router:
        check(router.chat("Hi"), server)
    (seen,) = server.requests
    assert seen.path == "/v1/messages"
    assert seen.headers["x-api-key"] == fingerprint(SECRET)


def test_in_one_line_of_python(server: FaultServer) -> None:
    acme = Provider.compatible(server.url, name="acme", key=SECRET, models={"acme/one": Model("acme-1")})
    with Router([acme]) as router:
        check(router.chat("Hi"), server)


DEPLOYMENTS: list[Callable[[str], Provider]] = [
    lambda url: Provider("azure", url=url, key=SECRET, models={"acme/one": "gpt-5.5"}, price=Price(input=1, output=4)),
    lambda url: Provider("openai", url=url, key=Key(SECRET), models={"acme/one": "gpt-5.5"}),
]


@pytest.mark.parametrize("provider", DEPLOYMENTS)
def test_a_deployment_is_asked_for_by_its_own_name(server: FaultServer, provider: Callable[[str], Provider]) -> None:
    with Router([provider(server.url)]) as router:
        reply = router.chat("Hi", max_cost="1.00", max_tokens=50)
    assert (reply.model, reply.text) == ("gpt-5.5", "Hello there.")
    body = sent(server.requests[0])
    assert body["model"] == "acme/one"
    assert body["max_completion_tokens"] == 50, "it departs as the model does that it is"
