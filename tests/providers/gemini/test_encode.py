"""Requests as bodies of generateContent: where each word goes, and what there is no word for."""

import contextlib
import itertools
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelroute.catalog.model import Model, Target
from modelroute.errors import RequestError
from modelroute.providers import fit
from modelroute.providers.gemini.encode import encode, obstacle, path
from modelroute.providers.profiles import PROFILES
from modelroute.types.messages import PROVENANCE, Message
from modelroute.types.request import JsonSchema, Request
from tests.providers.gemini.answers import HERE, OLDER, profile_of
from tests.providers.requests import (
    CONVERSATIONS,
    FULL,
    PIXEL,
    SCHEMA,
    TOOL,
    call,
    called,
    provenance,
    result,
    target,
    user,
)
from tests.providers.samples import Given, Json
from tests.providers.test_anything import PARAMETERS, TOOLS, VALUES

ESCAPE = "skip_thought_signature_validator"


def body(request: Request, where: Target = HERE, *, cap: int | None = None) -> Json:
    sent: Json = json.loads(encode(request, where, profile_of(where), cap, stream=True))
    return sent


def ask(*messages: Message, **fields: Given) -> Request:
    return Request(messages=messages or (user("Hi"),), **fields)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("gemini-3.8-flash", "/models/gemini-3.8-flash"),
        ("models/gemini-3.8-flash", "/models/gemini-3.8-flash"),
        ("tunedModels/my-tune", "/tunedModels/my-tune"),
        ("publishers/google/models/gemini-3.8-flash@001", "/publishers/google/models/gemini-3.8-flash@001"),
        ("ein modell?x#y:z", "/models/ein%20modell%3Fx%23y%3Az"),
    ],
)
def test_the_model_stands_in_the_path(name: str, expected: str) -> None:
    assert path(Target(Model("m"), "google", name, None), True) == f"{expected}:streamGenerateContent?alt=sse"
    assert path(Target(Model("m"), "google", name, None), False) == f"{expected}:generateContent"


def test_a_plain_request() -> None:
    assert body(ask()) == {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]}


def test_settings_by_their_names_here() -> None:
    parameters = {
        "temperature": 0.2, "top_p": 0.9, "top_k": 40, "seed": 7, "presence_penalty": 0.5, "frequency_penalty": -0.5,
        "stop": "END", "logprobs": True, "top_logprobs": 3, "response_format": {"type": "json_object"}, "n": 1,
        "metadata": {"a": "b"}, "user": "u", "parallel_tool_calls": True, "service_tier": "flex", "store": True,
    }  # fmt: skip
    assert body(ask(parameters=parameters), cap=99) == {
        "contents": [{"role": "user", "parts": [{"text": "Hi"}]}],
        "generationConfig": {
            "temperature": 0.2, "topP": 0.9, "topK": 40, "seed": 7, "presencePenalty": 0.5, "frequencyPenalty": -0.5,
            "stopSequences": ["END"], "responseLogprobs": True, "logprobs": 3, "responseMimeType": "application/json",
            "maxOutputTokens": 99,
        },
        "serviceTier": "flex",
    }  # fmt: skip


def test_values_that_change_nothing_are_left_out() -> None:
    parameters = {"presence_penalty": 0, "frequency_penalty": 0.0, "logprobs": False, "n": 1, "service_tier": "auto"}

    assert body(ask(parameters=parameters)).keys() == {"contents"}


def test_fields_of_its_own_go_as_written_and_what_the_request_says_goes_before_them() -> None:
    parameters = {
        "safetySettings": [{"category": "HARM_CATEGORY_HARASSMENT", "threshold": "BLOCK_NONE"}],
        "cachedContent": "cachedContents/1",
        "labels": {"team": "a"},
        "generationConfig": {
            "mediaResolution": "MEDIA_RESOLUTION_LOW", "maxOutputTokens": 5, "thinkingConfig": {"x": 1},
        },
        "toolConfig": {"retrievalConfig": {"languageCode": "de"}},
    }  # fmt: skip
    sent = body(ask(parameters=parameters, tools=(TOOL,), tool_choice="required", effort="low"), cap=9)

    assert sent["generationConfig"] == {
        "mediaResolution": "MEDIA_RESOLUTION_LOW",
        "maxOutputTokens": 9,
        "thinkingConfig": {"x": 1, "thinkingLevel": "low", "includeThoughts": True},
    }
    assert sent["toolConfig"] == {
        "retrievalConfig": {"languageCode": "de"},
        "functionCallingConfig": {"mode": "ANY"},
    }
    assert (sent["cachedContent"], sent["labels"]) == ("cachedContents/1", {"team": "a"})
    assert sent["safetySettings"] == parameters["safetySettings"]


