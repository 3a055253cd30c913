"""Every recorded shape, from the bytes on a socket to what a caller of the public API gets for them."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache

import pytest

from modelroute import (
    AsyncRouter,
    AttemptsFailedError,
    Catalog,
    Model,
    Policy,
    Price,
    Provider,
    ReasoningDelta,
    Reply,
    Router,
    Scenario,
    StreamInterruptedError,
    TextDelta,
    cheapest,
)
from modelroute.providers.errors import classify
from modelroute.types.events import StreamEvent
from modelroute.types.failure import Failure, Kind
from tests.providers.requests import TOOL
from tests.providers.samples import COMPOSED, KINDS, Json, Sample, by_byte, by_event, samples

SAMPLES = [*samples(), *samples(COMPOSED)]
USAGE = ("input_tokens", "output_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens")
PRICE = Price(input=1, output=4, cached_input="0.1", cache_write="1.25")
PROMPT = "Where is my order?"
DECLINED = {"content_filter", "refusal"}
"""Ends that are no answer: the caller gets the failure."""

LOCAL = {"compatible", "vllm", "sglang", "ollama", "llamacpp", "lmstudio"}


class SampleServer:
    """Serves sample number ``n`` at ``/n/<cuts>/...``: whole, per event or one byte at a time."""

    def __init__(self) -> None:
        self.port = 0
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sample-server", daemon=True)
        self._thread.start()
        assert self._ready.wait(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._answer, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            length = next(line for line in head.lower().split("\r\n") if line.startswith("content-length:"))
            await reader.readexactly(int(length.partition(":")[2]))
            number, cuts = head.split(" ", 2)[1].split("/")[1:3]
            await _send(writer, SAMPLES[int(number)], cuts)
        writer.close()


async def _send(writer: asyncio.StreamWriter, sample: Sample, cuts: str) -> None:
    """Whole with its length, per event until the connection closes, by byte in chunks of one."""
    sent = {name: value for name, value in sample.headers.items() if name != "content-length"}
    sent.setdefault("content-type", "text/event-stream" if sample.streamed else "application/json")
    framing = {
        "whole": f"content-length: {len(sample.body)}",
        "event": "x-framing: close",
        "byte": "transfer-encoding: chunked",
    }
    lines = [f"HTTP/1.1 {sample.status} Said", *(f"{name}: {value}" for name, value in sent.items())]
    writer.write("\r\n".join([*lines, framing[cuts], "connection: close", "", ""]).encode("latin-1"))
    for piece in {"whole": lambda body: iter([body]), "event": by_event, "byte": by_byte}[cuts](sample.body):
        writer.write(b"1\r\n" + piece + b"\r\n" if cuts == "byte" else piece)
        await writer.drain()
    if cuts == "byte":
        writer.write(b"0\r\n\r\n")
    await writer.drain()


@pytest.fixture(scope="module")
def server() -> Iterator[SampleServer]:
    serving = SampleServer()
    yield serving
    serving.close()


@lru_cache
def catalog() -> Catalog:
    return Catalog.builtin()


@dataclass(frozen=True, slots=True)
class Place:
    """A provider of the catalog, or one of no name, that answers with one sample."""

    provider: Provider
    dialect: str

    @property
    def router(self) -> Json:
        policy = Policy(default=Scenario(prefer=cheapest, max_attempts=1))
        return {"providers": [self.provider], "policy": policy, "catalog": catalog()}


def place(server: SampleServer, sample: Sample, cuts: str) -> Place:
    row, dialect, profile = sample.spoken
    url = f"http://127.0.0.1:{server.port}/{SAMPLES.index(sample)}/{cuts}"
    model = Model("sample", context_window=2_000_000, max_output=100_000, features=frozenset({"tools"}))
    key = None if row in LOCAL else "sk-test-0123456789abcdef"
    if row == "compatible":
        made = Provider.compatible(url, name="someone", models=[model], price=PRICE, dialect=dialect, profile=profile)
    else:
        made = Provider(row, url=url, models=[model], price=PRICE, dialect=dialect, key=key)
    (endpoint,) = made.endpoints(catalog())
    assert (endpoint.dialect.name, endpoint.profile.name) == (dialect, profile)
    return Place(made, dialect)


@dataclass(slots=True)
class Heard:
    """What the caller got."""

    reply: Reply | None = None
    error: AttemptsFailedError | None = None
    text: str = ""
    reasoning: str = ""

    def note(self, event: StreamEvent) -> None:
        if isinstance(event, TextDelta):
            self.text += event.text
        elif isinstance(event, ReasoningDelta):
            self.reasoning += event.text


def ask(here: Place, mode: str) -> Heard:
    heard = Heard()
    with Router(**here.router) as router:
        try:
            if mode == "chat":
                heard.reply = router.chat(PROMPT, tools=[TOOL])
            else:
                with router.stream(PROMPT, tools=[TOOL]) as stream:
                    for event in stream:
                        heard.note(event)
                    heard.reply = stream.reply
        except AttemptsFailedError as error:
            heard.error = error
    return heard


async def ask_async(here: Place, mode: str) -> Heard:
    heard = Heard()
    async with AsyncRouter(**here.router) as router:
        try:
            if mode == "chat":
                heard.reply = await router.chat(PROMPT, tools=[TOOL])
            else:
                async with router.stream(PROMPT, tools=[TOOL]) as stream:
                    async for event in stream:
                        heard.note(event)
                    heard.reply = stream.reply
        except AttemptsFailedError as error:
            heard.error = error
    return heard


WAYS = [("sync", "chat", "whole"), ("async", "stream", "byte"), ("async", "chat", "event"), ("sync", "stream", "byte")]
ERROR_WAYS, STREAM_WAY, BODY_WAY = WAYS[:2], WAYS[1:2], WAYS[:1]


def ways(sample: Sample) -> list[tuple[str, str, str]]:
    """How a body is cut matters only where it is an answer; the composed ones are cut every way without a socket."""
    if sample.dialect:
        return STREAM_WAY if sample.streamed else BODY_WAY
    return WAYS if sample.status == 200 else ERROR_WAYS


CASES = [(sample, way) for sample in SAMPLES for way in ways(sample)]


@pytest.mark.parametrize(
    ("sample", "way"), CASES, ids=lambda value: value.file if isinstance(value, Sample) else " ".join(value)
)
def test_the_caller_gets_what_the_bytes_say(server: SampleServer, sample: Sample, way: tuple[str, str, str]) -> None:
    colour, mode, cuts = way
    here = place(server, sample, cuts)
    heard = ask(here, mode) if colour == "sync" else asyncio.run(ask_async(here, mode))

    if "error" in sample.expect or sample.expect["finish"] in DECLINED:
        assert heard.error is not None
        check_failure(sample, heard.error, streamed=mode == "stream")
    else:
        assert heard.error is None
        assert heard.reply is not None
        check_reply(sample, heard.reply)
        if mode == "stream":
            assert (heard.text, heard.reasoning) == (heard.reply.text, heard.reply.reasoning or "")


def check_reply(sample: Sample, reply: Reply) -> None:
    expect, usage = sample.expect, reply.usage
    assert reply.text == expect.get("text", reply.text)
    assert (reply.reasoning or "") == expect.get("reasoning", reply.reasoning or "")
    calls = [{"name": call.name, "arguments": json.loads(call.arguments)} for call in reply.tool_calls]
    assert calls == expect.get("tool_calls", [])
    assert reply.finish == expect["finish"]
    assert not reply.degraded
    told = {name: expect[name] for name in USAGE if name in expect}
    if told:
        assert usage is not None
        assert {name: getattr(usage, name) for name in told} == told
    if usage is not None and usage.provider_cost is not None:
        assert (reply.cost, reply.cost_basis) == (usage.provider_cost, "provider")
        assert float(reply.cost) == expect.get("provider_cost_usd", float(reply.cost))
    elif "provider_cost_usd" in expect:
        raise AssertionError("the provider's own figure was not believed")
    elif usage is not None and {"input_tokens", "output_tokens"} <= told.keys():
        plain = usage.input_tokens - usage.cached_tokens - usage.cache_write_tokens
        cost = plain + usage.cached_tokens * 0.1 + usage.cache_write_tokens * 1.25 + usage.output_tokens * 4
        cost += usage.hour_write_tokens * 0.75  # kept for an hour, writing costs 1.6 times as much
        assert float(reply.cost) == pytest.approx(cost / 1_000_000)
        assert reply.cost_basis == "declared by you"


def check_failure(sample: Sample, error: AttemptsFailedError, *, streamed: bool) -> None:
    failure = error.failure
    assert error.attempts[-1].failure == failure
    stated = sample.expect.get("error")
    if stated is None:
        assert failure.kind is Kind.REFUSED
        assert failure.refusal == sample.expect.get("refusal", failure.refusal)
        return
    assert failure.kind in KINDS[stated["kind"]]
    wait = stated.get("retry_after_s")
    if wait is not None:
        assert failure.retry_after is not None
        assert wait - 1 <= failure.retry_after <= wait
    code = stated.get("provider_code")
    if isinstance(code, str):
        assert failure.provider_code in {code, *_other_codes(sample, code)}
    if streamed and sample.expect.get("text"):
        assert isinstance(error, StreamInterruptedError)
        assert error.partial.text == sample.expect["text"]


def _other_codes(sample: Sample, code: str) -> set[str | None]:
    """Return the more specific word that is shown where `code` is the class of the error, or its status again."""
    failure: Failure = classify("compatible", sample.status, sample.headers, sample.body, 0.0)
    return {failure.provider_code} if code.encode() in sample.body or code == str(sample.status) else set()
