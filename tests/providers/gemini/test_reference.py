"""A reader of the API's documented body, written apart from the encoder: whatever a request says, it finds."""

import json
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from modelroute.providers import fit
from modelroute.providers.gemini.encode import encode, obstacle
from modelroute.types.request import JsonSchema, Request
from tests.providers.gemini.answers import HERE, PROFILE
from tests.providers.samples import Json

CONFIG = {
    "temperature": "temperature", "top_p": "topP", "top_k": "topK", "seed": "seed", "stop": "stopSequences",
    "presence_penalty": "presencePenalty", "frequency_penalty": "frequencyPenalty",
}  # fmt: skip


@dataclass
class Heard:
    """What a server hears: who said what in which order, and under which rules."""

    said: list[tuple[str, object]] = field(default_factory=list)
    instructions: list[str] = field(default_factory=list)
    tools: dict[str, tuple[str, Json]] = field(default_factory=dict)
    config: Json = field(default_factory=dict)
    calling: Json = field(default_factory=dict)


def hear(body: Json) -> Heard:
    heard = Heard(config=body.pop("generationConfig", {}))
    heard.instructions = [part["text"] for part in body.pop("systemInstruction", {"parts": []})["parts"]]
    heard.calling = body.pop("toolConfig", {}).get("functionCallingConfig", {})
    names: dict[str, str] = {}
    for turn in body.pop("contents"):
        assert turn.keys() == {"role", "parts"}
        for part in turn["parts"]:
            heard.said.append((turn["role"], part_said(part, names)))
    for tool in body.pop("tools", []):
        for declared in tool.pop("functionDeclarations"):
            heard.tools[declared["name"]] = (declared.get("description", ""), declared.get("parametersJsonSchema", {}))
        assert not tool
    assert not body, "nothing else is known to the API"
    return heard


def part_said(part: Json, names: dict[str, str]) -> object:
    part.pop("thoughtSignature", None)
    ((kind, value),) = part.items()
    if kind == "text":
        return value
    if kind == "inlineData":
        assert value.keys() == {"mimeType", "data"}
        return f"data:{value['mimeType']};base64,{value['data']}"
    if kind == "fileData":
        return value["fileUri"]
    if kind == "functionCall":
        assert value["id"] not in names, "an id is of one call"
        names[value["id"]] = value["name"]
        return ("call", value["name"], value["args"])
    assert kind == "functionResponse"
    assert names[value["id"]] == value["name"], "a result names its call"
    response = value["response"]
    return ("result", value["name"], response["output"] if response.keys() == {"output"} else json.dumps(response))


# ----------------------------------------------------------------------------------------- requests, and what they say

WORDS = st.text(min_size=1, max_size=8)
PDF = "data:application/pdf;base64,BBBB"
MEDIA = st.sampled_from(
    [
        ({"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}, "data:image/png;base64,AAAA"),
        ({"type": "image_url", "image_url": {"url": "https://x.test/a.png"}}, "https://x.test/a.png"),
        ({"type": "file", "file": {"file_data": PDF}}, PDF),
        ({"type": "input_audio", "input_audio": {"data": "CCCC", "format": "wav"}}, "data:audio/wav;base64,CCCC"),
    ]
)  # fmt: skip
PARTS = st.lists(WORDS.map(lambda words: ({"type": "text", "text": words}, words)) | MEDIA, min_size=1, max_size=3)
ARGUMENTS = st.dictionaries(WORDS, st.integers(-9, 9) | WORDS | st.booleans() | st.none(), max_size=2)
NAMES = st.sampled_from(["ping", "lookup_order", "a.b-c"])
CALLS = st.lists(st.tuples(NAMES, ARGUMENTS, st.text(min_size=1, max_size=5)), max_size=3)


@st.composite
def requests(draw: st.DrawFn) -> tuple[Request, list[tuple[str, object]], list[str]]:
    messages: list[Json] = []
    said: list[tuple[str, object]] = []
    instructions = draw(st.lists(WORDS, max_size=2))
    messages += [
        {"role": role, "content": words} for role, words in zip(("system", "developer"), instructions, strict=False)
    ]
    for turn in range(draw(st.integers(1, 3))):
        parts = draw(PARTS)
        messages.append({"role": "user", "content": [part for part, _ in parts]})
        said += [("user", words) for _, words in parts]
        words = draw(st.none() | WORDS)
        calls = draw(CALLS)
        if not words and not calls:
            continue
        message: Json = {"role": "assistant", "content": words}
        if words:
            said.append(("model", words))
        if calls:
            message["tool_calls"] = [
                {
                    "id": f"c{turn % 2}{at}",
                    "type": "function",
                    "function": {"name": name, "arguments": json.dumps(args)},
                }
                for at, (name, args, _) in enumerate(calls)
            ]
            said += [("model", ("call", name, args)) for name, args, _ in calls]
        messages.append(message)
        for at, (name, _, answer) in enumerate(calls):
            messages.append({"role": "tool", "tool_call_id": f"c{turn % 2}{at}", "content": answer})
            said.append(("user", ("result", name, answer)))
    tools = draw(st.sets(NAMES))
    parameters = draw(
        st.fixed_dictionaries(
            {},
            optional={
                "temperature": st.floats(0, 2), "top_p": st.floats(0, 1), "top_k": st.integers(1, 99),
                "seed": st.integers(-9, 9), "stop": WORDS | st.lists(WORDS, min_size=1, max_size=5),
                "presence_penalty": st.floats(0.1, 2), "frequency_penalty": st.floats(-2, -0.1),
            },
        )
    )  # fmt: skip
    request = Request(
        messages=tuple(messages),
        output_cap=draw(st.none() | st.integers(1, 99)),
        tools=tuple(
            {"type": "function", "function": {"name": name, "description": f"Does {name}.", "parameters": SCHEMA}}
            for name in sorted(tools)
        ),
        tool_choice=draw(st.sampled_from([None, "auto", "none", "required"])),
        schema=draw(st.none() | st.just(JsonSchema("answer", SCHEMA))),
        effort=draw(st.sampled_from([None, "low", "high"])),
        parameters=parameters,
    )
    return request, said, instructions


SCHEMA: Json = {"type": "object", "properties": {"x": {"type": "string"}}, "required": ["x"]}
MODES = {"auto": "AUTO", "none": "NONE", "required": "ANY"}


@settings(max_examples=60)
@given(requests())
def test_nothing_that_a_request_says_is_lost(drawn: tuple[Request, list[tuple[str, object]], list[str]]) -> None:
    request, said, instructions = drawn
    assert obstacle(request) is None
    assert fit.obstacle(request, HERE, PROFILE) is None

    heard = hear(json.loads(encode(request, HERE, PROFILE, request.output_cap, stream=True)))

    assert heard.said == said
    assert heard.instructions == instructions
    assert heard.tools == {
        str(tool["function"]["name"]): (tool["function"]["description"], SCHEMA)  # type: ignore[index]
        for tool in request.tools
    }
    assert heard.calling.get("mode") == (MODES.get(str(request.tool_choice)) if request.tools else None)
    config = dict(heard.config)
    assert config.pop("maxOutputTokens", None) == request.output_cap
    assert config.pop("thinkingConfig", {}).get("thinkingLevel") == request.effort
    assert config.pop("responseJsonSchema", None) == (SCHEMA if request.schema else None)
    assert config.pop("responseMimeType", None) == ("application/json" if request.schema else None)
    stop = request.parameters.get("stop")
    expected = {**request.parameters, "stop": [stop] if isinstance(stop, str) else stop}
    assert config == {CONFIG[name]: value for name, value in expected.items() if value is not None}