def test_everything_in_one_conversation() -> None:
    sent = body(FULL, cap=100)

    assert sent["systemInstruction"] == {"parts": [{"text": "Be terse."}, {"text": "And polite."}]}
    assert sent["contents"] == [
        {"role": "user", "parts": [
            {"text": "What is this?"},
            {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}},
        ]},
        {"role": "model", "parts": [
            {"functionCall": {"id": "call:1", "name": "lookup_order", "args": {"order_id": "A-1"}},
             "thoughtSignature": ESCAPE},
            {"functionCall": {"id": "call:2", "name": "lookup_order", "args": {}}},
        ]},
        {"role": "user", "parts": [
            {"functionResponse": {"id": "call:1", "name": "lookup_order", "response": {"output": "shipped"}}},
            {"functionResponse": {"id": "call:2", "name": "lookup_order", "response": {"output": "lost"}}},
            {"text": "And now?"},
        ]},
        {"role": "model", "parts": [{"text": "Nothing."}]},
        {"role": "user", "parts": [{"text": "Thanks"}]},
    ]  # fmt: skip
    assert sent["tools"] == [
        {
            "functionDeclarations": [
                {
                    "name": "lookup_order",
                    "description": "Look an order up.",
                    "parametersJsonSchema": {
                        "type": "object",
                        "properties": {"order_id": {"type": "string"}},
                        "required": ["order_id"],
                    },
                }
            ]
        }
    ]
    assert sent["toolConfig"] == {"functionCallingConfig": {"mode": "AUTO"}}
    assert "secret thought" not in json.dumps(sent)


def test_older_models_take_calls_of_others_unsigned() -> None:
    assert ESCAPE not in json.dumps(body(FULL, OLDER))
    assert ESCAPE not in json.dumps(body(FULL, target("models/gemini-2.0-flash", "google")))
    assert ESCAPE in json.dumps(body(FULL, target("gemini-flash-latest", "google")))


@pytest.mark.parametrize(
    ("content", "response"),
    [
        ('{"status": "late", "days": 2}', {"status": "late", "days": 2}),
        ("[1, 2]", {"output": "[1, 2]"}),
        ("", {"output": ""}),
        ("{broken", {"output": "{broken"}),
        ('{"x": 1e999}', {"output": '{"x": 1e999}'}),
        ('{"a":' * 95 + "1" + "}" * 95, {"output": '{"a":' * 95 + "1" + "}" * 95}),
        ([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], {"output": "ab"}),
    ],
)
def test_a_result_is_an_object(content: object, response: Json) -> None:
    parts = body(ask(user("Hi"), called(call("a")), result("a", content)))["contents"][2]["parts"]

    assert parts == [{"functionResponse": {"id": "a", "name": "lookup_order", "response": response}}]


def test_an_image_in_a_result_follows_it() -> None:
    content = [{"type": "text", "text": "see"}, {"type": "image_url", "image_url": {"url": PIXEL}}]
    parts = body(ask(user("Hi"), called(call("a")), result("a", content)))["contents"][2]["parts"]

    assert parts[0]["functionResponse"]["response"] == {"output": "see"}
    assert parts[1] == {"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo="}}


def test_a_result_of_a_call_nobody_made_keeps_a_name() -> None:
    parts = body(ask(user("Hi"), result("f:0"), {**result("g"), "name": "ping"}))["contents"][0]["parts"]

    assert [part["functionResponse"]["name"] for part in parts[1:]] == ["f:0", "ping"]


