"""Through which proxy, and by which certificates."""

from __future__ import annotations

import base64
import contextlib
import socket
import ssl
import threading

import pytest

from modelroute.runtime.http import HttpOptions, HttpRequest, HttpTimeout, HttpUnreachable, Limit
from modelroute.runtime.http.core import choose_core, load_core
from modelroute.runtime.http.routes import proxy_for, tls_context
from tests.runtime.http.peers import CERTIFICATE, OK, AsyncSide, Line, Peer, Side, SyncSide, polite, whole

PROXY_VARIABLES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")
MADE = [(side, core) for side in (SyncSide, AsyncSide) for core in ("httpcore", "httpcore2")]


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*PROXY_VARIABLES, "ssl_cert_file", "ssl_cert_dir"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def tunnel(line: Line) -> None:
    """A proxy that joins a CONNECT to the port it names."""
    target = line.request().split(b" ")[1].decode()
    with socket.create_connection(("127.0.0.1", int(target.rpartition(":")[2]))) as far:
        line.send(b"HTTP/1.1 200 Connected\r\n\r\n")

        def back() -> None:
            with contextlib.suppress(OSError):
                while data := far.recv(65536):
                    line.send(data)

        thread = threading.Thread(target=back, daemon=True)
        thread.start()
        with contextlib.suppress(OSError):
            while data := line.sock.recv(65536):
                far.sendall(data)
        with contextlib.suppress(OSError):
            far.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.mark.parametrize(("made", "core"), MADE)
async def test_https_through_a_tunnel(made: type[Side], core: str) -> None:
    """The proxy sees its password and the name of the host; the request goes inside TLS, and the tunnel is reused."""
    with Peer(tls=True) as peer, Peer(tunnel) as proxy:
        side = made(HttpOptions(verify=CERTIFICATE, proxy=f"http://me:p%40ss@127.0.0.1:{proxy.port}"), core=core)
        for _ in range(2):
            request = HttpRequest(url=peer.url, headers=(("authorization", "Bearer k"),), body=b"{}")
            assert await whole(await side.open(request)) == b"{}"
        await side.aclose()
        assert (proxy.accepted, peer.accepted, len(peer.requests)) == (1, 1, 2)
        head = proxy.requests[0].lower()
        assert head.startswith(b"connect localhost:%d http/1.1" % peer.port)
        assert base64.b64encode(b"me:p@ss").lower() in head
        assert b"bearer" not in head
        assert b"proxy-authorization" not in peer.requests[0].lower()


@pytest.mark.parametrize(("made", "core"), MADE)
async def test_a_tunnel_with_bytes_left_over_is_closed(made: type[Side], core: str) -> None:
    def more(line: Line) -> None:
        while True:
            line.request()
            line.send(OK + OK)

    with Peer(more, tls=True) as peer, Peer(tunnel) as proxy:
        side = made(HttpOptions(verify=CERTIFICATE, proxy=f"http://127.0.0.1:{proxy.port}"), core=core)
        for _ in range(2):
            assert await whole(await side.open(HttpRequest(url=peer.url, body=b"{}"))) == b"{}"
        await side.aclose()
        assert (proxy.accepted, peer.accepted, len(peer.requests)) == (2, 2, 2)


