"""Requests for the encoders' tests: conversations with everything in them, and targets to send them to."""

from hypothesis import strategies as st

from modelroute.catalog.model import Model, Target
from modelroute.types.messages import PROVENANCE
from modelroute.types.request import JsonSchema, Request
from tests.providers.samples import Json

PIXEL = "data:image/png;base64,iVBORw0KGgo="
TOOL: Json = {
    "type": "function",
    "function": {
        "name": "lookup_order",
        "description": "Look an order up.",
        "parameters": {"type": "object", "properties": {"order_id": {"type": "string"}}, "required": ["order_id"]},
    },
}
SCHEMA = JsonSchema("city", {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]})


def target(name: str, provider: str, *, efforts: tuple[str, ...] = ()) -> Target:
    return Target(Model(name, efforts=efforts), provider, name, None)


def user(content: object) -> Json:
    return {"role": "user", "content": content}


def call(identity: str, arguments: str = '{"order_id":"A-1"}') -> Json:
    return {"id": identity, "type": "function", "function": {"name": "lookup_order", "arguments": arguments}}


def called(*calls: Json, content: str | None = None, **more: object) -> Json:
    return {"role": "assistant", "content": content, "tool_calls": list(calls), **more}


def result(identity: str, content: object = "shipped") -> Json:
    return {"role": "tool", "tool_call_id": identity, "content": content}


def provenance(where: Target, **blocks: object) -> Json:
    return {PROVENANCE: {"target": where.name, "provider": where.provider, "model": where.model.name, "blocks": blocks}}


FULL = Request(
    messages=(
        {"role": "system", "content": "Be terse."},
        {"role": "developer", "content": [{"type": "text", "text": "And polite."}]},
        user([{"type": "text", "text": "What is this?"}, {"type": "image_url", "image_url": {"url": PIXEL}}]),
        called(
            call("call:1"),
            call("call:2", "{}"),
            **provenance(target("m", "elsewhere"), reasoning_content="secret thought"),
        ),
        result("call:1"),
        result("call:2", [{"type": "text", "text": "lost"}]),
        user("And now?"),
        {"role": "assistant", "content": "Nothing.", PROVENANCE: {"provider": "elsewhere"}},
        user("Thanks"),
    ),
    output_cap=100,
    tools=(TOOL,),
    tool_choice="auto",
    parameters={"stop": ["END"], "metadata": {"a": "b"}},
)

_WORDS = st.text(max_size=12)
_PARTS = st.one_of(
    st.builds(lambda words: {"type": "text", "text": words}, _WORDS),
    st.just({"type": "image_url", "image_url": {"url": PIXEL}}),
)
_IDS = st.sampled_from(["a", "b", "call_0", "f:0", "ü!", ""])
_BLOCKS = st.dictionaries(
    st.sampled_from(["content", "reasoning_content"]),
    st.one_of(_WORDS, st.lists(st.fixed_dictionaries({"type": _WORDS}))),
)
_KEPT = st.one_of(
    st.none(),
    st.fixed_dictionaries(
        {"provider": st.sampled_from(["anthropic", "deepseek"]), "model": st.just("m"), "blocks": _BLOCKS}
    ),
)


@st.composite
def _assistant(draw: st.DrawFn) -> Json:
    message: Json = {
        "role": "assistant",
        "content": draw(st.none() | _WORDS | st.lists(_PARTS, max_size=2)),
    }
    calls = draw(st.lists(st.builds(call, _IDS, st.sampled_from(["{}", "", "[1]", "{broken", '{"x":1}'])), max_size=3))
    if calls:
        message["tool_calls"] = calls
    kept = draw(_KEPT)
    if kept is not None:
        message[PROVENANCE] = kept
    return message


_ROLES = st.sampled_from(["user", "system", "developer"])
MESSAGES = st.one_of(
    st.fixed_dictionaries({"role": _ROLES, "content": _WORDS | st.lists(_PARTS, max_size=3)}),
    _assistant(),
    st.builds(result, _IDS, _WORDS),
)
CONVERSATIONS = st.lists(MESSAGES, min_size=1, max_size=8).map(tuple)
