"""What each vendor's server would refuse of a body, written from what is published of them.

These readers share no line with the encoders. Each returns the reasons, in its own words, for which that vendor answers
HTTP 400 or 422; an empty list is a body that is taken.
"""

import itertools
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping

from anthropic.types.message_create_params import MessageCreateParamsStreaming
from openai.types.chat.completion_create_params import CompletionCreateParamsBase, CompletionCreateParamsStreaming
from openai.types.responses.response_create_params import ResponseCreateParamsBase, ResponseCreateParamsStreaming
from pydantic import TypeAdapter, ValidationError

from tests.providers.samples import Json

__all__ = ["refusals"]

_CHAT: TypeAdapter[object] = TypeAdapter(CompletionCreateParamsStreaming)
_RESPONSES: TypeAdapter[object] = TypeAdapter(ResponseCreateParamsStreaming)
_MESSAGES: TypeAdapter[object] = TypeAdapter(MessageCreateParamsStreaming)

_MESSAGE_FIELDS = {"role", "content", "name", "tool_calls", "tool_call_id", "function_call"}
_CAPS = {"openai", "azure", "xiaomi", "groq", "cerebras", "xai"}
_LEGAL_ID = re.compile(r"[a-zA-Z0-9_-]+")

Reasons = Iterator[str]


def refusals(body: Json, provider: str, dialect: str, model: str) -> list[str]:
    """Return why the server of `provider` refuses `body`, in `dialect` and for `model`; none if it takes it."""
    readers: Mapping[str, Callable[[Json, str, str], Reasons]] = {
        "openai-chat": _chat, "openai-responses": _responses, "anthropic-messages": _messages, "gemini": _gemini,
    }  # fmt: skip
    return list(readers[dialect](body, provider, model))


# ------------------------------------------------------------------------------------------------- Chat Completions


def _chat(body: Json, provider: str, model: str) -> Reasons:
    messages = body["messages"]
    own = provider in {"openai", "azure"}
    yield from _of_type(_CHAT, body if own else {**body, "messages": [], "reasoning_effort": "low"})
    yield from _calls_answered(messages)
    if not body.get("tools"):
        yield from (f"{name} without tools" for name in ("tool_choice", "parallel_tool_calls") if name in body)
    cap = "max_completion_tokens" if provider in _CAPS or model.startswith("kimi-k3") else "max_tokens"
    other = {"max_completion_tokens": "max_tokens", "max_tokens": "max_completion_tokens"}[cap]
    if other in body and provider not in {"vllm", "sglang", "google", "anthropic", "bedrock", "alibaba"}:
        yield f"the cap is called {cap}"
    for message in messages:
        if message["role"] == "developer" and provider not in {"openai", "azure"}:
            yield "no role developer"
        if message["role"] == "assistant" and not message.get("content") and not message.get("tool_calls"):
            yield from ["an assistant who says nothing"] if provider in {"moonshot", "mistral"} else []
        taken = _MESSAGE_FIELDS | {"prefix", "partial", *_REASONING.get(provider, ())}
        yield from (f"no field {name} in a message" for name in message.keys() - taken)
    special = _OF_A_PROVIDER.get(provider)
    if special is not None:
        yield from special(body, model)


_REASONING: Mapping[str, tuple[str, ...]] = {
    "deepseek": ("reasoning_content",), "moonshot": ("reasoning_content",), "xiaomi": ("reasoning_content",),
    "zai": ("reasoning_content",), "groq": ("reasoning",), "cerebras": ("reasoning",),
    "openrouter": ("reasoning_details",), "minimax": ("reasoning_details",),
}  # fmt: skip


def _calls_answered(messages: list[Json]) -> Reasons:
    """Every call is answered before anybody else speaks, and nothing is answered that was not asked."""
    waiting: list[str] = []
    for message in messages:
        if message["role"] == "tool":
            if message["tool_call_id"] not in waiting:
                yield "a result without its call"
            else:
                waiting.remove(message["tool_call_id"])
            continue
        if waiting:
            yield "a call without its result"
        waiting = [call["id"] for call in message.get("tool_calls", ())]
        if len(set(waiting)) < len(waiting) or not all(waiting):
            yield "calls that cannot be told apart"
        for call in message.get("tool_calls", ()):
            try:
                json.loads(call["function"]["arguments"])
            except ValueError:
                yield "arguments that are no JSON"
    if waiting:
        yield "a call without its result"


