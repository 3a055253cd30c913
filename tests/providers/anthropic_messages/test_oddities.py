"""What Messages say beyond the plain: blocks nobody knows, rounds within one answer, ends with a reason."""

import pytest

from modelroute.types.usage import Usage
from tests.providers.anthropic_messages.test_decode import DONE, START, STOP, delta, said, start, text
from tests.providers.samples import Answer, Json


def ended(usage: Json, reason: str = "end_turn", **more: object) -> Answer:
    end = {"type": "message_delta", "delta": {"stop_reason": reason, **more}, "usage": usage}
    return said(START, start(type="text", text=""), text("A"), STOP, end, DONE[1])


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        ({"input_tokens": 10, "output_tokens": 5}, Usage(10, 5)),
        (
            {"output_tokens": 5, "cache_creation": {"ephemeral_5m_input_tokens": 20, "ephemeral_1h_input_tokens": 3}},
            Usage(33, 5, 0, 23, hour_write_tokens=3),
        ),
        (
            {"output_tokens": 5, "cache_creation_input_tokens": 23, "cache_creation": {"ephemeral_1h_input_tokens": 3}},
            Usage(33, 5, 0, 23, hour_write_tokens=3),
        ),
        ({"output_tokens": 5, "cache_creation": {"ephemeral_5m_input_tokens": "x"}}, Usage(10, 5)),
        ({"output_tokens": 5, "cache_creation": None, "cache_read_input_tokens": None}, Usage(10, 5)),
        (
            {
                "input_tokens": 10, "output_tokens": 5,
                "iterations": [
                    {"type": "compaction", "input_tokens": 1000, "output_tokens": 50},
                    {"type": "message", "input_tokens": 10, "output_tokens": 5, "cache_read_input_tokens": 7},
                ],
            },
            Usage(1017, 55, 7),
        ),
        ({"output_tokens": 5, "iterations": [{"input_tokens": 10, "output_tokens": 5}]}, Usage(10, 5)),
        ({"input_tokens": 10, "output_tokens": 5, "iterations": ["x", None, {"input_tokens": -1}]}, Usage(10, 5)),
        ({"output_tokens": 5, "output_tokens_details": {"thinking_tokens": 4}}, Usage(10, 5, reasoning_tokens=4)),
    ],
)  # fmt: skip
def test_all_that_is_billed_is_counted(usage: Json, expected: Usage) -> None:
    assert ended(usage).usage == expected


def test_words_that_cost_nothing_are_not_believed() -> None:
    answer = ended({"input_tokens": 0, "output_tokens": 0})

    assert (answer.usage, answer.counted_whole) == (Usage(10, 1), False)


@pytest.mark.parametrize(
    ("word", "reason"),
    [
        ("end_turn", "stop"), ("stop_sequence", "stop"), ("pause_turn", "stop"), ("compaction", "stop"),
        ("max_tokens", "length"), ("model_context_window_exceeded", "length"), ("refusal", "refusal"),
        ("tool_use", "tool_calls"), ("a word of tomorrow", "stop"),
    ],
)  # fmt: skip
def test_every_stop_reason_is_an_end(word: str, reason: str) -> None:
    assert ended({"output_tokens": 5}, word).finish == reason


def test_a_refusal_that_explains_itself_is_heard() -> None:
    details = {"type": "refusal", "category": "cyber", "explanation": "Not this."}

    assert ended({"output_tokens": 5}, "refusal", stop_details=details).refusal == "Not this."
    assert ended({"output_tokens": 5}, "end_turn", stop_details=details).refusal == ""
    oddities: list[object] = [None, 7, [], {"explanation": 7}]
    for odd in oddities:
        assert ended({"output_tokens": 5}, "refusal", stop_details=odd).finish == "refusal"


def test_blocks_and_deltas_of_tomorrow_are_passed_over() -> None:
    answer = said(
        START,
        {"type": "ping"},
        start(type="server_tool_use", id="srvtoolu_1", name="web_search", input={}),
        delta(type="input_json_delta", partial_json='{"query":"x"}'),
        STOP,
        start(type="web_search_tool_result", tool_use_id="srvtoolu_1", content=[{"type": "web_search_result"}]),
        STOP,
        start(type="compaction", content=None),
        delta(type="compaction_delta", content="in short"),
        STOP,
        start(type="text", text=""),
        delta(type="citations_delta", citation={"type": "page_location"}),
        text("A"),
        delta(type="a_delta_of_tomorrow", anything=1),
        STOP,
        {"type": "an_event_of_tomorrow", "anything": 1},
        *DONE,
    )

    assert (answer.text, answer.calls, answer.finish, answer.skipped) == ("A", {}, "stop", 0)
