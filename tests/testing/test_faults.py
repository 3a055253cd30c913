"""Every fault does on the wire what its sentence says: read as bytes, by httpx and by the vendors' own SDKs."""

import json
import socket
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import anthropic
import httpx
import openai
import pytest

from modelroute.testing import faults
from modelroute.testing.exchange import SeenRequest
from modelroute.testing.faults import FAULTS, ok
from modelroute.testing.server import FaultServer
from modelroute.types.failure import Kind
from tests.testing import raw
from tests.testing.raw import Answer, ask

WAYS = [(dialect, stream) for dialect in ("openai", "anthropic") for stream in (True, False)]
DRIPS = {"byte_drip", "header_drip", "comment_drip", "comment_flood", "endless"}

DEMANDED = {
    *(
        "ok",
        "ok_stream",
        "429_retry_after",
        "429",
        "429_quota",
        "500_once",
        "503",
        "529",
        "reset_before_headers",
        "silent",
    ),
    *("headers_then_silent", "slow_first_token", "cut", "stalled", "malformed_event", "no_done", "eof_without_finish"),
    *("context_length", "content_filter", "reset_in_headers", "half_close", "informational", "length_too_long"),
    *("length_too_short", "gzip_bomb", "bad_gzip", "header_flood", "redirect", "html", "error_in_200", "error_event"),
    *(
        "duplicated",
        "reordered",
        "empty_chunks",
        "cr_only",
        "bom",
        "split_utf8",
        "nul_bytes",
        "long_line",
        "usage_missing",
    ),
    *("usage_zero", "usage_negative", "usage_huge", "two_finishes", "interleaved_tools", "comment_drip", "byte_drip"),
    *("header_drip", "slow_reading", "429_retry_after_date", "429_retry_after_negative", "429_retry_after_nan"),
    *("429_retry_after_huge", "idle_close", "401", "403", "404", "402", "413", "prefill_refused", "flapping"),
}


@pytest.fixture(scope="module")
def server() -> Iterator[FaultServer]:
    with FaultServer() as serving:
        yield serving


@pytest.fixture(scope="module")
def client() -> Iterator[httpx.Client]:
    """One client, because making one costs more than all its requests here; no connection is used twice."""
    with httpx.Client(trust_env=False, limits=httpx.Limits(max_keepalive_connections=0)) as one:
        yield one


def wire_text(events: bytes) -> str:
    """Read a stream as the standard says and join what it tells, in either dialect; malformed events are left out."""
    text = ""
    for block in events.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n\n"):
        for line in block.split(b"\n"):
            if line.startswith(b"data: {"):
                try:
                    told = json.loads(line.removeprefix(b"data: "))
                except ValueError:
                    continue
                text += told.get("delta", {}).get("text", "") if isinstance(told.get("delta"), dict) else ""
                text += "".join(choice["delta"].get("content") or "" for choice in told.get("choices", ()))
    return text


def last_seen(server: FaultServer) -> SeenRequest:
    server.wait_idle()
    return server.requests[-1]


# ---------------------------------------------------------------- the whole catalog


def test_the_catalog_holds_all_that_was_demanded() -> None:
    assert not DEMANDED - FAULTS.keys()
    assert len(FAULTS) >= 75


def test_every_fault_is_described() -> None:
    for name, one in FAULTS.items():
        assert one.name == name
        assert str(one) == name
        assert len(one.what) > 5
        assert (one.expect is None) <= (one.when != "before content"), f"{name} succeeds, yet goes wrong before content"
        assert one.allows(one.expect)
        assert one.allows(one.expect_plain, streamed=False)
        if one.expect is not None and Kind.INVALID not in one.also | {one.expect}:
            assert not one.allows(Kind.INVALID), f"{name}: nothing the provider does is the caller's fault"


