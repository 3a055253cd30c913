"""A key shows nowhere, and what others wrote about it is cleaned."""

import copy
import json
import logging
import pickle
import string
import traceback
from base64 import b64encode, urlsafe_b64encode
from dataclasses import dataclass
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from modelroute.errors import ConfigurationError
from modelroute.wire import secrets
from modelroute.wire.secrets import HIDDEN, LONGEST_TEXT, Secret, redact

SENTINEL = "sk-sentinel-8f1c0d2e"
KEYS = st.text("".join(chr(code) for code in range(0x21, 0x7F)), min_size=1, max_size=80)


@given(KEYS)
def test_a_key_is_revealed_only_by_name(key: str) -> None:
    secret = Secret(key)
    shown = [repr(secret), str(secret), f"{secret}", f"{secret!r:>40}", "%s" % secret, "{:x}".format(secret)]  # noqa: UP031, UP032

    assert secret.reveal() == key
    assert all(text.replace("Secret", "").strip(" ()'*") == "" for text in shown)


def test_nothing_that_holds_a_key_shows_it(caplog: pytest.LogCaptureFixture) -> None:
    @dataclass(frozen=True, slots=True)
    class Holder:
        key: Secret

    holder = Holder(Secret(SENTINEL))
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("modelroute").debug("%s %r", holder, holder.key)
    try:
        raise RuntimeError(holder)
    except RuntimeError as error:
        written = "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())

    assert SENTINEL not in caplog.text + written + repr(vars) + json.dumps({"holder": str(holder)})


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_key_is_not_pickled(protocol: int) -> None:
    with pytest.raises(TypeError, match="cannot be pickled") as caught:
        pickle.dumps({"key": Secret(SENTINEL)}, protocol)

    assert SENTINEL not in str(caught.value)


def test_copies_are_the_same() -> None:
    secret = Secret(SENTINEL)

    assert copy.copy(secret) is secret
    assert copy.deepcopy([secret])[0] is secret


def test_a_key_cannot_be_changed() -> None:
    secret = Secret(SENTINEL)
    with pytest.raises(AttributeError):
        secret.value = "other"
    with pytest.raises(AttributeError):
        del secret._Secret__value  # type: ignore[attr-defined]
    assert secret.reveal() == SENTINEL


@given(KEYS, KEYS)
def test_keys_are_equal_by_value(one: str, other: str) -> None:
    assert (Secret(one) == Secret(other)) == (one == other)
    assert len({Secret(one), Secret(one)}) == 1
    assert Secret(one) != one


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("", "is empty"),
        (" \n", "is blank"),
        (f"{SENTINEL}\n", "ends with a newline"),
        (f"{SENTINEL}\r\n", "ends with a newline"),
        (f" {SENTINEL}", "has whitespace around it"),
        (f"{SENTINEL}\t", "has whitespace around it"),
        ("sk-sent inel", "has whitespace inside, at character 8"),
        ("sk-\nsentinel", "has whitespace inside, at character 4"),
        ("sk-\x00sentinel", "has a control character at position 4"),
        ("sk-\x7fsentinel", "has a control character at position 4"),
        ("sk-sentinel\u200b", "has a character outside ASCII at position 12"),
        ("sk-sentinelé", "has a character outside ASCII at position 12"),
        ("\ufeffsk-sentinel", "has a character outside ASCII at position 1"),
    ],
)
def test_a_key_no_header_can_carry_is_refused_without_echo(value: str, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words) as caught:
        Secret(value)
    problem = caught.value
    frames = [
        frame for frame, _ in traceback.walk_tb(problem.__traceback__) if frame.f_code.co_filename == secrets.__file__
    ]
    locals_shown = [repr(frame.f_locals) for frame in frames]

    assert frames
    assert not any(value.strip()[:5] in shown for shown in locals_shown if value.strip())
    chain = "".join(traceback.format_exception(problem)) + repr(problem) + repr(problem.args)

    assert "sent" not in chain.replace("SENTINEL", "")
    assert problem.__context__ is None


@given(st.text(max_size=20))
def test_any_text_is_a_key_or_refused(value: str) -> None:
    try:
        key = Secret(value).reveal()
    except ConfigurationError:
        assert not value or any(not "\x21" <= character <= "\x7e" for character in value)
    else:
        assert key == value
        assert all("\x21" <= character <= "\x7e" for character in key)


