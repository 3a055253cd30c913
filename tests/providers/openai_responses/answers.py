"""Answers of the Responses API as it is documented: their items drawn, and every event that tells of them written."""

import json
import random
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from hypothesis import strategies as st

from modelroute.providers.dialects import DIALECTS
from modelroute.providers.profiles import PROFILES
from modelroute.types.failure import Failure
from tests.providers.samples import Answer, Given, Json, answer_of, decode

DIALECT = DIALECTS["openai-responses"]
USAGE: Json = {
    "input_tokens": 100,
    "input_tokens_details": {"cached_tokens": 40, "cache_write_tokens": 8},
    "output_tokens": 30,
    "output_tokens_details": {"reasoning_tokens": 12},
    "total_tokens": 130,
}


def message(*texts: str, number: int = 0, **more: object) -> Json:
    parts = [{"type": "output_text", "text": text, "annotations": [], "logprobs": []} for text in texts]
    return {
        "type": "message", "id": f"msg_{number}", "role": "assistant", "status": "completed", "content": parts, **more,
    }  # fmt: skip


def thought(summary: Sequence[str] = (), number: int = 0, **more: object) -> Json:
    summaries = [{"type": "summary_text", "text": text} for text in summary]
    return {"type": "reasoning", "id": f"rs_{number}", "summary": summaries, "encrypted_content": "gAAA==", **more}


def function(arguments: str = "{}", number: int = 0, name: str = "look", **more: object) -> Json:
    return {
        "type": "function_call", "id": f"fc_{number}", "call_id": f"call_{number}", "name": name,
        "arguments": arguments, "status": "completed", **more,
    }  # fmt: skip


def custom(written: str = "x", number: int = 0, name: str = "run") -> Json:
    return {
        "type": "custom_tool_call", "id": f"ctc_{number}", "call_id": f"call_{number}", "name": name, "input": written,
    }  # fmt: skip


def hosted(number: int = 0) -> Json:
    return {
        "type": "web_search_call", "id": f"ws_{number}", "status": "completed",
        "action": {"type": "search", "query": "q"},
    }  # fmt: skip


def response(items: Sequence[Json], status: str = "completed", **more: Given) -> Json:
    return {
        "id": "resp_1", "object": "response", "created_at": 1, "status": status, "model": "gpt-6.1-sol",
        "output": list(items), "usage": USAGE, "error": None, "incomplete_details": None, "parallel_tool_calls": True,
        "tool_choice": "auto", "tools": [], **more,
    }  # fmt: skip


def events(items: Sequence[Json], cut: int = 3, **more: Given) -> Iterator[Json]:
    """Every event of a stream that gives `items`, in order, pieces cut `cut` characters long."""
    begun = response([], "in_progress", usage=None)
    yield {"type": "response.created", "response": begun}
    yield {"type": "response.in_progress", "response": begun}
    for index, item in enumerate(items):
        where = {"item_id": item["id"], "output_index": index}
        yield {"type": "response.output_item.added", "output_index": index, "item": _empty(item)}
        for kind, event in _inside(item, cut):
            yield {"type": f"response.{kind}", **where, **event}
        yield {"type": "response.output_item.done", "output_index": index, "item": item}
    end = response(items, **more)
    yield {"type": f"response.{end['status']}", "response": end}


def _empty(item: Json) -> Json:
    empty = {"content": [], "summary": [], "arguments": "", "input": "", "encrypted_content": ""}
    return {name: empty.get(name, value) for name, value in item.items()}


def _inside(item: Json, cut: int) -> Iterator[tuple[str, Json]]:
    if item["type"] == "message":
        for number, part in enumerate(item["content"]):
            name = "output_text" if part["type"] == "output_text" else "refusal"
            field = "text" if name == "output_text" else "refusal"
            at = {"content_index": number}
            yield "content_part.added", {**at, "part": {**part, field: ""}}
            for piece in _cut(part[field], cut):
                yield f"{name}.delta", {**at, "delta": piece, **({"logprobs": []} if field == "text" else {})}
            yield f"{name}.done", {**at, field: part[field]}
            yield "content_part.done", {**at, "part": part}
    elif item["type"] == "reasoning":
        for number, part in enumerate(item["summary"]):
            at = {"summary_index": number}
            yield "reasoning_summary_part.added", {**at, "part": {**part, "text": ""}}
            for piece in _cut(part["text"], cut):
                yield "reasoning_summary_text.delta", {**at, "delta": piece}
            yield "reasoning_summary_text.done", {**at, "text": part["text"]}
        for number, part in enumerate(item.get("content") or []):
            for piece in _cut(part["text"], cut):
                yield "reasoning_text.delta", {"content_index": number, "delta": piece}
            yield "reasoning_text.done", {"content_index": number, "text": part["text"]}
    elif item["type"] in {"function_call", "custom_tool_call"}:
        name, field = (
            ("function_call_arguments", "arguments")
            if item["type"] == "function_call"
            else ("custom_tool_call_input", "input")
        )
        for piece in _cut(item[field], cut):
            yield f"{name}.delta", {"delta": piece}
        yield f"{name}.done", {field: item[field]}
    else:
        yield f"{item['type']}.in_progress", {}
        yield f"{item['type']}.completed", {}