@pytest.mark.parametrize("name", sorted(FAULTS))
def test_every_fault_plays_in_every_way_and_the_log_is_true(name: str) -> None:
    """Both dialects, streamed and plain: it ends (or ends when we leave), and what was sent is what came."""
    one = FAULTS[name]
    limit = 0.25 if one.endless or name in DRIPS else 5.0

    with FaultServer() as server, ThreadPoolExecutor(len(WAYS)) as pool:

        def play(way: tuple[str, bool]) -> Answer:
            dialect, stream = way
            return ask(server, name, dialect=dialect, stream=stream, limit=limit)

        answers = list(pool.map(play, WAYS))
        server.wait_idle(2.0, connections=0)
        for (dialect, stream), answer in zip(WAYS, answers, strict=True):
            [seen] = [
                one
                for one in server.requests
                if one.path.endswith(raw.PATHS[dialect]) and isinstance(one.body, dict) and one.body["stream"] is stream
            ]
            assert seen.behaviour == name
            assert seen.finished
            if one.endless or name in DRIPS:
                assert answer.ended == "left" or name == "half_close"
                assert seen.client_closed_early
            else:
                assert answer.ended in {"closed", "reset"}, f"{name} never ended"
                assert not seen.client_closed_early
                if answer.ended == "closed":
                    assert seen.bytes_sent == len(answer.data)


GOOD = sorted(
    name
    for name, one in FAULTS.items()
    if one.expect is None
    and one.when == "none"
    and name not in {"reordered", "duplicated", "interleaved_tools", "surrogates"}
)
SAYS = {
    "ok_stream": "The quick brown fox jumps over the lazy dog",
    "split_utf8": "héllo wörld, 日本語 🙂",
    "nul_text": "before\x00after",
    "finish_without_content": "",
}


@pytest.mark.parametrize("name", [name for name in GOOD if name not in {"gzip", "length_too_long"}])
@pytest.mark.parametrize("dialect", ["openai", "anthropic"])
def test_what_should_be_understood_says_what_it_should(
    server: FaultServer, client: httpx.Client, name: str, dialect: str
) -> None:
    """httpx reads the bytes, a dozen lines of the standard read the events: a good answer is there to be had."""
    body = {"model": name, "stream": True, "messages": [{"role": "user", "content": "Hi"}]}
    response = client.post(server.url + raw.PATHS[dialect], json=body)
    assert response.status_code == 200
    expected = SAYS.get(name, "Hello world")
    assert wire_text(response.content) == expected
    body["stream"] = False
    told = client.post(server.url + raw.PATHS[dialect], json=body).json()
    if dialect == "openai":
        assert told["choices"][0]["message"]["content"] == expected
        assert told["choices"][0]["finish_reason"] == "stop"
    else:
        assert "".join(block.get("text", "") for block in told["content"]) == expected
        assert told["stop_reason"] == "end_turn"


@pytest.mark.parametrize(
    ("name", "status"),
    [(name, int(name[:3])) for name in FAULTS if name[:3].isdigit()]
    + [("context_length", 400), ("unsupported_parameter", 400), ("empty_error", 503), ("html_error", 500)]
    + [("redirect", 301), ("error_in_200", 200), ("html", 200), ("flapping", 503)],
)
def test_the_status_is_what_the_name_says(name: str, status: int) -> None:
    with FaultServer() as server:
        assert ask(server, name).status == status


# ---------------------------------------------------------------- one by one: status


@pytest.mark.parametrize("name", [name for name in FAULTS if name.startswith("429_retry_after")])
def test_retry_after_is_sent_as_written(server: FaultServer, name: str) -> None:
    written = {
        "429_retry_after": "1",
        "429_retry_after_fraction": "0.25",
        "429_retry_after_date": "Fri, 31 Dec 2100 23:59:59 GMT",
        "429_retry_after_past": "Thu, 01 Jan 2015 00:00:00 GMT",
        "429_retry_after_negative": "-5",
        "429_retry_after_nan": "NaN",
        "429_retry_after_infinite": "Infinity",
        "429_retry_after_huge": "1e9",
        "429_retry_after_words": "in a moment",
    }
    assert ask(server, name).headers["retry-after"] == written[name]
    assert "retry-after" not in ask(server, "429").headers


def test_a_quota_is_told_from_a_rate(server: FaultServer) -> None:
    assert json.loads(ask(server, "429_quota").body)["error"]["code"] == "insufficient_quota"
    assert json.loads(ask(server, "429").body)["error"]["code"] == "rate_limit_exceeded"
    assert json.loads(ask(server, "429_quota", dialect="anthropic").body)["error"]["type"] == "billing_error"
    assert json.loads(ask(server, "529", dialect="anthropic").body)["error"]["type"] == "overloaded_error"


