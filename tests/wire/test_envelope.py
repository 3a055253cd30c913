"""Error bodies in every shape the field writes them give the same record."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelroute.wire.envelope import LONGEST_MESSAGE, ErrorInfo, parse_error, read_error


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (
            {"error": {"message": "m", "type": "t", "param": "p", "code": "c"}},
            ErrorInfo("c", "t", "m", "p"),
        ),
        ({"error": {"message": "m", "code": 400}}, ErrorInfo("400", None, "m")),
        ({"message": "m", "type": "t", "param": "p", "code": "c"}, ErrorInfo("c", "t", "m", "p")),
        ({"object": "error", "message": "m", "type": "BadRequest", "code": 400}, ErrorInfo("400", "BadRequest", "m")),
        ({"type": "error", "error": {"type": "t", "message": "m"}, "request_id": "r"}, ErrorInfo(None, "t", "m")),
        (
            {"type": "error", "error": {"type": "t", "message": "m", "details": {"error_code": "spent"}}},
            ErrorInfo(None, "t", "m", reason="spent"),
        ),
        (
            [{"error": {"code": 429, "message": "m", "status": "RESOURCE_EXHAUSTED"}}],
            ErrorInfo("429", None, "m", status="RESOURCE_EXHAUSTED"),
        ),
        (
            {
                "error": {
                    "message": "m",
                    "details": [{"reason": "R"}, {"violations": [{"quotaId": "q"}]}, {"retryDelay": "3s"}],
                }
            },
            ErrorInfo(message="m", reason="R", quotas=("q",), delay="3s"),
        ),
        ({"code": "c", "error": "m"}, ErrorInfo("c", None, "m")),
        ({"error": "m"}, ErrorInfo(message="m")),
        ({"base_resp": {"status_code": 1008, "status_msg": "m"}, "choices": None}, ErrorInfo("1008", None, "m")),
        ({"detail": "m"}, ErrorInfo(message="m")),
        ({"detail": {"error": "m"}}, ErrorInfo(message="m")),
        ({"Message": "m"}, ErrorInfo(message="m")),
        ({"__type": "ThrottlingException", "message": "m"}, ErrorInfo(None, "ThrottlingException", "m")),
        (
            {"detail": [{"loc": ["body", "messages", 0], "msg": "bad", "input": "PROMPT"}]},
            ErrorInfo(message="messages.0: bad", param="messages.0"),
        ),
        (
            {"object": "error", "message": {"detail": [{"loc": ["body", "seed"], "msg": "no"}]}},
            ErrorInfo(message="seed: no", param="seed"),
        ),
        (
            {
                "error": {
                    "code": "content_filter",
                    "message": "m",
                    "innererror": {"code": "ResponsibleAIPolicyViolation"},
                }
            },
            ErrorInfo("content_filter", None, "m", reason="ResponsibleAIPolicyViolation"),
        ),
        (
            {"error": {"code": 429, "message": "Provider returned error", "metadata": {"raw": "slow down"}}},
            ErrorInfo("429", None, "Provider returned error: slow down"),
        ),
        (
            {"error": {"code": 400, "message": "m", "metadata": {"raw": '{"error":{"message":"inner","code":"x"}}'}}},
            ErrorInfo("400", None, "m: x inner", reason="x"),
        ),
    ],
)
def test_each_envelope_of_the_field_is_read(body: object, expected: ErrorInfo) -> None:
    assert parse_error(json.dumps(body)) == expected
    assert read_error(body) == expected
    assert parse_error(b"\n\n" + json.dumps(body, ensure_ascii=False).encode()) == expected


@pytest.mark.parametrize(
    "body",
    [
        {"choices": [{"message": {"content": "hi"}}]},
        {"choices": [], "message": "aggregate"},
        {"content": [], "type": "message"},
        {"base_resp": {"status_code": 0, "status_msg": "success"}},
        {"error": None},
        {"error": {}},
        {"error": ""},
        [],
        [1],
        7,
        None,
    ],
)
def test_what_is_no_error_is_not_found_to_be_one(body: object) -> None:
    assert not read_error(body).found


def test_an_event_stream_of_one_error_is_read() -> None:
    """Servers asked for a stream may write even a refusal as one."""
    body = b'event: error\nid: 1\ndata: {"error": {"message": "m", "code": "c"}}\n\n'

    assert parse_error(body) == ErrorInfo("c", None, "m")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"upstream connect error", "upstream connect error"),
        (b"<html><head><title>502 Bad\n Gateway</title></head><body>x</body></html>", "HTML page: 502 Bad Gateway"),
        (b"<html>nothing</html>", "HTML page"),
        (b'{"error": {"message": "cut of', '{"error": {"message": "cut of'),
        (b"", ""),
    ],
)
def test_other_bodies_give_their_words_but_are_no_envelope(body: bytes, message: str) -> None:
    assert parse_error(body) == ErrorInfo(message=message, found=False)


def test_a_body_of_many_megabytes_is_not_read_whole() -> None:
    info = parse_error(b'{"error": {"message": "' + b"x" * 5_000_000 + b'"}}')

    assert not info.found
    assert len(info.message) <= LONGEST_MESSAGE


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyz0123456789", min_size=8, max_size=60))
def test_an_echoed_key_is_not_kept(tail: str) -> None:
    key = f"sk-{tail}"
    info = parse_error(
        json.dumps({"error": {"message": f"Incorrect API key provided: {key}.", "code": key, "param": key}})
    )

    assert tail not in repr(info)


def test_the_label_is_the_most_specific_word() -> None:
    assert ErrorInfo("429", "tokens", status="RESOURCE_EXHAUSTED", reason="API_KEY_INVALID").label == "API_KEY_INVALID"
    assert ErrorInfo("429", None, status="RESOURCE_EXHAUSTED").label == "RESOURCE_EXHAUSTED"
    assert ErrorInfo("rate_limit_exceeded", "tokens").label == "rate_limit_exceeded"
    assert ErrorInfo("429").label == "429"
    assert ErrorInfo().label is None
