"""Conversations put together from the answers of many providers, in which every word can be told from every other."""

from itertools import count

from hypothesis import strategies as st

from modelroute.types.messages import PROVENANCE
from tests.providers.samples import Json

__all__ = ["ORIGINS", "WANDERINGS", "Wandering"]

ORIGINS = (
    ("deepseek", "deepseek-v4-pro"), ("moonshot", "kimi-k3"), ("anthropic", "claude-opus-5-5"), ("openai", "gpt-5.5"),
    ("openrouter", "anthropic/claude-opus-4.7"), ("minimax", "MiniMax-M3"), ("mistral", "mistral-medium-2604"),
    ("cerebras", "zai-glm-4.7"), ("google", "gemini-3.8-flash"), ("bedrock", "openai.gpt-oss-120b-1:0"),
)  # fmt: skip

# As they come: from OpenAI, Moonshot, Mistral, Bedrock (the same in every turn), vLLM, and from who sends none.
_IDS = st.sampled_from(
    ["call_abc", "functions.look:0", "a1b2c3d4e", "call_0", "call_1", "chatcmpl-tool-" + "0f" * 16, "", "toolu_01", "ü"]
)


class Wandering:
    """A conversation, and what it says: every word of the system, of the rest, every image, call and result."""

    def __init__(self) -> None:
        self.messages: list[Json] = []
        self.rules: list[str] = []
        self.words: list[str] = []
        self.images: list[str] = []
        self.calls: list[str] = []
        self.answers: list[tuple[str, str]] = []
        self._numbers = count(1)

    def word(self, kind: str) -> str:
        return f"{kind}{next(self._numbers)}."

    def __repr__(self) -> str:
        return f"Wandering({self.messages!r})"


def _image(talk: Wandering) -> Json:
    url = f"data:image/png;base64,{talk.word('iVBOR')}"
    talk.images.append(url)
    return {"type": "image_url", "image_url": {"url": url}}


def _text(talk: Wandering) -> Json:
    word = talk.word("word")
    talk.words.append(word)
    return {"type": "text", "text": word}


def _provenance(draw: st.DrawFn, talk: Wandering, identities: list[str]) -> Json:
    """What a reply of some provider keeps for it; whoever else sees a word of it has seen too much."""
    provider, model = draw(st.sampled_from(ORIGINS))
    secret = talk.word(f"secret-{provider}-")
    blocks: Json = {
        "reasoning_content": secret,
        "reasoning": secret,
        "reasoning_details": [{"type": "reasoning.text", "text": secret, "signature": secret}],
        "extra_content": {identity: {"google": {"thought_signature": secret}} for identity in identities},
        "content": [{"type": "thinking", "thinking": secret, "signature": secret}],
    }
    return {PROVENANCE: {"target": f"{model}@{provider}", "provider": provider, "model": model, "blocks": blocks}}


def _asked(draw: st.DrawFn, talk: Wandering, *, images: bool) -> None:
    first = _text(talk)
    content: object = draw(st.sampled_from([first["text"], [first]]))
    if images and draw(st.booleans()):
        content = [first, _image(talk), _text(talk)]
    talk.messages.append({"role": "user", "content": content})


def _told(draw: st.DrawFn, talk: Wandering) -> None:
    rule = talk.word("rule")
    talk.rules.append(rule)
    talk.messages.append({"role": draw(st.sampled_from(["system", "developer"])), "content": rule})


def _answered(draw: st.DrawFn, talk: Wandering) -> None:
    part = _text(talk)
    written = draw(st.sampled_from([part["text"], [part]]))
    talk.messages.append({"role": "assistant", "content": written, **_provenance(draw, talk, [])})


def _looked(draw: st.DrawFn, talk: Wandering, *, images: bool) -> None:
    """The assistant calls tools, and every call is answered, in order."""
    identities = draw(st.lists(_IDS, min_size=1, max_size=3))
    calls: list[Json] = []
    for identity in identities:
        argument = talk.word("argument")
        talk.calls.append(argument)
        function = {"name": "lookup_order", "arguments": f'{{"order_id":"{argument}"}}'}
        calls.append({"id": identity, "type": "function", "function": function})
    says = [_text(talk)] if draw(st.booleans()) else draw(st.sampled_from([None, ""]))
    talk.messages.append(
        {"role": "assistant", "content": says, "tool_calls": calls, **_provenance(draw, talk, identities)}
    )
    for call, argument in zip(calls, talk.calls[-len(calls) :], strict=True):
        found = talk.word("found")
        talk.answers.append((argument, found))
        content: object = found
        if images and draw(st.booleans()):
            content = [{"type": "text", "text": found}, _image(talk)]
        talk.messages.append({"role": "tool", "tool_call_id": call["id"], "content": content})


@st.composite
def _wandering(draw: st.DrawFn) -> Wandering:
    talk = Wandering()
    images = draw(st.booleans())
    if draw(st.booleans()):
        _told(draw, talk)
    _asked(draw, talk, images=images)
    for _ in range(draw(st.integers(0, 5))):
        step = draw(st.integers(0, 3))
        if step == 0:
            _asked(draw, talk, images=images)
        elif step == 1:
            _answered(draw, talk)
            _asked(draw, talk, images=images)
        elif step == 2:
            _looked(draw, talk, images=images)
        else:
            _told(draw, talk)
            _asked(draw, talk, images=images)
    return talk


WANDERINGS = _wandering()