@pytest.mark.parametrize(("name", "statuses"), [("500_once", [500, 200, 200]), ("flapping", [503, 200, 503, 200])])
def test_what_changes_with_the_turn(name: str, statuses: list[int]) -> None:
    with FaultServer() as server:
        assert [ask(server, name).status for _ in statuses] == statuses


def test_a_prefilled_turn_is_refused_and_another_is_not(server: FaultServer) -> None:
    assert ask(server, "prefill_refused", role="assistant").status == 400
    assert ask(server, "prefill_refused", role="user").status == 200


def test_a_redirect_leads_where_it_is_told() -> None:
    with FaultServer() as elsewhere, FaultServer() as server:
        server.script("m", [faults.redirect(f"{elsewhere.url}/chat/completions", status=307)])
        answer = ask(server, "m")
        assert (answer.status, answer.headers["location"]) == (307, f"{elsewhere.url}/chat/completions")
        assert elsewhere.requests == []


# ---------------------------------------------------------------- one by one: connection


def test_resets_and_closings_before_any_byte(server: FaultServer) -> None:
    reset, closed = ask(server, "reset_before_headers"), ask(server, "closed_before_headers")
    assert (reset.ended, reset.data) == ("reset", b"")
    assert (closed.ended, closed.data) == ("closed", b"")
    assert last_seen(server).bytes_sent == 0


def test_a_reset_in_the_headers(server: FaultServer) -> None:
    answer = ask(server, "reset_in_headers")
    assert answer.ended == "reset"
    assert answer.data.startswith(b"HTTP/1.1 200 OK")
    assert b"\r\n\r\n" not in answer.data


def test_half_a_closing_leaves_the_other_half(server: FaultServer) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(raw.request_bytes("half_close"))
        assert raw.read(connection, 2).ended == "closed"
        time.sleep(0.02)
        connection.sendall(b"still there?")  # would fail after a full close
        time.sleep(0.02)
        connection.sendall(b"still there?")
        assert not server.requests[-1].finished


def test_silence_is_silent(server: FaultServer) -> None:
    assert ask(server, "silent", limit=0.1).data == b""
    head = ask(server, "headers_then_silent", limit=0.1)
    assert (head.status, head.body, head.ended) == (200, b"", "left")


@pytest.mark.parametrize(("name", "least"), [("slow_first_token", 0.2), ("slow_headers", 0.2), ("slow_tokens", 0.1)])
def test_slowness_takes_its_time(server: FaultServer, name: str, least: float) -> None:
    answer = ask(server, name)
    assert least <= answer.seconds < least + 2
    assert wire_text(answer.body) == "Hello world"


def test_a_slow_first_token_comes_after_its_headers(server: FaultServer) -> None:
    answer = ask(server, "slow_first_token", limit=0.1)
    assert answer.status == 200
    assert b"Hel" not in answer.body


@pytest.mark.parametrize(("name", "between"), [("byte_drip", 0.05), ("header_drip", 0.05), ("comment_drip", 0.05)])
def test_drips_come_drop_by_drop(server: FaultServer, name: str, between: float) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(raw.request_bytes(name))
        connection.settimeout(2)
        drops, begun = [connection.recv(65536) for _ in range(6)], time.monotonic()
    assert all(drops)
    assert time.monotonic() - begun < 2
    longest = {"byte_drip": 12, "header_drip": 20, "comment_drip": 24}[name]
    assert all(len(drop) <= longest for drop in drops[2:])
    if name == "comment_drip":
        assert b"data:" not in b"".join(drops)


def test_slow_reading_takes_the_request_slowly(client: httpx.Client) -> None:
    with FaultServer() as server:
        server.script("/slow", [faults.slow_reading(bytes_per_second=2_000)])
        url = f"{server.url_for('/slow')}/chat/completions"
        body = {"model": "m", "messages": [{"role": "user", "content": "x" * 500}]}
        begun = time.monotonic()
        assert client.post(url, json=body).status_code == 200
        assert 0.2 < time.monotonic() - begun < 3
        assert server.requests[0].body == body


def test_interim_answers_come_first(server: FaultServer) -> None:
    data = ask(server, "informational").data
    statuses = [int(part.split(b" ")[0]) for part in data.split(b"HTTP/1.1 ")[1:]]
    assert statuses == [100, 102, 103, 200]