def _openai(body: Json, model: str) -> Reasons:
    yield from (f"unknown parameter {name}" for name in body.keys() - _names(CompletionCreateParamsBase) - {"stream"})
    rests = body.get("reasoning_effort") == "none" or (
        "reasoning_effort" not in body and bool(re.match(r"gpt-(4|5\.[1-4])", model))
    )
    if not rests:
        for name, value in (("temperature", 1), ("top_p", 1), ("presence_penalty", 0), ("frequency_penalty", 0)):
            if body.get(name, value) != value:
                yield f"only the default {name}"
        yield from (
            f"no {name} while it reasons" for name in ("logprobs", "top_logprobs", "logit_bias") if name in body
        )
    late = re.match(r"gpt-(5\.6|6)", model)
    called = any("tool_calls" in message for message in body["messages"])
    if late and ("tools" in body or called) and not rests:
        yield "Function tools with reasoning_effort are not supported, use /v1/responses"
    if re.match(r"gpt-(6\.2|6-astra|6\.1-sol)", model) and body.get("reasoning_effort") in {"none", "minimal"}:
        yield "no such effort"
    if len(_texts(body.get("stop"))) > 4:
        yield "at most 4 stops"
    for message in body["messages"]:
        yield from (
            "an id of more than 40 characters" for call in message.get("tool_calls", ()) if len(call["id"]) > 40
        )
        if message["role"] in {"tool", "system", "developer"}:
            yield from (f"{part['type']} of a {message['role']}" for part in _parts(message) if part["type"] != "text")


def _moonshot(body: Json, model: str) -> Reasons:
    thinking = body.get("thinking", {}).get("type") != "disabled"
    fixed = {
        "temperature": 1.0 if thinking else 0.6,
        "top_p": 0.95,
        "n": 1,
        "presence_penalty": 0,
        "frequency_penalty": 0,
    }
    yield from (f"only one {name}" for name, value in fixed.items() if body.get(name, value) != value)
    yield from _no(body, "seed")
    yield from _choices(body, "auto", "none")
    stops = _texts(body.get("stop"))
    if len(stops) > 5 or any(len(stop.encode()) > 32 for stop in stops):
        yield "at most 5 stops of 32 bytes"
    for message in body["messages"]:
        if message["role"] == "assistant":
            if not message["content"]:
                yield "an empty assistant"
            if "reasoning_content" not in message and (message.get("tool_calls") or model.startswith("kimi-k3")):
                yield "reasoning_content is missing"
        yield from (
            "an image by URL" for part in _parts(message) if part.get("image_url", {}).get("url", "")[:4] == "http"
        )
    for tool in body.get("tools", ()):
        yield from ["strict"] if "strict" in tool["function"] else []
    if "response_format" in body and body["response_format"]["type"] == "json_schema":
        described = body["response_format"]["json_schema"]
        yield from ["strict"] if "strict" in described else []
        yield from ["the root is no object"] if described["schema"].get("type") != "object" else []


def _deepseek(body: Json, model: str) -> Reasons:
    del model
    thinking = body.get("thinking", {}).get("type") != "disabled"
    yield from _choices(body, "auto", "none", *(() if thinking else ("required", "named")))
    yield from _no(body, "seed", *(("logprobs", "top_logprobs") if thinking else ()))
    if body.get("response_format", {}).get("type") == "json_schema":
        yield "no json_schema"
    for message in body["messages"]:
        if message.get("tool_calls") and "reasoning_content" not in message:
            yield "reasoning_content is missing"
        if _parts(message) and all(part["type"] == "text" for part in _parts(message)):
            yield "a list of texts"


def _xiaomi(body: Json, model: str) -> Reasons:
    thinking = body.get("thinking", {}).get("type", "disabled" if "flash" in model else "enabled") != "disabled"
    yield from _within(body, temperature=(0, 1.5), top_p=(0.01, 1))
    for message in body["messages"]:
        if thinking and message["role"] == "assistant" and "reasoning_content" not in message:
            yield "reasoning_content is missing"