@pytest.mark.parametrize("value", [None, 1, b"sk-bytes", ["sk"]])
def test_a_key_is_text(value: object) -> None:
    with pytest.raises(ConfigurationError, match="must be text"):
        Secret(value)  # type: ignore[arg-type]


LONG_KEYS = st.text("".join(sorted(set(string.printable[:94]) - {"*"})), min_size=8, max_size=60)


@given(LONG_KEYS, st.text(max_size=30), st.text(max_size=30))
def test_a_known_key_is_hidden_however_it_is_spelt(key: str, before: str, after: str) -> None:
    assume(key not in before + after)
    encoded = b64encode(b"Bearer " + key.encode()).decode()
    written = f"{before}{key}{after} {quote(key, safe='')} {quote_plus(key)} {key.upper()}"
    cleaned = redact(written, [Secret(key)])

    assert key not in cleaned
    assert quote(key, safe="") not in cleaned
    assert key.upper() not in cleaned
    assert encoded not in redact(f"authorization: {encoded}", [key])


@given(
    st.text(string.ascii_letters + string.digits, min_size=12, max_size=60),
    st.binary(max_size=7),
    st.binary(max_size=7),
)
def test_a_known_key_is_hidden_in_base64_at_any_alignment(key: str, before: bytes, after: bytes) -> None:
    """The middle of the key never shows: at most the characters that share a group with their neighbours remain."""
    for encode in (b64encode, urlsafe_b64encode):
        cleaned = redact(encode(before + key.encode() + after).decode(), [key])

        assert HIDDEN in cleaned
        for offset in range(3):
            assert b64encode(key.encode()[offset : offset + 9]).decode()[:12] not in cleaned


@given(LONG_KEYS, st.integers(0, 400), st.integers(1, 200))
def test_a_key_is_hidden_wherever_the_cut_falls(key: str, before: int, limit: int) -> None:
    cleaned = redact("-" * before + key * 50, [key], limit=limit)

    assert len(cleaned) <= limit
    for length in range(6, len(key)):
        assert key[:length] not in cleaned or set(key[:length]) <= {"-"} or key[:length] in HIDDEN * 9


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("Incorrect API key provided: sk-abc123def456.", "Incorrect API key provided: ***"),
        ("key sk-proj-A_b-C123456789 is wrong", "key *** is wrong"),
        ("Authorization: Bearer abcdef.ghijk-123", "Authorization: Bearer ***"),
        ("Basic dXNlcjpwYXNzd29yZDE= failed", "Basic *** failed"),
        ("GET /v1?api_key=abcdef123&x=1", "GET /v1?api_key=***&x=1"),
        ('{"api-key": "abcdef123"}', '{"api-key": "***"}'),
        ("x-api-key: abcdef123", "x-api-key: ***"),
        ("AIzaSyA1234567890abcdefghijklmnopqrstu", "***"),
        ("AKIAIOSFODNN7EXAMPLE", "***"),
        ("token eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc", "token ***"),
        ("gsk_1234567890abcdef", "***"),
        ("tp-1234567890abcdef", "***"),
        (
            "Rate limit reached for gpt-5.6-luna in organization org-mr",
            "Rate limit reached for gpt-5.6-luna in organization org-mr",
        ),
        ("enforced_spend_limit_reached", "enforced_spend_limit_reached"),
        ("a task-oriented, risk-averse model", "a task-oriented, risk-averse model"),
        ("the bearer of bad news", "the bearer of bad news"),
        ("basic usage", "basic usage"),
        ("Bearer token missing", "Bearer token missing"),
        ("line\r\nforged\x1b[31m\u2028log", "line forged [31m log"),
        ("", ""),
    ],
)
def test_what_looks_like_a_key_is_hidden_and_what_does_not_is_left(text: str, cleaned: str) -> None:
    assert redact(text) == cleaned


@given(st.text(max_size=5000), st.lists(KEYS, max_size=3), st.integers(1, 3000))
def test_the_result_is_short_and_on_one_line(text: str, keys: list[str], limit: int) -> None:
    cleaned = redact(text, keys, limit=limit)

    assert len(cleaned) <= limit
    assert not any(character in cleaned for character in "\r\n\x00\x1b\u2028")
    assert len(redact(text)) <= LONGEST_TEXT


@pytest.mark.timeout(3)
@pytest.mark.parametrize("hostile", [" " * 10**6, "sk-" * 10**6, "bearer " * 10**5, "eyJ" * 10**6, "api_key=" * 10**5])
def test_long_nonsense_costs_nothing(hostile: str) -> None:
    redact(hostile, [SENTINEL])