@pytest.mark.parametrize(("name", "ended"), [("idle_close", "closed"), ("idle_reset", "reset")])
def test_a_kept_connection_ends_behind_the_clients_back(server: FaultServer, name: str, ended: str) -> None:
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(raw.request_bytes(name, keep=True, stream=False))
        answer = raw.read(connection, 2)
    assert answer.ended == ended
    assert "close" not in answer.headers.get("connection", "")
    assert int(answer.headers["content-length"]) == len(answer.body)


def test_a_stale_connection_dies_when_it_is_used_again(server: FaultServer) -> None:
    before = len(server.requests)
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(raw.request_bytes("stale_connection", keep=True, stream=False))
        answer = raw.read(connection, 0.1)
        assert (answer.status, answer.ended) == (200, "left")
        connection.sendall(raw.request_bytes("ok"))
        assert raw.read(connection, 2).ended == "reset"
    assert len(server.requests) == before + 1


# ---------------------------------------------------------------- one by one: body


@pytest.mark.parametrize(("name", "missing"), [("length_too_long", 100), ("length_too_short", -1)])
@pytest.mark.parametrize("stream", [True, False])
def test_lengths_that_lie(server: FaultServer, name: str, missing: int, stream: bool) -> None:
    answer = ask(server, name, stream=stream)
    difference = int(answer.headers["content-length"]) - len(answer.body)
    assert difference == missing if missing > 0 else difference < 0


def test_the_bomb_unpacks_to_what_it_says(server: FaultServer) -> None:
    answer = ask(server, "gzip_bomb")
    assert answer.headers["content-encoding"] == "gzip"
    assert len(answer.body) < 200_000
    unpacked, unpacker = 0, zlib.decompressobj(wbits=31)
    data = answer.body
    while data and not unpacker.eof:
        unpacked += len(unpacker.decompress(data, 1 << 20))
        data = unpacker.unconsumed_tail
    assert unpacked == 64 << 20
    assert unpacker.eof, "the bomb is a whole gzip file, its checksum right"


def test_gzip_good_and_bad(server: FaultServer, client: httpx.Client) -> None:
    assert wire_text(zlib.decompress(ask(server, "gzip").body, wbits=31)) == "Hello world"
    with pytest.raises(httpx.DecodingError):
        client.post(f"{server.url}/chat/completions", json={"model": "bad_gzip"})


def test_floods_are_floods(server: FaultServer) -> None:
    assert len(ask(server, "header_flood").head) > 800_000
    assert len(ask(server, "huge_body").body) > 32 << 20
    assert max(map(len, ask(server, "long_line").body.split(b"\n"))) >= (10 << 20) - 10
    assert ask(server, "deep_json", stream=False).body.count(b"[") == 100_000
    assert ask(server, "comment_flood", limit=0.2).data.count(b": keep-alive") > 1_000


def test_what_is_no_answer_at_all(server: FaultServer) -> None:
    assert ask(server, "not_http").data.startswith(b"SSH-2.0")
    assert b"<html>" in ask(server, "html").body
    assert (ask(server, "empty").status, ask(server, "empty").body) == (200, b"")
    assert ask(server, "garbage").data == ask(server, "garbage").data, "the same noise every time"


# ---------------------------------------------------------------- one by one: stream


@pytest.mark.parametrize(
    ("name", "ended", "whole"),
    [("cut", "closed", False), ("stream_reset", "reset", False), ("eof_without_finish", "closed", True)],
)
@pytest.mark.parametrize("dialect", ["openai", "anthropic"])
def test_broken_streams_have_content_and_no_finish(
    server: FaultServer, name: str, ended: str, whole: bool, dialect: str
) -> None:
    answer = ask(server, name, dialect=dialect)
    assert answer.ended == ended
    assert answer.data.endswith(b"0\r\n\r\n") is whole
    assert "Hello world".startswith(wire_text(answer.body))
    assert wire_text(answer.body)
    assert b'"finish_reason":"' not in answer.body
    assert b'"stop_reason":"' not in answer.body


def test_cuts_fall_where_they_are_told() -> None:
    with FaultServer() as server:
        server.script("m", [faults.cut(events=events) for events in (0, 1, 4)])
        assert [wire_text(ask(server, "m").body) for _ in range(3)] == ["", "He", "Hello wo"]
        assert b"assistant" in ask(server, "cut_before_content").body