def test_a_result_belongs_to_the_latest_call_of_its_id() -> None:
    sent = body(ask(user("Hi"), called(call("f")), result("f", "1"), called(call("f")), result("f", "2")))["contents"]
    ids = [next(iter(part.values()))["id"] for turn in sent[1:] for part in turn["parts"]]

    assert ids == ["f", "f", "f_2", "f_2"]


def test_calls_with_one_id_are_answered_in_order() -> None:
    other = {**call("a"), "function": {"name": "ping", "arguments": "{}"}}
    turn = body(ask(user("Hi"), called(call("a"), other), result("a", "1"), result("a", "2")))["contents"][2]
    answers = [part["functionResponse"] for part in turn["parts"]]

    assert [(each["id"], each["name"]) for each in answers] == [("a", "lookup_order"), ("a_2", "ping")]


def test_a_call_never_comes_first() -> None:
    contents = body(ask(called(call("a")), result("a")))["contents"]

    assert [turn["role"] for turn in contents] == ["user", "model", "user"]
    assert body(ask({"role": "assistant", "content": "Hi"}, user("Hm")))["contents"][0]["role"] == "model"


def test_a_name_goes_in_front_of_what_is_said() -> None:
    assert body(ask({**user("Hi"), "name": "Ann"}))["contents"][0]["parts"] == [{"text": "Ann:"}, {"text": "Hi"}]


def test_vertex_knows_no_ids_of_calls() -> None:
    sent = body(FULL, target("publishers/google/models/gemini-3.8-flash", "google"))

    assert '"id"' not in json.dumps(sent["contents"])


@pytest.mark.parametrize("arguments", ["not json", "[1]", '{"x": 1e999}'])
def test_arguments_of_another_models_that_are_no_object_are_kept_as_text(arguments: str) -> None:
    part = body(ask(user("Hi"), called(call("a", arguments))))["contents"][1]["parts"][0]

    assert part["functionCall"]["args"] == {"arguments": arguments}


def test_only_instructions_are_something_to_answer() -> None:
    assert body(ask({"role": "system", "content": "Be terse."})) == {
        "contents": [{"role": "user", "parts": [{"text": "Be terse."}]}]
    }
    assert body(ask(user("")))["contents"] == [{"role": "user", "parts": [{"text": ""}]}]


def test_models_without_instructions_hear_them_from_the_user() -> None:
    gemma = target("gemma-3-27b-it", "google")
    sent = body(ask({"role": "system", "content": "Be terse."}, user("Hi"), schema=JsonSchema("x", {"not": {}})), gemma)

    assert "systemInstruction" not in sent
    said = [part["text"] for part in sent["contents"][0]["parts"]]
    assert said[1:] == ["Be terse.", "Hi"]
    assert said[0].startswith("Answer with one JSON value")


# ------------------------------------------------------------------------------------------------------------- efforts


@pytest.mark.parametrize(
    ("name", "effort", "thinking"),
    [
        ("gemini-3.8-flash", "low", {"thinkingLevel": "low", "includeThoughts": True}),
        ("gemini-3.5-flash-lite", "minimal", {"thinkingLevel": "minimal", "includeThoughts": True}),
        ("gemini-2.5-flash", "none", {"thinkingBudget": 0}),
        ("gemini-2.5-pro", "high", {"thinkingBudget": 24_576, "includeThoughts": True}),
    ],
)
def test_an_effort_in_the_models_words(name: str, effort: str, thinking: Json) -> None:
    where = target(name, "google")
    request = ask(effort=effort)

    assert fit.obstacle(request, where, profile_of(where)) is None
    assert body(request, where)["generationConfig"] == {"thinkingConfig": thinking}


@pytest.mark.parametrize(
    ("name", "effort"),
    [("gemini-3.8-flash", "minimal"), ("gemini-3.8-flash", "none"), ("gemini-3.1-pro-preview", "minimal"),
     ("gemini-2.5-pro", "none"), ("gemini-2.0-flash", "low"), ("gemini-3-pro-preview", "medium")],
)  # fmt: skip
def test_efforts_that_a_model_does_not_know(name: str, effort: str) -> None:
    for provider in ("google", "google-openai"):
        where = target(name, provider)
        profile = profile_of(where) if provider == "google" else PROFILES[provider]
        if provider == "google":
            assert fit.obstacle(ask(effort=effort), where, profile) is not None