def _zai(body: Json, model: str) -> Reasons:
    yield from _within(body, temperature=(0, 1))
    yield from _choices(body, "auto")
    if "glm-5.3" in model and body.get("thinking", {}).get("type") == "disabled":
        yield "always thinks"
    if len(_texts(body.get("stop"))) > 1:
        yield "one stop"
    if body.get("tools") and re.search(r"glm-(4\.[67]|5)", model) and body.get("tool_stream") is not True:
        yield "silent while it writes arguments"


def _minimax(body: Json, model: str) -> Reasons:
    del model
    yield from _within(body, temperature=(0.0001, 1), top_p=(0.01, 1), n=(1, 1))
    yield from _choices(body, "auto")
    if body.get("reasoning_split") is not True:
        yield "its thoughts come in its text"


def _alibaba(body: Json, model: str) -> Reasons:
    yield from _within(body, temperature=(0, 1.9999))
    yield from _choices(body, "auto", "none", "named", *(() if "coder" in model else ("required",)))
    for message in body["messages"]:
        yield from ("a file" for part in _parts(message) if part["type"] == "file")


_OF_MISTRAL = {
    "model", "messages", "temperature", "top_p", "max_tokens", "stream", "stop", "random_seed", "response_format",
    "tools", "tool_choice", "presence_penalty", "frequency_penalty", "n", "parallel_tool_calls", "safe_prompt",
    "prompt_mode", "reasoning_effort", "guardrails",
}  # fmt: skip


def _mistral(body: Json, model: str) -> Reasons:
    yield from (f"extra_forbidden {name}" for name in body.keys() - _OF_MISTRAL)
    yield from _within(body, temperature=(0, 1))
    if "reasoning_effort" in body and (
        body["reasoning_effort"] not in {"none", "high"} or not re.match(r"mistral-(small|medium)-2", model)
    ):
        yield "no such effort"
    yield from ("parameters are missing" for tool in body.get("tools", ()) if "parameters" not in tool["function"])
    messages = body["messages"]
    ids = [call["id"] for message in messages for call in message.get("tool_calls", ())]
    if len(set(ids)) < len(ids) or not all(re.fullmatch("[a-zA-Z0-9]{9}", one) for one in ids):
        yield "ids are nine letters and digits"
    for before, after in itertools.pairwise(messages):
        if before["role"] == "tool" and after["role"] not in {"tool", "assistant"}:
            yield f"{after['role']} after tool"
    if messages[-1]["role"] == "assistant" and messages[-1].get("prefix") is not True:
        yield "the last is the assistant's"
    for message in messages:
        yield from ["extra_forbidden name"] if "name" in message else []


def _groq(body: Json, model: str) -> Reasons:
    yield from _no(body, "logprobs", "top_logprobs", "logit_bias")
    yield from _within(body, n=(1, 1))
    if "reasoning_format" in body and "include_reasoning" in body:
        yield "either"
    if "gpt-oss" not in model:
        yield from ("reasoning of one that has none" for message in body["messages"] if "reasoning" in message)
    words = {"low", "medium", "high"} if "gpt-oss" in model else {"none", "default"} if "qwen3" in model else set()
    if body.get("reasoning_effort", None) not in {None, *words}:
        yield "no such effort"


def _cerebras(body: Json, model: str) -> Reasons:
    yield from _no(body, "presence_penalty", "frequency_penalty", "logit_bias")
    if "gpt-oss" in model and body.get("reasoning_effort", "low") not in {"low", "medium", "high"}:
        yield "no such effort"
    if "glm" in model and body.get("clear_thinking") is not False:
        yield "it forgets what it thought"


def _xai(body: Json, model: str) -> Reasons:
    if body.get("reasoning_effort") != "none" and not re.search(r"grok-(4\.3|build)|non-reasoning", model):
        yield from _no(body, "presence_penalty", "frequency_penalty", "stop")
    if "4.20" in model:
        yield from _no(body, "reasoning_effort")


def _openrouter(body: Json, model: str) -> Reasons:
    del model
    if body.get("provider", {}).get("require_parameters") is not True:
        yield "what an upstream does not take is dropped"


