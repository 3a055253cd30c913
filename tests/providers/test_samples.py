"""Every sample, recorded shapes and composed ones, through the decoders and the tables: one table for all providers."""

import json

import pytest

from modelroute.providers.errors import classify, speaker_of
from modelroute.types.failure import Kind
from tests.providers.samples import (
    COMPOSED,
    KINDS,
    Answer,
    Sample,
    answer_of,
    by_byte,
    by_event,
    decode,
    samples,
)

NOW = 1_795_000_000.0
SAMPLES = [*samples(), *samples(COMPOSED)]
ANSWERS = [sample for sample in SAMPLES if sample.status == 200]
ERRORS = [sample for sample in SAMPLES if sample.status != 200]
USAGE = ("input_tokens", "output_tokens", "cached_tokens", "cache_write_tokens", "reasoning_tokens")


def said(sample: Sample) -> Answer:
    return answer_of(decode(sample.decoder(), [sample.body]))


@pytest.mark.parametrize("sample", ANSWERS, ids=lambda sample: sample.file)
def test_it_says_what_is_expected(sample: Sample) -> None:
    answer, expect = said(sample), sample.expect

    assert answer.text == expect.get("text", answer.text)
    assert answer.reasoning == expect.get("reasoning", answer.reasoning)
    assert answer.refusal == expect.get("refusal", "")
    if "error" not in expect:
        assert answer.tool_calls == expect.get("tool_calls", [])
        assert answer.finish == expect["finish"]
        assert answer.skipped == 0
    for name in USAGE:
        if name in expect:
            assert answer.usage is not None
            assert getattr(answer.usage, name) == expect[name], name
    if "provider_cost_usd" in expect:
        assert answer.usage is not None
        assert answer.usage.provider_cost is not None
        assert float(answer.usage.provider_cost) == expect["provider_cost_usd"]


@pytest.mark.parametrize("sample", ANSWERS, ids=lambda sample: sample.file)
def test_usage_that_counts_the_whole_answer_comes_behind_its_finish(sample: Sample) -> None:
    answer = said(sample)

    assert answer.counted_whole == (answer.usage is not None and bool(answer.finish))


@pytest.mark.parametrize("sample", [s for s in ANSWERS if "error" in s.expect], ids=lambda sample: sample.file)
def test_an_error_inside_a_200_is_a_failure(sample: Sample) -> None:
    failure, expect = said(sample).failure, sample.expect["error"]

    assert failure is not None
    assert failure.kind in KINDS[expect["kind"]]
    if isinstance(expect.get("provider_code"), str):  # a number is the HTTP status again
        assert failure.provider_code == expect["provider_code"]


@pytest.mark.parametrize("sample", ANSWERS, ids=lambda sample: sample.file)
def test_the_cuts_of_the_network_change_nothing(sample: Sample) -> None:
    whole = decode(sample.decoder(), [sample.body])

    assert decode(sample.decoder(), by_event(sample.body)) == whole
    assert decode(sample.decoder(), by_byte(sample.body)) == whole
    assert decode(sample.decoder(), [b"", sample.body, b""]) == whole


@pytest.mark.parametrize("sample", [s for s in ANSWERS if s.streamed], ids=lambda sample: sample.file)
def test_line_ends_change_nothing(sample: Sample) -> None:
    whole = decode(sample.decoder(), [sample.body])

    for line_end in (b"\r\n", b"\r"):
        assert decode(sample.decoder(), [sample.body.replace(b"\r\n", b"\n").replace(b"\n", line_end)]) == whole


@pytest.mark.parametrize("sample", ERRORS, ids=lambda sample: sample.file)
def test_an_error_response_is_classified(sample: Sample) -> None:
    expect = sample.expect["error"]

    speaker = speaker_of(sample.provider, "compatible")
    assert speaker == speaker_of(sample.spoken[0], "compatible"), "a provider is known by both names"
    failure = classify(speaker, sample.status, sample.headers, sample.body, NOW)

    assert failure.kind in KINDS[expect["kind"]]
    assert failure.status == sample.status
    if expect.get("retry_after_s") is not None:
        assert failure.retry_after is not None
        assert expect["retry_after_s"] - 1 <= failure.retry_after <= expect["retry_after_s"]
    if failure.kind is Kind.UNSUPPORTED:
        assert failure.feature


@pytest.mark.parametrize(
    "sample", [s for s in ANSWERS if not s.streamed and "error" not in s.expect], ids=lambda sample: sample.file
)
def test_blank_lines_before_a_body_are_keep_alives(sample: Sample) -> None:
    whole = decode(sample.decoder(), [sample.body])

    assert decode(sample.decoder(), [b"\n\n", b" \r\n", sample.body]) == whole


@pytest.mark.parametrize("sample", ANSWERS, ids=lambda sample: sample.file)
def test_blocks_can_be_kept_as_json(sample: Sample) -> None:
    blocks = said(sample).blocks

    assert json.loads(json.dumps(blocks)) == blocks