def test_an_effort_under_a_profile_of_another_dialect_is_a_level() -> None:
    sent = json.loads(encode(ask(effort="low"), HERE, PROFILES["compatible"], None, stream=False))

    assert sent["generationConfig"] == {"thinkingConfig": {"thinkingLevel": "low"}}


# ------------------------------------------------------------------------------------------------------------- schemas


def test_a_schema_is_enforced() -> None:
    config = body(ask(schema=SCHEMA))["generationConfig"]

    assert config == {"responseMimeType": "application/json", "responseJsonSchema": SCHEMA.schema}


def test_a_schema_the_caller_wrote_in_a_format() -> None:
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": SCHEMA.schema}}

    assert body(ask(parameters={"response_format": form})) == body(ask(schema=SCHEMA))


def test_a_schema_that_cannot_be_said_is_an_instruction_and_json_is_enforced() -> None:
    sent = body(ask(schema=JsonSchema("x", {"type": "object", "not": {"required": ["a"]}})))

    assert sent["generationConfig"] == {"responseMimeType": "application/json"}
    assert '"not":{"required":["a"]}' in sent["systemInstruction"]["parts"][0]["text"]


def test_two_dot_five_takes_tools_or_a_schema() -> None:
    sent = body(ask(schema=SCHEMA, tools=(TOOL,)), OLDER)

    assert "generationConfig" not in sent
    assert "city" in sent["systemInstruction"]["parts"][0]["text"]
    assert "responseJsonSchema" in body(ask(schema=SCHEMA, tools=(TOOL,)))["generationConfig"]


# --------------------------------------------------------------------------------------------------------------- tools

PING: Json = {"type": "function", "function": {"name": "ping", "parameters": {"type": "object", "properties": {}}}}
NAMED: Json = {"type": "function", "function": {"name": "ping"}}
STRICT: Json = {"type": "function", "function": {**TOOL["function"], "strict": True}}


@pytest.mark.parametrize(
    ("choice", "config"),
    [
        ("auto", {"mode": "AUTO"}),
        ("none", {"mode": "NONE"}),
        ("required", {"mode": "ANY"}),
        (NAMED, {"mode": "ANY", "allowedFunctionNames": ["ping"]}),
        (
            {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [NAMED]}},
            {"mode": "ANY", "allowedFunctionNames": ["ping"]},
        ),
    ],
)  # fmt: skip
def test_choices(choice: Json, config: Json) -> None:
    sent = body(ask(tools=(TOOL, PING), tool_choice=choice))

    assert sent["toolConfig"] == {"functionCallingConfig": config}
    assert [each["name"] for each in sent["tools"][0]["functionDeclarations"]] == ["lookup_order", "ping"]


def test_no_choice_says_nothing_and_strict_tools_are_validated() -> None:
    assert "toolConfig" not in body(ask(tools=(TOOL,)))
    assert body(ask(tools=(STRICT,)))["toolConfig"] == {"functionCallingConfig": {"mode": "VALIDATED"}}


def test_tools_that_may_be_called_are_the_only_ones_declared() -> None:
    choice = {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "ping"}]}
    sent = body(ask(tools=(TOOL, PING), tool_choice=choice))

    assert sent["tools"] == [{"functionDeclarations": [{"name": "ping"}]}]
    assert sent["toolConfig"] == {"functionCallingConfig": {"mode": "AUTO"}}


def test_tools_of_its_own() -> None:
    tools = (
        {"type": "google_search"},
        {"type": "codeExecution"},
        {"type": "file_search", "fileSearchStoreNames": ["a"]},
    )

    assert obstacle(ask(tools=tools)) is None
    assert body(ask(tools=tools, tool_choice="auto")).keys() == {"contents", "tools"}
    assert body(ask(tools=(*tools, PING)))["tools"] == [
        {"googleSearch": {}},
        {"codeExecution": {}},
        {"fileSearch": {"fileSearchStoreNames": ["a"]}},
        {"functionDeclarations": [{"name": "ping"}]},
    ]


# --------------------------------------------------------------------------------------------------------------- media