def _cut(text: str, length: int) -> list[str]:
    return [text[at : at + length] for at in range(0, len(text), length)]


def sse(stream: Iterable[Json], *, data_first: bool = False) -> bytes:
    written = []
    for number, event in enumerate(stream):
        lines = [f"event: {event.get('type')}", f"data: {json.dumps({**event, 'sequence_number': number})}"]
        written.append("\n".join(reversed(lines) if data_first else lines) + "\n\n")
    return "".join(written).encode()


def hear(data: bytes | Iterable[bytes], provider: str = "openai", profile: str = "openai") -> Answer:
    chunks = [data] if isinstance(data, bytes) else data
    return answer_of(decode(DIALECT.decoder(provider, PROFILES[profile]), chunks))


def failure_of(data: bytes, provider: str = "openai") -> Failure:
    failure = hear(data, provider).failure
    assert failure is not None
    return failure


@dataclass(frozen=True)
class Told:
    """What items say, read off them without the library."""

    text: str
    reasoning: str
    refusal: str
    calls: list[tuple[str, str]]
    finish: str


def told(items: Sequence[Json]) -> Told:
    messages = [part for item in items if item["type"] == "message" for part in item["content"]]
    calls = [
        (item["name"], (item["arguments"] or "{}") if item["type"] == "function_call" else item["input"])
        for item in items
        if item["type"] in {"function_call", "custom_tool_call"}
    ]
    refusal = "".join(part.get("refusal", "") for part in messages)
    return Told(
        text="".join(part.get("text", "") for part in messages),
        reasoning="".join(part["text"] for item in items if item["type"] == "reasoning" for part in item["summary"]),
        refusal=refusal,
        calls=calls,
        finish="refusal" if refusal else "tool_calls" if calls else "stop",
    )


_WORDS = st.text(st.characters(exclude_categories=["Cs"]), max_size=9)
_KINDS = st.one_of(
    st.builds(lambda texts: message(*texts), st.lists(_WORDS, min_size=1, max_size=3)),
    st.builds(lambda text, phase: message(text, phase=phase), _WORDS, st.sampled_from(["commentary", "final_answer"])),
    st.builds(thought, st.lists(_WORDS, max_size=2)),
    st.builds(function, st.sampled_from(["{}", '{"a": 1}', '{"b":"ü"}', ""])),
    st.builds(custom, _WORDS),
    st.just(hosted()),
)


def _numbered(items: list[Json]) -> list[Json]:
    numbered = []
    for number, item in enumerate(items):
        prefix = item["id"].partition("_")[0]
        ids = {"id": f"{prefix}_{number}", **({"call_id": f"call_{number}"} if "call_id" in item else {})}
        numbered.append({**item, **ids})
    return numbered


ITEMS = st.lists(_KINDS, max_size=6).map(_numbered)
"""Output items in any order, each with ids of its own."""


def other_ids(stream: Iterable[Json], seed: int) -> Iterator[Json]:
    """The stream of a server that makes up another item id for every event."""
    draw = random.Random(seed)
    for event in stream:
        changed = dict(event)
        if "item_id" in changed:
            changed["item_id"] = f"x{draw.random()}"
        if "item" in changed:
            changed["item"] = {**changed["item"], "id": f"y{draw.random()}"}
        yield changed


def without_indexes(stream: Iterable[Json]) -> Iterator[Json]:
    """The stream of a server that numbers nothing."""
    for event in stream:
        yield {name: value for name, value in event.items() if not name.endswith("_index")}


def all_zero(stream: Iterable[Json]) -> Iterator[Json]:
    """The stream of a server that gives every item number 0."""
    for event in stream:
        yield {name: 0 if name == "output_index" else value for name, value in event.items()}
