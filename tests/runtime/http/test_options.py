"""What may be said about connections, and what is refused when it is said."""

from __future__ import annotations

import asyncio
import math
import subprocess
import sys
from dataclasses import fields

import httpx
import httpx2
import pytest
from hypothesis import given

from modelroute.errors import ConfigurationError
from modelroute.runtime.http import AsyncHttp, HttpOptions, HttpRequest, Limit, SyncHttp
from tests.junk import junk, works_or_is_refused


@pytest.mark.parametrize(
    "proxy", ["", "p:1", "socks5://u:secret@p", "https://u:secret@p", "http://", "http://p:secret", "http://[secret"]
)
def test_proxies_of_another_form_are_refused_without_echo(proxy: str) -> None:
    with pytest.raises(ConfigurationError, match="http://") as caught:
        HttpOptions(proxy=proxy)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "build",
    [
        lambda: HttpOptions(verify=3),  # type: ignore[arg-type]
        lambda: HttpOptions(keepalive=-1),
        lambda: HttpOptions(keepalive=math.nan),
        lambda: HttpOptions(keepalive=math.inf),
        lambda: HttpOptions(keepalive="60"),  # type: ignore[arg-type]
        lambda: HttpOptions(keepalive=10**400),
        lambda: HttpOptions(keepalive=True),
        lambda: HttpOptions(max_idle=-1),
        lambda: HttpOptions(max_idle=None),  # type: ignore[arg-type]
        lambda: HttpOptions(max_idle=1.5),  # type: ignore[arg-type]
        lambda: HttpOptions(proxy=8080),  # type: ignore[arg-type]
        lambda: HttpOptions(proxy={}),  # type: ignore[arg-type]
        lambda: HttpOptions(proxy=b"http://p:1"),  # type: ignore[arg-type]
        lambda: HttpOptions(trust_env=[]),  # type: ignore[arg-type]
        lambda: HttpOptions(trust_env=1),  # type: ignore[arg-type]
        lambda: HttpOptions(client=object()),
        lambda: HttpOptions(client=httpx.AsyncClient),
        lambda: HttpOptions(async_client="x"),
    ],
)
def test_bad_values_are_refused(build: object) -> None:
    with pytest.raises(ConfigurationError):
        build()  # type: ignore[operator]


@pytest.mark.parametrize("option", [field.name for field in fields(HttpOptions)])
@given(value=junk())
def test_whatever_is_said_works_or_is_refused(option: str, value: object) -> None:
    works_or_is_refused(lambda: HttpOptions(**{option: value}), hash)  # type: ignore[arg-type]


def test_clients_of_both_packages_and_their_subclasses() -> None:
    class Own(httpx.Client):
        pass

    for client in (httpx.Client(), httpx2.Client(), Own()):
        options = HttpOptions(client=client)
        assert SyncHttp(options).deadlines == "best-effort"
        assert AsyncHttp(options).deadlines == "exact"
        with pytest.raises(ConfigurationError, match="AsyncClient"):
            HttpOptions(async_client=client)
        client.close()
    for asynchronous in (httpx.AsyncClient(), httpx2.AsyncClient()):
        options = HttpOptions(async_client=asynchronous)
        assert SyncHttp(options).deadlines == "exact"
        assert AsyncHttp(options).deadlines == "best-effort"
        asyncio.run(asynchronous.aclose())


def test_no_secret_in_any_repr() -> None:
    options = HttpOptions(proxy="http://me:secret@p:1")
    request = HttpRequest(url="http://x", headers=(("authorization", "secret"),), body=b"secret prompt")
    assert "secret" not in repr(options) + repr(request) + repr(Limit(1.0)) + repr(SyncHttp(options))


def test_importing_it_imports_no_http_library() -> None:
    names = "httpx httpx2 httpcore httpcore2 h11 anyio"
    script = f"import sys; import modelroute.runtime.http; print([n for n in {names.split()} if n in sys.modules])"
    ran = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": ":".join(sys.path)},
    )
    assert ran.stdout.strip() == "[]"