@pytest.mark.parametrize(
    ("part", "written"),
    [
        (
            {"type": "image_url", "image_url": {"url": "data:image/jpg;base64,AA=="}},
            {"inlineData": {"mimeType": "image/jpeg", "data": "AA=="}},
        ),
        (
            {"type": "image_url", "image_url": {"url": "https://x.test/a.PNG?size=2"}},
            {"fileData": {"fileUri": "https://x.test/a.PNG?size=2", "mimeType": "image/png"}},
        ),
        ({"type": "image_url", "image_url": "gs://b/image"}, {"fileData": {"fileUri": "gs://b/image"}}),
        (
            {"type": "file", "file": {"file_data": "data:application/pdf;base64,AA==", "filename": "a.pdf"}},
            {"inlineData": {"mimeType": "application/pdf", "data": "AA=="}},
        ),
        (
            {"type": "file", "file": {"file_id": "https://x.test/files/abc", "filename": "a.pdf"}},
            {"fileData": {"fileUri": "https://x.test/files/abc", "mimeType": "application/pdf"}},
        ),
        (
            {"type": "input_audio", "input_audio": {"data": "AA==", "format": "mp3"}},
            {"inlineData": {"mimeType": "audio/mp3", "data": "AA=="}},
        ),
        (
            {"type": "input_audio", "input_audio": {"data": "data:audio/x-wav;base64,AA==", "format": "WAV"}},
            {"inlineData": {"mimeType": "audio/wav", "data": "AA=="}},
        ),
        (
            {"type": "video_url", "video_url": {"url": "https://www.youtube.com/watch?v=x"}},
            {"fileData": {"fileUri": "https://www.youtube.com/watch?v=x"}},
        ),
        (
            {"type": "video_url", "video_url": {"url": "data:video/mp4;base64,AA=="}},
            {"inlineData": {"mimeType": "video/mp4", "data": "AA=="}},
        ),
        ({"type": "refusal", "refusal": "No."}, {"text": "No."}),
        ({"type": "text", "text": "Hi", "cache_control": {"type": "ephemeral"}}, {"text": "Hi"}),
    ],
)
def test_media(part: Json, written: Json) -> None:
    request = ask(user([part]))

    assert obstacle(request) is None
    assert fit.obstacle(request, HERE, profile_of(HERE)) is None
    assert body(request)["contents"][0]["parts"] == [written]


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": "data:image/gif;base64,AA=="}},
        {"type": "image_url", "image_url": {"url": "data:image/png,raw"}},
        {"type": "image_url", "image_url": {"url": "http://x.test/a.png"}},
        {"type": "file", "file": {"file_id": "file-abc123"}},
        {"type": "file", "file": {"file_data": "data:application/zip;base64,AA=="}},
        {"type": "input_audio", "input_audio": {"data": "AA==", "format": "opus"}},
        {"type": "input_audio", "input_audio": {"format": "wav"}},
        {"type": "video_url", "video_url": {"url": "data:image/png;base64,AA=="}},
        {"type": "custom_part"},
    ],
)
def test_media_there_is_no_word_for(part: Json) -> None:
    assert obstacle(ask(user([part])))
    assert obstacle(ask(user("Hi"), called(call("a")), result("a", [part])))


def test_instructions_are_text() -> None:
    image = {"type": "image_url", "image_url": {"url": PIXEL}}

    assert obstacle(ask({"role": "system", "content": [image]}, user("Hi"))) == "takes only text for instructions"


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"parameters": {"logit_bias": {"1": 2}}}, "logit_bias"),
        ({"parameters": {"n": 2}}, "n "),
        ({"parameters": {"verbosity": "low"}}, "verbosity"),
        ({"parameters": {"parallel_tool_calls": False}, "tools": (TOOL,)}, "parallel_tool_calls"),
        ({"parameters": {"service_tier": "scale"}}, "service_tier"),
        ({"parameters": {"response_format": {"type": "grammar"}}}, "grammar"),
        ({"tools": ({"type": "custom", "custom": {"name": "x"}},)}, "custom"),
        ({"tools": ({"type": "web_search_20250305", "name": "web_search"},)}, "web_search"),
        ({"tools": ({"type": "function", "function": {"name": "9 lives"}},)}, "9 lives"),
        ({"tools": (TOOL,), "tool_choice": {"type": "mcp"}}, "mcp"),
    ],
)
def test_what_there_is_no_word_for_bars_the_target(fields: Json, word: str) -> None:
    reason = obstacle(ask(**fields))

    assert reason is not None
    assert word in reason