def _ollama(body: Json, model: str) -> Reasons:
    del model
    yield from _choices(body, "auto")
    yield from _no(body, "parallel_tool_calls")


def _one_system(body: Json, model: str) -> Reasons:
    del model
    yield from ("a second system message" for message in body["messages"][1:] if message["role"] == "system")


def _anthropic_compatible(body: Json, model: str) -> Reasons:
    yield from _within(body, temperature=(0, 1), n=(1, 1))
    if re.search(r"fable|opus-5-5", model) and body.get("thinking", {}).get("type") == "disabled":
        yield "always thinks"
    yield from ("a blank stop" for stop in _texts(body.get("stop")) if not stop.strip())
    yield from (f"{name} is not heeded" for name in ("seed", "logprobs") if name in body)
    if body.get("response_format", {}).get("type", "text") != "text":
        yield "response_format is not heeded"


_OF_A_PROVIDER: Mapping[str, Callable[[Json, str], Reasons]] = {
    "openai": _openai, "azure": _openai, "moonshot": _moonshot, "deepseek": _deepseek, "xiaomi": _xiaomi, "zai": _zai,
    "minimax": _minimax, "alibaba": _alibaba, "mistral": _mistral, "groq": _groq, "cerebras": _cerebras, "xai": _xai,
    "openrouter": _openrouter, "ollama": _ollama, "vllm": _one_system, "sglang": _one_system,
    "llamacpp": _one_system, "lmstudio": _one_system, "anthropic": _anthropic_compatible,
}  # fmt: skip


# ------------------------------------------------------------------------------------------------ the other dialects


def _responses(body: Json, provider: str, model: str) -> Reasons:
    if provider in {"openai", "azure"}:
        yield from (f"unknown parameter {name}" for name in body.keys() - _names(ResponseCreateParamsBase) - {
            "stream", "temperature", "top_p"})  # fmt: skip
    if provider == "alibaba" and body.keys() & {"enable_thinking", "thinking_budget"}:
        yield "the effort is said in reasoning"
    if provider == "openrouter":
        yield from _openrouter(body, model)
    # An assistant's words said by another model have no id: the API takes them so, its types do not.
    said = [item for item in body["input"] if item.get("role") != "assistant"]
    yield from _of_type(_RESPONSES, {**body, "input": said})
    calls = [item["call_id"] for item in body["input"] if item.get("type") in {"function_call", "custom_tool_call"}]
    results = [item["call_id"] for item in body["input"] if str(item.get("type")).endswith("_call_output")]
    if sorted(calls) != sorted(results) or len(set(calls)) < len(calls):
        yield "calls and results do not match"
    yield from ("an id it does not take" for one in calls if not re.fullmatch("[a-zA-Z0-9_-]{1,64}", one))
    kinds = [item.get("type", "message") for item in body["input"]]
    for before, after in itertools.pairwise([*kinds, "end"]):
        if before == "reasoning" and after in {"reasoning", "end", "function_call_output"}:
            yield "a reasoning item without the item after it"
    if not body.get("tools"):
        yield from (f"{name} without tools" for name in ("tool_choice", "parallel_tool_calls") if name in body)