def test_a_stalled_stream_stays_open(server: FaultServer) -> None:
    answer = ask(server, "stalled", limit=0.1)
    assert (answer.ended, wire_text(answer.body)) == ("left", "Hell")


def test_an_endless_stream_goes_on(server: FaultServer) -> None:
    assert wire_text(ask(server, "endless", limit=0.2).body).count("again") > 3


@pytest.mark.parametrize("dialect", ["openai", "anthropic"])
def test_error_events(server: FaultServer, dialect: str) -> None:
    midway, first = ask(server, "error_event", dialect=dialect), ask(server, "error_event_first", dialect=dialect)
    assert wire_text(midway.body) == "Hell"
    assert wire_text(first.body) == ""
    for answer in (midway, first):
        assert b"upstream exploded" in answer.body.rstrip().rsplit(b"\n\n", 1)[-1]


def test_one_malformed_event_among_good_ones(server: FaultServer) -> None:
    broken = list[bytes]()
    for line in ask(server, "malformed_event").body.split(b"\n"):
        if line.startswith(b"data: {"):
            try:
                json.loads(line.removeprefix(b"data: "))
            except ValueError:
                broken.append(line)
    assert len(broken) == 1
    assert wire_text(ask(server, "malformed_event").body) == "Hello world"
    assert ask(server, "malformed_first").body.startswith(b'data: {"id"')


def test_ends_that_are_not_said(server: FaultServer) -> None:
    assert b"[DONE]" not in ask(server, "no_done").body
    assert b'"finish_reason":"stop"' in ask(server, "no_done").body
    assert b"message_stop" not in ask(server, "no_done", dialect="anthropic").body
    assert b'"stop_reason":"end_turn"' in ask(server, "no_done", dialect="anthropic").body


def test_two_finishes(server: FaultServer) -> None:
    body = ask(server, "two_finishes").body
    assert body.index(b'"finish_reason":"stop"') < body.index(b'"finish_reason":"length"')
    assert b'"finish_reason":"content_filter"' in ask(server, "filtered_midway").body


def test_bytes_that_hurt(server: FaultServer) -> None:
    cr = ask(server, "cr_only").body
    assert b"\r\r" in cr
    assert b"\n" not in cr
    assert b"\r\n" in ask(server, "crlf").body
    assert ask(server, "bom").body.startswith(b"\xef\xbb\xbfdata:")
    assert b"\x00" in ask(server, "nul_bytes").body
    assert b"\\u0000" in ask(server, "nul_text").body
    assert b"\\ud83d" in ask(server, "surrogates").body


@pytest.mark.parametrize("stream", [True, False])
def test_characters_are_cut_in_two(server: FaultServer, stream: bool) -> None:
    rest, chunks = ask(server, "split_utf8", stream=stream).data.partition(b"\r\n\r\n")[2], list[bytes]()
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        chunks.append(rest[: int(size, 16)])
        rest = rest[int(size, 16) + 2 :]
    body = b"".join(chunks)
    assert (wire_text(body) if stream else json.loads(body)["choices"][0]["message"]["content"]) == SAYS["split_utf8"]
    assert sum(0x80 <= chunk[0] < 0xC0 for chunk in chunks if chunk) == 2 + 3 * 2 + 3


@pytest.mark.parametrize(
    ("name", "usage"),
    [
        ("usage_missing", None),
        ("usage_zero", (0, 0)),
        ("usage_negative", (-12, -3)),
        ("usage_huge", (10**18, 10**18)),
        ("ok", (12, 3)),
    ],
)
def test_usage_is_told_as_named(server: FaultServer, name: str, usage: tuple[int, int] | None) -> None:
    told = json.loads(ask(server, name, stream=False).body).get("usage")
    assert (told and (told["prompt_tokens"], told["completion_tokens"])) == usage
    told = json.loads(ask(server, name, stream=False, dialect="anthropic").body).get("usage")
    assert (told and (told["input_tokens"], told["output_tokens"])) == usage
    streamed = ask(server, name).body
    assert (b'"prompt_tokens"' in streamed) is (usage is not None)


# ---------------------------------------------------------------- the vendors' own SDKs


@pytest.fixture(scope="module")
def openai_sdk(server: FaultServer) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=server.url, api_key="sk-test", max_retries=0, timeout=5) as client:
        yield client