def test_what_means_nothing_bars_nothing() -> None:
    parameters: Json = {
        "logit_bias": {},
        "prediction": None,
        "modalities": False,
        "parallel_tool_calls": True,
        "n": 1,
        "user": "u",
    }

    assert obstacle(ask(parameters=parameters)) is None


@pytest.mark.parametrize(
    ("parameters", "word"),
    [({"temperature": 2.5}, "temperature"), ({"seed": 2**40}, "seed"), ({"top_logprobs": 21}, "top_logprobs")],
)
def test_values_out_of_range_bar_the_target(parameters: Json, word: str) -> None:
    assert word in str(fit.obstacle(ask(parameters=parameters), HERE, profile_of(HERE)))


def test_penalties_are_not_for_two_dot_five() -> None:
    request = ask(parameters={"presence_penalty": 0.5})

    assert fit.obstacle(request, OLDER, profile_of(OLDER))
    assert fit.obstacle(request, HERE, profile_of(HERE)) is None


def test_what_json_cannot_hold_is_refused_with_its_place() -> None:
    with pytest.raises(RequestError, match="temperature"):
        encode(ask(parameters={"temperature": float("nan")}), HERE, profile_of(HERE), None, stream=False)


# ---------------------------------------------------------------------------------------------------------- properties


@settings(max_examples=50)
@given(CONVERSATIONS, st.sampled_from([HERE, OLDER, Target(Model("x"), "google", "gemma-3-4b", None)]))
def test_any_history_becomes_alternating_turns_with_unique_ids(messages: tuple[Json, ...], where: Target) -> None:
    contents = body(Request(messages=messages), where)["contents"]

    assert contents
    assert all(one["role"] != other["role"] for one, other in itertools.pairwise(contents))
    assert all(turn["parts"] for turn in contents)
    assert PROVENANCE not in json.dumps([list(part) for turn in contents for part in turn["parts"]])
    ids = [part["functionCall"]["id"] for turn in contents for part in turn["parts"] if "functionCall" in part]
    assert len(ids) == len(set(ids))


@settings(max_examples=40)
@given(CONVERSATIONS, PARAMETERS, TOOLS, st.none() | VALUES.filter(lambda value: isinstance(value, str | dict)))
def test_any_parameters_are_encoded_or_refused(
    messages: tuple[Json, ...], parameters: Json, tools: tuple[Json, ...], choice: Json
) -> None:
    request = Request(messages=messages, tools=tools, tool_choice=choice, parameters=parameters)
    for reason in (fit.obstacle(request, HERE, profile_of(HERE)), obstacle(request)):
        assert reason is None or isinstance(reason, str)
    for where in (HERE, OLDER):
        with contextlib.suppress(RequestError):
            assert body(request, where)["contents"]


def test_blocks_of_another_model_stay_here() -> None:
    kept = [{"type": "call", "id": "a", "signature": "theirs"}]
    for elsewhere in (target("gemini-3.7-flash", "google"), target("gemini-3.8-flash", "elsewhere")):
        turn = body(ask(user("Hi"), called(call("a"), **provenance(elsewhere, parts=kept))))["contents"][1]

        assert [part.get("thoughtSignature") for part in turn["parts"]] == [ESCAPE]


def test_what_an_assistant_showed_is_not_lost_without_a_word() -> None:
    shown = [{"type": "text", "text": "See."}, {"type": "image_url", "image_url": {"url": PIXEL}}]

    assert "image_url" in (obstacle(ask(user("Hi"), {"role": "assistant", "content": shown}, user("And?"))) or "")


def test_a_search_is_asked_for_by_no_more_than_the_parameters_presence() -> None:
    assert "web_search_options" in (obstacle(ask(parameters={"web_search_options": {}})) or "")
    assert obstacle(ask(parameters={"logit_bias": {}})) is None
