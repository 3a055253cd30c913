"""What the fuzzer calls: one function of bytes for each place where bytes of strangers, or values of users, come in.

A target returns when its promise was kept and raises when it was not: any exception but the one that place declares, a
limit that did not hold, an answer that changes with how the bytes were cut. `SEEDS` are inputs to start from.
"""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from decimal import Decimal
from pathlib import Path
from typing import TypeAlias, cast

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modelroute import Model, Money, Policy, Price, Provider, Rule, Scenario, Timeouts
from modelroute.catalog.catalog import Catalog
from modelroute.catalog.load import load_texts
from modelroute.errors import ConfigurationError, ModelRouteError, RequestError
from modelroute.providers.dialects import DIALECTS
from modelroute.providers.errors import CODES, classify
from modelroute.providers.profile import Profile
from modelroute.providers.profiles import PROFILES
from modelroute.resilience.backoff import Retry
from modelroute.types.events import Ended, Fault, WireEvent
from modelroute.types.failure import Failure, Kind
from modelroute.wire import sse as sse_module
from modelroute.wire.errors import GarbledError
from modelroute.wire.json import DEEPEST, dumps, loads
from modelroute.wire.sse import SseDecoder, SseEvent
from modelroute.wire.waits import LONGEST_WAIT, read_wait, retry_after, should_retry
from tests.catalog.test_load import WHOLE
from tests.junk import junk, works_or_is_refused
from tests.wire.samples import ROOT as SAMPLES

__all__ = ["SEEDS", "TARGETS", "Target"]

Target: TypeAlias = Callable[[bytes], None]

NOW = 1_795_305_600.0
_RUN = 700
_RUNS = 8
_LINE = 1_000
_EVENT = 3_000