def _messages(body: Json, provider: str, model: str) -> Reasons:
    yield from _of_type(_MESSAGES, body)
    turns = body["messages"]
    if [turn["role"] for turn in turns] != ["user", "assistant"] * (len(turns) // 2) + ["user"] * (len(turns) % 2):
        yield "turns do not alternate"
    waiting: list[str] = []
    for turn in turns:
        blocks = [{"type": "text", "text": turn["content"]}] if isinstance(turn["content"], str) else turn["content"]
        if not blocks:
            yield "no content"
        yield from ("blank text" for block in blocks if block["type"] == "text" and not block["text"].strip())
        answered = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
        if answered != waiting:
            yield "tool_use without its tool_result directly after it"
        if [block["type"] == "tool_result" for block in blocks] != sorted(
            [block["type"] == "tool_result" for block in blocks], reverse=True
        ):
            yield "results come first"
        waiting = [block["id"] for block in blocks if block["type"] == "tool_use"]
        yield from ("an id it does not take" for one in waiting if not _LEGAL_ID.fullmatch(one))
        if turn["role"] == "assistant":
            yield from ("media of an assistant" for block in blocks if block["type"] in {"image", "document"})
    if any("tool_use" in json.dumps(turn["content"]) for turn in turns) and not body.get("tools"):
        yield "calls without tools"
    if provider not in {"anthropic", "azure", "bedrock"}:
        yield from _no(body, "thinking", "output_config")
        return
    yield from ("a blank stop" for stop in body.get("stop_sequences", ()) if not stop.strip())
    if re.search(r"opus-(4-[78]|5)|sonnet-5|fable|mythos", model):
        yield from (f"only the default {name}" for name in ("temperature", "top_p") if body.get(name, 1) != 1)
        yield from _no(body, "top_k")
        yield from ["no prefill"] if turns[-1]["role"] == "assistant" else []
    if re.search(r"fable|mythos|opus-5-5", model) and body.get("thinking", {}).get("type") == "disabled":
        yield "always thinks"
    if re.search(r"fable|mythos", model) and body.get("tool_choice", {}).get("type") in {"any", "tool"}:
        yield "no forced tool"


def _gemini(body: Json, provider: str, model: str) -> Reasons:
    del provider
    contents = body["contents"]
    if contents[0]["role"] != "user" and any("functionCall" in part for part in contents[0]["parts"]):
        yield "a call comes after a user turn"
    for before, after in itertools.pairwise([*contents, {"role": "", "parts": []}]):
        if before["role"] == after["role"]:
            yield "turns do not alternate"
        calls = [part["functionCall"] for part in before["parts"] if "functionCall" in part]
        results = [part["functionResponse"] for part in after["parts"] if "functionResponse" in part]
        if [call["name"] for call in calls] != [result["name"] for result in results]:
            yield "as many responses as calls, in the turn after"
        signed = [part for part in before["parts"] if "functionCall" in part][:1]
        if "gemini-3" in model and signed and "thoughtSignature" not in signed[0]:
            yield "Function call is missing a thought_signature"
        yield from ("no parts" for _ in [()] if after["role"] and not after["parts"])
    thinking = body.get("generationConfig", {}).get("thinkingConfig", {})
    if {"thinkingLevel", "thinkingBudget"} <= thinking.keys():
        yield "not both"
    if "gemini-3" in model and "thinkingBudget" in thinking:
        yield "levels"
    if "2.5-pro" in model and thinking.get("thinkingBudget") == 0:
        yield "always thinks"
    for name in ("temperature", "topP"):
        if not 0 <= body.get("generationConfig", {}).get(name, 0) <= 2:
            yield name


# ------------------------------------------------------------------------------------------------------------- words


def _names(shape: object) -> set[str]:
    names: Mapping[str, object] = getattr(shape, "__annotations__", {})
    return set(names)


def _of_type(adapter: TypeAdapter[object], body: Json) -> Reasons:
    try:
        _read(adapter.validate_python(body))
    except ValidationError as error:
        yield f"not of the SDK's type: {error.errors()[0]['loc']} {error.errors()[0]['msg']}"


def _read(value: object) -> None:
    """Read everything: pydantic checks the items of an Iterable only when they are asked for."""
    if isinstance(value, dict):
        for item in value.values():
            _read(item)
    elif not isinstance(value, str | bytes) and isinstance(value, Iterable):
        for item in value:
            _read(item)


def _parts(message: Json) -> list[Json]:
    content = message.get("content")
    return content if isinstance(content, list) else []


def _texts(stop: object) -> list[str]:
    return [stop] if isinstance(stop, str) else list(stop) if isinstance(stop, list) else []


def _no(body: Json, *names: str) -> Reasons:
    yield from (f"no {name}" for name in names if name in body)


def _within(body: Json, **limits: tuple[float, float]) -> Reasons:
    for name, (low, high) in limits.items():
        if name in body and not low <= body[name] <= high:
            yield f"{name} from {low} to {high}"


def _choices(body: Json, *words: str) -> Reasons:
    choice = body.get("tool_choice")
    word = "named" if isinstance(choice, dict) else choice
    if word is not None and word not in words:
        yield f"no tool_choice {word}"
