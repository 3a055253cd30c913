"""Which conversation a request continues: by name, by digest, by what the last answer says of itself."""

from hypothesis import given
from hypothesis import strategies as st

from modelroute.resilience.experience import Experience
from modelroute.runtime.conversation import affinity_of, digest, remember
from modelroute.types.facts import Affinity
from modelroute.types.messages import PROVENANCE, Message
from modelroute.types.reply import Reply
from modelroute.types.request import Request
from modelroute.types.usage import Usage
from tests.runtime.flows import DECISION, ONE

ASK: Message = {"role": "user", "content": "hello"}
MORE: Message = {"role": "user", "content": "and then?"}


def answer(target: str = "m@p", message: Message | None = None) -> Reply:
    return Reply(
        text="hi", message={"role": "assistant", "content": "hi", **(message or {})}, finish="stop", target=target,
        model="m", cost=ONE, cost_basis="provider", attempts=(), decision=DECISION, usage=Usage(1200, 5),
    )  # fmt: skip


def test_a_continued_conversation_is_recognised_by_what_was_said() -> None:
    experience, reply = Experience(), answer()
    remember(Request((ASK,)), reply, None, experience)
    assert affinity_of((ASK, reply.message, MORE), None, experience) == Affinity("m@p", 1200)
    copied = {"role": "assistant", "content": "hi", "added": "by the caller"}
    assert affinity_of((ASK, copied, MORE), None, experience) == Affinity("m@p", 1200)
    assert affinity_of((MORE, reply.message, MORE), None, experience) is None, "another beginning, another cache"
    assert affinity_of((ASK,), None, experience) is None


def test_a_name_wins_over_the_digest() -> None:
    experience = Experience()
    remember(Request((ASK,)), answer("a@p"), None, experience)
    remember(Request((ASK,)), answer("b@q"), "chat-1", experience)
    said = (ASK, answer().message, MORE)
    assert affinity_of(said, "chat-1", experience) == Affinity("b@q", 1200)
    assert affinity_of((MORE,), "chat-1", experience) == Affinity("b@q", 1200)
    assert affinity_of(said, "chat-2", experience) == Affinity("a@p", 1200)
    assert affinity_of((MORE,), "chat-2", experience) is None


def test_a_new_process_knows_it_by_the_answer_itself() -> None:
    message = answer(message={PROVENANCE: {"target": "m@p"}}).message
    assert affinity_of((ASK, message, MORE), None, Experience()) == Affinity("m@p", 0)
    for foreign in ("m@p", {"target": 5}, {}, None):
        assert affinity_of((ASK, {**message, PROVENANCE: foreign}, MORE), None, Experience()) is None


def test_a_tool_result_binds() -> None:
    experience = Experience()
    calls = [{"id": "1", "type": "function", "function": {"name": "look", "arguments": "{}"}}]
    reply = answer(message={"tool_calls": calls})
    remember(Request((ASK,)), reply, None, experience)
    result: Message = {"role": "tool", "tool_call_id": "1", "content": "42"}
    bound = affinity_of((ASK, reply.message, result), None, experience)
    assert bound == Affinity("m@p", 1200, bound_by_tools=True)
    later = affinity_of((ASK, reply.message, result, MORE), None, experience)
    assert later is not None
    assert not later.bound_by_tools


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4) | st.binary(max_size=2) | st.floats(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2) | st.integers(), inner, max_size=2),
    max_leaves=5,
)
said = st.lists(
    st.fixed_dictionaries({"role": st.sampled_from(["user", "assistant"]), "content": st.text(max_size=6) | values}),
    min_size=1,
    max_size=4,
)


@given(said)
def test_whatever_is_said_has_a_digest(messages: list[Message]) -> None:
    """Keys that cannot be sorted, bytes, NaN, lone surrogates: the encoder refuses them later, with a reason."""
    assert digest(messages) == digest([dict(message) for message in messages])
    affinity_of((*messages, {"role": "assistant", "content": "\ud800"}, MORE), None, Experience())


texts = st.lists(
    st.tuples(st.sampled_from(["user", "assistant"]), st.text(alphabet="\0\1 a0123456789", max_size=12)),
    min_size=1,
    max_size=3,
)


@given(texts, texts)
def test_different_conversations_have_different_digests(
    one: list[tuple[str, str]], other: list[tuple[str, str]]
) -> None:
    def of(pairs: list[tuple[str, str]]) -> str:
        return digest([{"role": role, "content": text} for role, text in pairs])

    assert (of(one) == of(other)) == (one == other)


def test_no_text_passes_for_two_messages() -> None:
    two = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    for joint in ("a\0\1assistant\0b", "a\0assistant\0b", "a1 0\0b"):
        assert digest([{"role": "user", "content": joint}]) != digest(two)


def test_a_loop_in_the_content_is_no_error_here() -> None:
    loop: list[object] = []
    loop.append(loop)
    assert digest([{"role": "user", "content": loop}])