@pytest.mark.parametrize(("made", "core"), MADE)
async def test_http_is_forwarded(made: type[Side], core: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with Peer() as proxy:
        monkeypatch.setenv("HTTP_PROXY", f"127.0.0.1:{proxy.port}")
        side = made(HttpOptions(), core=core)
        assert await whole(await side.open(HttpRequest(url="http://far.example/v1?x=1", body=b"{}"))) == b"{}"
        await side.aclose()
        assert proxy.requests[0].startswith(b"POST http://far.example:80/v1?x=1 HTTP/1.1\r\n")
        assert b"host: far.example\r\n" in proxy.requests[0].lower()


@pytest.mark.parametrize(("made", "core"), MADE)
async def test_a_proxy_that_refuses_or_hangs_means_nothing_was_sent(made: type[Side], core: str) -> None:
    def refuse(line: Line) -> None:
        line.request()
        line.send(b"HTTP/1.1 407 Who\r\ncontent-length: 0\r\n\r\n")

    def hang(line: Line) -> None:
        line.request()
        line.until_closed()

    for script in (refuse, hang):
        with Peer(script) as proxy:
            side = made(HttpOptions(proxy=f"http://127.0.0.1:{proxy.port}"), core=core)
            limit = Limit(side.now() + 5, side.now() + (5 if script is refuse else 0.1))
            with pytest.raises((HttpUnreachable, HttpTimeout)) as caught:
                await side.open(HttpRequest(url="https://far.example", body=b"{}"), limit)
            await side.aclose()
            if script is refuse:
                assert isinstance(caught.value, HttpUnreachable)
                assert "407" in str(caught.value)
            else:
                assert isinstance(caught.value, HttpTimeout)
                assert caught.value.phase == "connect"


@pytest.mark.parametrize(
    ("environment", "options", "url", "through"),
    [
        ({}, HttpOptions(), "https://a.example", False),
        ({"HTTPS_PROXY": "http://p:1"}, HttpOptions(), "https://a.example", True),
        ({"https_proxy": "http://p:1"}, HttpOptions(), "https://a.example", True),
        ({"HTTPS_PROXY": "http://p:1"}, HttpOptions(), "http://a.example", False),
        ({"ALL_PROXY": "http://p:1"}, HttpOptions(), "https://a.example", True),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "example"}, HttpOptions(), "https://a.example", False),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "a.example:443"}, HttpOptions(), "https://a.example", False),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "b.example"}, HttpOptions(), "https://a.example", True),
        ({"HTTPS_PROXY": "http://p:1", "NO_PROXY": "*"}, HttpOptions(), "https://a.example", False),
        ({"HTTPS_PROXY": "http://p:1"}, HttpOptions(trust_env=False), "https://a.example", False),
        ({"NO_PROXY": "*"}, HttpOptions(proxy="http://p:1"), "https://a.example", True),
    ],
)
def test_which_proxy(
    environment: dict[str, str], options: HttpOptions, url: str, through: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    core = load_core("httpcore")
    assert (proxy_for(options, core.address(url), core) is not None) is through


@pytest.mark.parametrize(
    "proxy", ["socks5://me:secret@p:1", "https://me:secret@p:1", "http://[secret", "http://p:secret"]
)
def test_an_unusable_proxy_is_an_error_and_never_passed_by(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    core = load_core("httpcore")
    with pytest.raises(HttpUnreachable, match="NO_PROXY") as caught:
        proxy_for(HttpOptions(), core.address("https://a.example"), core)
    assert "secret" not in str(caught.value)


async def test_certificates(monkeypatch: pytest.MonkeyPatch) -> None:
    """Unknown authorities are refused; a file, the environment, a context or an explicit `False` lets them pass."""
    own = ssl.create_default_context(cafile=CERTIFICATE)
    with Peer(polite, tls=True) as peer:

        async def reached(options: HttpOptions, core: str = "httpcore2") -> bool:
            side = SyncSide(options, core=core)
            try:
                return await whole(await side.open(HttpRequest(url=peer.url))) == b"{}"
            except HttpUnreachable:
                return False
            finally:
                await side.aclose()

        assert not await reached(HttpOptions())
        assert await reached(HttpOptions(verify=False))
        assert await reached(HttpOptions(verify=CERTIFICATE))
        assert await reached(HttpOptions(verify=own))
        monkeypatch.setenv("SSL_CERT_FILE", CERTIFICATE)
        assert await reached(HttpOptions())
        for core in ("httpcore", "httpcore2"):
            assert not await reached(HttpOptions(trust_env=False), core)
        monkeypatch.setenv("SSL_CERT_FILE", "/nowhere/at/all")
        assert not await reached(HttpOptions())
        assert not await reached(HttpOptions(verify="/nowhere/at/all"))


def test_one_context_is_made_and_shared(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> None:
    core = choose_core()
    assert tls_context(HttpOptions(), core) is tls_context(HttpOptions(keepalive=5), core)
    assert tls_context(HttpOptions(verify=False), core) is not tls_context(HttpOptions(), core)
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    assert tls_context(HttpOptions(verify=str(tmp_path)), core).cert_store_stats()["x509"] == 0


def test_the_newer_core_is_chosen_and_the_older_when_it_is_absent(monkeypatch: pytest.MonkeyPatch) -> None:
    assert choose_core().name == "httpcore2"
    choose_core.cache_clear()

    def load(name: str) -> object:
        if name == "httpcore2":
            raise ImportError(name)
        return name

    monkeypatch.setattr("modelroute.runtime.http.core.load_core", load)
    try:
        assert choose_core() == "httpcore"  # type: ignore[comparison-overlap]
    finally:
        choose_core.cache_clear()