@pytest.mark.parametrize("name", ["ok", "ok_stream", "no_done", "split_utf8", "informational", "gzip", "usage_missing"])
def test_openai_reads_what_should_be_understood(openai_sdk: openai.OpenAI, name: str) -> None:
    expected = SAYS.get(name, "Hello world")
    whole = openai_sdk.chat.completions.create(model=name, messages=[{"role": "user", "content": "Hi"}])
    assert whole.choices[0].message.content == expected
    with openai_sdk.chat.completions.create(
        model=name, messages=[{"role": "user", "content": "Hi"}], stream=True
    ) as stream:
        assert "".join(c.delta.content or "" for chunk in stream for c in chunk.choices) == expected


def test_openai_reads_interleaved_tools(openai_sdk: openai.OpenAI) -> None:
    arguments = {0: "", 1: ""}
    order = list[int]()
    with openai_sdk.chat.completions.create(
        model="interleaved_tools", messages=[{"role": "user", "content": "Hi"}], stream=True
    ) as stream:
        for chunk in stream:
            for call in (chunk.choices[0].delta.tool_calls if chunk.choices else None) or ():
                assert call.function is not None
                arguments[call.index] += call.function.arguments or ""
                order.append(call.index)
    assert arguments == {0: '{"a":1,"b":2}', 1: '{"a":3,"b":4}'}
    assert order == [0, 1, 0, 1]


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("401", openai.AuthenticationError),
        ("429", openai.RateLimitError),
        ("404", openai.NotFoundError),
        ("context_length", openai.BadRequestError),
        ("503", openai.InternalServerError),
        ("reset_before_headers", openai.APIConnectionError),
    ],
)
def test_openai_names_the_errors(openai_sdk: openai.OpenAI, name: str, error: type[Exception]) -> None:
    with pytest.raises(error):
        openai_sdk.chat.completions.create(model=name, messages=[{"role": "user", "content": "Hi"}])


@pytest.mark.parametrize("name", ["ok", "ok_stream", "interleaved_tools", "usage_zero"])
def test_anthropic_reads_what_should_be_understood(server: FaultServer, name: str) -> None:
    base = server.url.removesuffix("/v1")
    with anthropic.Anthropic(base_url=base, api_key="sk-test", max_retries=0, timeout=5) as client:
        asked: anthropic.types.MessageParam = {"role": "user", "content": "Hi"}
        with client.messages.stream(model=name, max_tokens=9, messages=[asked]) as stream:
            message = stream.get_final_message()
        if name == "interleaved_tools":
            inputs = [block.input for block in message.content if block.type == "tool_use"]
            assert inputs == [{"a": 1, "b": 2}, {"a": 3, "b": 4}]
        else:
            text = "".join(block.text for block in message.content if block.type == "text")
            assert text == SAYS.get(name, "Hello world")
        with pytest.raises(anthropic.RateLimitError):
            client.messages.create(model="429", max_tokens=9, messages=[asked])


# ---------------------------------------------------------------- with parameters


@pytest.mark.parametrize(
    ("one", "holds"),
    [
        (faults.rate_limited(retry_after="7"), lambda answer: answer.headers["retry-after"] == "7"),
        (faults.broken_once(times=2), lambda answer: answer.status == 500),
        (faults.context_length(tokens=9, limit=8), lambda answer: b"length is 8 tokens" in answer.body),
        (faults.unsupported_parameter("top_k"), lambda answer: b'"param":"top_k"' in answer.body),
        (faults.bad_status(507), lambda answer: answer.status == 507),
        (faults.length_too_long(extra=3), lambda answer: int(answer.headers["content-length"]) == len(answer.body) + 3),
        (faults.says(200, b"{}", (("x-odd", "1"),)), lambda answer: answer.headers["x-odd"] == "1"),
        (ok("other words", pieces=2), lambda answer: wire_text(answer.body) == "other words"),
        (ok(finish="length"), lambda answer: b'"finish_reason":"length"' in answer.body),
        (ok(model="served-other"), lambda answer: b'"model":"served-other"' in answer.body),
    ],
)
def test_parameters_arrive(one: faults.Fault, holds: Callable[[Answer], bool]) -> None:
    with FaultServer() as server:
        server.script("m", [one])
        assert holds(ask(server, "m"))
