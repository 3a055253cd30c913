"""Google's own SDK as judge: our bodies are of its types, and it hears in the same bytes what we hear."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelroute.providers.gemini.encode import encode
from modelroute.types.request import Request
from tests.providers.gemini.answers import HERE, PROFILE, chunk, counted, function_call, said, stream, text, whole
from tests.providers.gemini.test_reference import requests
from tests.providers.requests import FULL, SCHEMA, TOOL, user
from tests.providers.samples import Answer, Json

types = pytest.importorskip("google.genai.types", reason="needs google-genai")

FIELDS = {
    "contents": "Content", "systemInstruction": "Content", "generationConfig": "GenerationConfig", "tools": "Tool",
    "toolConfig": "ToolConfig", "safetySettings": "SafetySetting",
}  # fmt: skip


def judged(body: Json) -> None:
    """Read a body with the SDK's types, which refuse every name they do not know."""
    for name, value in body.items():
        kind = getattr(types, FIELDS[name])
        for each in value if isinstance(value, list) else [value]:
            kind.model_validate(each)


@pytest.mark.parametrize(
    "request_",
    [
        FULL,
        Request(messages=(user("Hi"),), schema=SCHEMA, effort="high", output_cap=9),
        Request(messages=(user("Hi"),), tools=(TOOL, {"type": "google_search"}), tool_choice="required"),
        Request(
            messages=(user("Hi"),),
            parameters={
                "stop": ["a"], "seed": 3, "top_k": 4, "logprobs": True, "top_logprobs": 2, "temperature": 0.1,
                "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
            },
        ),
    ],
)  # fmt: skip
def test_our_bodies_are_of_its_types(request_: Request) -> None:
    judged(json.loads(encode(request_, HERE, PROFILE, request_.output_cap, stream=True)))


@settings(max_examples=30)
@given(requests())
def test_any_body_is_of_its_types(drawn: tuple[Request, object, object]) -> None:
    judged(json.loads(encode(drawn[0], HERE, PROFILE, None, stream=False)))


def hears_the_same(answer: Answer, chunks: list[Json]) -> None:
    """Compare `answer` with what the SDK makes of the chunks."""
    words, thoughts, calls, finish, usage = "", "", [], None, None
    for each in chunks:
        response = types.GenerateContentResponse.model_validate(each)
        usage = response.usage_metadata or usage
        for candidate in response.candidates or []:
            finish = candidate.finish_reason or finish
            for part in (candidate.content and candidate.content.parts) or []:
                if part.function_call:
                    calls.append({"name": part.function_call.name, "arguments": part.function_call.args or {}})
                elif part.thought:
                    thoughts += part.text or ""
                else:
                    words += part.text or ""
    assert (answer.text, answer.reasoning, answer.tool_calls) == (words, thoughts, calls)
    assert answer.failure is None
    assert finish == types.FinishReason.STOP
    assert answer.usage is not None
    assert usage is not None
    assert answer.usage.input_tokens == usage.prompt_token_count
    assert answer.usage.output_tokens == usage.candidates_token_count + (usage.thoughts_token_count or 0)
    assert answer.usage.reasoning_tokens == (usage.thoughts_token_count or 0)


PARTS = st.lists(
    st.one_of(
        st.text(max_size=5).map(text),
        st.text(max_size=5).map(lambda words: text(words, thought=True)),
        st.sampled_from([function_call(id="a"), function_call("ping", args={}), text("", thoughtSignature="c2ln")]),
    ),
    max_size=3,
)


@settings(max_examples=50)
@given(st.lists(PARTS, max_size=3), st.booleans())
def test_it_hears_the_same(turns: list[list[Json]], streamed: bool) -> None:
    last = chunk(text("."), finish="STOP", usage=counted(9, 4, thoughtsTokenCount=2, totalTokenCount=15))
    chunks = [*(chunk(*parts, usage=counted(9, 1)) for parts in turns), last]

    hears_the_same(said(stream(*chunks) if streamed else whole(chunks)), chunks)