class Draw:
    """Reads choices off the front of the input, so that the fuzzer's bytes choose them; runs dry as zeros."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def byte(self) -> int:
        """Take one byte."""
        self._at += 1
        return self._data[self._at - 1] if self._at <= len(self._data) else 0

    def one_of(self, values: Iterable[str]) -> str:
        """Take a choice."""
        listed = list(values)
        return listed[self.byte() % len(listed)]

    def rest(self) -> bytes:
        """Take what is left."""
        return self._data[self._at :]


def cut(data: bytes, seed: int) -> Iterator[bytes]:
    """Cut `data` into pieces of 0 to 16 bytes (0 to 256 when it is long), as `seed` chooses."""
    longest = 17 if len(data) < _LINE else 257
    place, state = 0, seed
    while place < len(data):
        state = (state * 1_103_515_245 + 12_345) % (1 << 31)
        size = (state >> 8) % longest
        yield data[place : place + size]
        place += size


def inflated(data: bytes) -> bytes:
    """Replace each of the first few pairs of 0x1F and a byte by a long run of that byte: how limits are reached."""
    first, *marked = data.split(b"\x1f")
    whole = bytearray(first)
    for number, part in enumerate(marked):
        whole += part[:1] * (_RUN if number < _RUNS else 1) + part[1:]
    return bytes(whole)


@contextmanager
def scaled_limits() -> Iterator[None]:
    """Scale the limits of lines and events down to a thousandth: the same code, and inputs small enough to be many."""
    before = sse_module.LONGEST_LINE, sse_module.LONGEST_EVENT
    sse_module.LONGEST_LINE, sse_module.LONGEST_EVENT = _LINE, _EVENT
    try:
        yield
    finally:
        sse_module.LONGEST_LINE, sse_module.LONGEST_EVENT = before


# ------------------------------------------------------------------------------------------------------------ wire


def _read_events(pieces: Iterable[bytes]) -> tuple[list[SseEvent], str | None]:
    decoder = SseDecoder()
    events: list[SseEvent] = []
    try:
        for piece in pieces:
            events += decoder.feed(piece)
            assert len(decoder._line) <= _LINE, "more than a line is held"
            assert decoder._data is None or len(decoder._data) <= _EVENT, "more than an event is held"
        events += decoder.end()
    except GarbledError as error:
        return events, str(error)
    return events, None


def sse(data: bytes) -> None:
    """Events do not depend on how the bytes are cut; lines and events are bounded; only `GarbledError` leaves."""
    draw = Draw(data)
    seed = draw.byte()
    body = inflated(draw.rest())
    with scaled_limits():
        whole = _read_events([body])
        assert _read_events(cut(body, seed)) == whole, "the events depend on the chunks"
    assert all(len(event.data) <= _EVENT for event in whole[0]), "an event is longer than the limit"


def depth_of(value: object) -> int:
    """Return the levels of arrays and objects in `value`."""
    levels, level = 0, [value]
    while level := [one for one in level if isinstance(one, dict | list)]:
        levels += 1
        level = [
            below
            for one in level
            for below in (
                cast("dict[str, object]", one).values() if isinstance(one, dict) else cast("list[object]", one)
            )
        ]
    return levels


def bounded_json(data: bytes) -> None:
    """Read JSON is at most as deep as said, and what was read and is finite can be written and read again."""
    for text in (data, data.decode("utf-8", "replace"), _nested(data)):
        try:
            value = loads(text)
        except GarbledError:
            continue
        assert depth_of(value) <= DEEPEST, "deeper than the limit"
        with suppress(RequestError):
            assert loads(dumps(value)) == value, "written and read again, it is another value"


def _nested(data: bytes) -> bytes:
    """Nest the text as deep as its first byte says: around the limit as often as not."""
    levels = data[0] if data else 0
    return b"[" * levels + data[1:] + b"]" * levels


_HEADERS = (
    "retry-after", "retry-after-ms", "x-should-retry", "x-ratelimit-remaining-requests", "x-ratelimit-reset-requests",
    "x-ratelimit-remaining-tokens", "x-ratelimit-reset-tokens", "x-ratelimit-remaining", "x-ratelimit-reset",
    "x-ratelimit-limit-requests", "anthropic-ratelimit-requests-remaining", "anthropic-ratelimit-requests-reset",
    "anthropic-ratelimit-input-tokens-remaining", "x-amzn-errortype", "content-type",
)  # fmt: skip


def _headers(draw: Draw) -> tuple[Mapping[str, str], bytes]:
    """Take some headers and the body after them: a byte names each header, a newline ends its value."""
    count = draw.byte() % 5
    *values, body = [*draw.rest().split(b"\n", count), *([b""] * count)][: count + 1]
    names = [_HEADERS[(value[0] if value else 0) % len(_HEADERS)] for value in values]
    return {name: value[1:].decode("latin-1") for name, value in zip(names, values, strict=True)}, body


def status(data: bytes) -> None:
    """Any status, headers and body are exactly one `Failure`, whose wait is bounded."""
    draw = Draw(data)
    code = (100, 200, 301, 400, 401, 402, 403, 404, 413, 422, 429, 500, 502, 503, 529)[
        draw.byte() % 15
    ] + draw.byte() % 3
    speaker = draw.one_of([*sorted(CODES), "unheard-of"])
    headers, body = _headers(draw)
    failure = classify(speaker, code, headers, body, NOW)
    assert isinstance(failure, Failure)
    assert isinstance(failure.kind, Kind)
    assert failure.retry_after is None or 0 <= failure.retry_after <= LONGEST_WAIT, "a wait out of bounds"
    assert isinstance(str(failure), str)


def waits(data: bytes) -> None:
    """Whatever headers say, a wait is a bounded number of seconds or none, and so is what is left of a limit."""
    headers, body = _headers(Draw(data))
    found = [retry_after(headers, body.decode("utf-8", "replace"), NOW)]
    found += [read_wait(value, NOW) for value in headers.values()]
    assert all(wait is None or 0 <= wait <= LONGEST_WAIT for wait in found), "a wait out of bounds"
    assert should_retry(headers) in {True, False, None}
    try:
        from modelroute.wire.limits import rate_limits
    except ImportError:
        return
    rate_limits(headers, NOW)


# -------------------------------------------------------------------------------------------------------- dialects


def _answer(dialect: str, provider: str, pieces: Iterable[bytes]) -> list[WireEvent]:
    decoder = DIALECTS[dialect].decoder(provider, PROFILES.get(provider, Profile(provider)))
    events: list[WireEvent] = []
    for piece in pieces:
        events += decoder.feed(piece)
    return [*events, *decoder.end()]


def _decoder(dialect: str) -> Target:
    def decode(data: bytes) -> None:
        draw = Draw(data)
        seed = draw.byte()
        provider = draw.one_of([*sorted(PROFILES), "unheard-of"])
        body = inflated(draw.rest())
        with scaled_limits():
            events = _answer(dialect, provider, cut(body, seed))
            assert events == _answer(dialect, provider, [body]), "the answer depends on the chunks"
        assert sum(isinstance(event, Ended | Fault) for event in events) == 1, "an answer ends exactly once"
        assert isinstance(events[-1], Ended | Fault), "something follows the end"

    decode.__doc__ = f"Whatever comes as {dialect} gives events, the same for all cuts, and ends exactly once."
    return decode


# ---------------------------------------------------------------------------------------------------- declarations

_BUILDERS: Mapping[str, tuple[Callable[..., object], Mapping[str, object]]] = {
    "Scenario": (Scenario, {}),
    "Rule": (Rule, {}),
    "Policy": (Policy, {}),
    "Model": (Model, {"name": "mine"}),
    "Price": (Price, {"input": 1, "output": 2}),
    "Timeouts": (Timeouts, {}),
    "Retry": (Retry, {}),
    "Provider": (Provider, {"name": "openai", "key": "k"}),
    "compatible": (
        Provider.compatible,
        {"url": "http://127.0.0.1:1/v1", "name": "mine", "key": "k", "price": Price.free(), "models": ["mine"]},
    ),
}


def _builders() -> Mapping[str, tuple[Callable[..., object], Mapping[str, object]]]:
    try:
        from modelroute.policy.budget import Budget
    except ImportError:
        return _BUILDERS
    return {**_BUILDERS, "Budget": (Budget, {"name": "team", "limit": 5})}


def _keywords(build: Callable[..., object]) -> list[str]:
    return [name for name, one in inspect.signature(build).parameters.items() if one.kind is not one.VAR_KEYWORD]


@st.composite
def _declarations(draw: st.DrawFn) -> tuple[str, dict[str, object]]:
    known = _builders()
    name = draw(st.sampled_from(sorted(known)))
    build, plain = known[name]
    chosen = draw(st.lists(st.sampled_from(_keywords(build)), min_size=1, max_size=3, unique=True))
    return name, {**plain, **{keyword: draw(junk()) for keyword in chosen}}


@settings(database=None, deadline=None, suppress_health_check=list(HealthCheck))
@given(_declarations())
def _declare(declared: tuple[str, dict[str, object]]) -> None:
    name, fields = declared
    works_or_is_refused(lambda: _builders()[name][0](**fields))


def declarations(data: bytes) -> None:
    """What users declare works or is refused by an error of ours, whatever the values are."""
    _declare.hypothesis.fuzz_one_input(data)  # type: ignore[attr-defined]


def catalog(data: bytes) -> None:
    """Whatever a catalog file says is loaded or refused by an error of ours."""
    with suppress(ModelRouteError):
        load_texts({"mine.toml": data.decode("utf-8", "replace")}, Catalog())


def money(data: bytes) -> None:
    """An amount is read exactly or refused; what is shown of it can be read again."""
    text = data.decode("utf-8", "replace")
    candidates: list[object] = [text]
    with suppress(ValueError):
        candidates.append(float(text))
    with suppress(ValueError):
        candidates.append(int(text))
    with suppress(ArithmeticError):
        candidates.append(Decimal(text))
    for candidate in candidates:
        try:
            amount = Money(candidate)  # type: ignore[arg-type]
        except ConfigurationError:
            continue
        assert not isinstance(candidate, float) or math.isfinite(candidate), "an amount that is no number"
        assert Money(amount.dollars) == amount, "an amount changes when it is read again"
        assert isinstance(f"{amount}{amount!r}", str)


TARGETS: Mapping[str, Target] = {
    "sse": sse,
    "json": bounded_json,
    "status": status,
    "waits": waits,
    "openai_chat": _decoder("openai-chat"),
    "anthropic_messages": _decoder("anthropic-messages"),
    "declarations": declarations,
    "catalog": catalog,
    "money": money,
}
"""Every target by name."""


def _samples(*endings: str) -> list[bytes]:
    return [path.read_bytes() for path in sorted(Path(SAMPLES).rglob("*")) if path.suffix in endings]


def _error_bodies() -> Iterator[bytes]:
    for data in _samples(".json"):
        response: object = json.loads(data)
        if isinstance(response, dict):
            yield json.dumps(cast("Mapping[str, object]", response).get("body")).encode()


_STREAMS = [bytes((7, 3)) + data for data in _samples(".sse", ".txt", ".jsonl")]
_BODIES = list(_error_bodies())

SEEDS: Mapping[str, list[bytes]] = {
    "sse": [data[1:] for data in _STREAMS]
    + [b"\x05data: \x1fa\x1fb\x1fc\x1fd\n\n", b"\x01\xef\xbb\xbfdata: x\r\n\r\n"],
    "json": [*_BODIES, b"\x63[1]", b"\x64{}", b'{"a": [1e999, NaN, "\\ud800"]}'],
    "status": [bytes((number % 15, 0, number % 20, 0)) + body for number, body in enumerate(_BODIES)],
    "waits": [b"\x02\x002m59.56s\n\x01Sun, 22 Nov 2026 00:00:00 GMT\ntry again in 1.4s", b"\x01\x00-1e400\n"],
    "openai_chat": _STREAMS,
    "anthropic_messages": _STREAMS,
    "declarations": [bytes(range(256)), bytes(64)],
    "catalog": [WHOLE.encode()],
    "money": [b"0.02", b"$1,000", b"1e-12", b"-0", b"NaN", b"1e999999"],
}
"""Inputs to start from, by target."""
