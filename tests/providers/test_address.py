"""Base URLs and headers: refused without echo, and only what is surely private counts as private."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelroute.errors import ConfigurationError
from modelroute.providers.address import checked_headers, checked_url, is_plaintext, is_private

SECRET = "sk-sentinel-0123456789"


@pytest.mark.parametrize(
    "url",
    [
        f"https://user:{SECRET}@host/v1", f"https://{SECRET}@host/v1", f"https://host/v1?key={SECRET}",
        f"https://host/v1#{SECRET}", f"https://host/v1?{SECRET}", f"ftp://host/{SECRET}", f"host/{SECRET}",
        f"https:///{SECRET}",
        f"https://host/{SECRET}\n", f"https://host /{SECRET}", f"https://host:99999/{SECRET}", f"https://ho<st/{SECRET}",
        f"https://h\u00f6st/{SECRET}", f"https://[::1/{SECRET}", "", "?",
    ],
)  # fmt: skip
def test_a_url_that_leaks_or_cannot_be_used_is_refused_without_echo(url: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        checked_url(url)
    assert "sentinel" not in str(caught.value)


@given(st.text(max_size=30))
def test_any_text_is_a_url_or_our_error(text: str) -> None:
    for url in (text, f"https://{text}", f"http://host/{text}"):
        try:
            assert checked_url(url).startswith("http")
        except ConfigurationError:
            pass


def test_a_slash_at_the_end_is_taken_off() -> None:
    assert checked_url("http://localhost:8000/v1/") == "http://localhost:8000/v1"


@pytest.mark.parametrize(
    "host",
    [
        "localhost", "LOCALHOST.", "box.local", "a.localhost", "127.0.0.1", "127.9.9.9", "10.1.2.3", "172.31.0.1",
        "192.168.1.5",
        "[::1]", "[fd00::1]", "[fe80::1]", "[::ffff:10.0.0.1]", "0.0.0.0",
    ],
)  # fmt: skip
def test_private(host: str) -> None:
    assert is_private(f"http://{host}:8000/v1")
    assert not is_plaintext(f"http://{host}:8000/v1")


@pytest.mark.parametrize(
    "host",
    ["api.example.com", "8.8.8.8", "172.32.0.1", "127.0.0.1.nip.io", "localhost.example.com", "vllm", "notlocal",
     "[2001:db8::1]", "[::ffff:8.8.8.8]", "2130706433"],
)  # fmt: skip
def test_public(host: str) -> None:
    assert not is_private(f"http://{host}/v1")
    assert is_plaintext(f"http://{host}/v1")
    assert not is_plaintext(f"https://{host}/v1")


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Team": f"{SECRET}\r\nX-Other: 1"}, {"X-Team": f"{SECRET}\x00"}, {f"X {SECRET}": "a"}, {"": "a"},
        {"X-Team": 7}, {"Host": SECRET}, {"content-length": SECRET}, {"X-A": "1", "x-a": "2"}, {"X-Team": f"{SECRET} "},
        {"X-Team": "\u00fc"},
    ],
)  # fmt: skip
def test_a_header_that_cannot_be_sent_is_refused_without_its_value(headers: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError) as caught:
        checked_headers(headers)
    assert "sentinel" not in str(caught.value)


def test_headers_keep_their_order_and_spelling() -> None:
    assert checked_headers({"X-B": "1", "X-A": ""}) == (("X-B", "1"), ("X-A", ""))
    assert checked_headers(None) == ()
