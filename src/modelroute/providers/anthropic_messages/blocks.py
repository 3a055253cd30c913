"""What Anthropic wants back unchanged: signed thinking, and where it stood between text and tool calls.

Text and calls are in the message already, so only their places are kept: ``{"type": "text", "characters": 12}`` and
``{"type": "tool_use", "id": ...}``. A message whose text or calls were edited since no longer fits its skeleton; its
thinking then goes first, which is where it is needed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from modelroute.wire.fields import as_count, as_list, as_mapping, as_text

__all__ = ["KEPT", "Skeleton", "restore"]

KEPT = "content"
"""Key of the skeleton among the blocks of a message's provenance."""

_THINKING = frozenset({"thinking", "redacted_thinking"})


class _Thought:
    __slots__ = ("pieces", "signature")

    def __init__(self, signature: str) -> None:
        self.pieces: list[str] = []
        self.signature = [signature] if signature else []


class Skeleton:
    """The order of an answer's blocks, built as they arrive."""

    __slots__ = ("_items", "_thinks")

    def __init__(self) -> None:
        self._items: list[_Thought | str | int | tuple[str, str]] = []
        self._thinks = False

    def think(self, signature: str) -> None:
        """A block of thinking begins."""
        self._thinks = True
        self._items.append(_Thought(signature))

    def thought(self, text: str) -> None:
        """The open thinking goes on."""
        if self._items and isinstance(self._items[-1], _Thought):
            self._items[-1].pieces.append(text)

    def sign(self, signature: str) -> None:
        """The open thinking is signed."""
        if self._items and isinstance(self._items[-1], _Thought):
            self._items[-1].signature.append(signature)

    def redact(self, data: str) -> None:
        """A block of thinking that only the provider can read."""
        if data:
            self._thinks = True
            self._items.append(("redacted", data))

    def text(self, characters: int) -> None:
        """So many characters of text; pieces without anything between them are one."""
        if self._items and isinstance(self._items[-1], int):
            self._items[-1] += characters
        else:
            self._items.append(characters)

    def call(self, identity: str) -> None:
        """A tool call."""
        self._items.append(identity)

    def blocks(self) -> list[Mapping[str, object]]:
        """Return the skeleton, JSON-serialisable; empty when there is no thinking to send back."""
        if not self._thinks:
            return []
        written = [_block(item) for item in self._items]
        blocks = [block for block in written if block is not None]
        return blocks if any(block["type"] in _THINKING for block in blocks) else []


def _block(item: _Thought | str | int | tuple[str, str]) -> Mapping[str, object] | None:
    if isinstance(item, int):
        return {"type": "text", "characters": item}
    if isinstance(item, str):
        return {"type": "tool_use", "id": item}
    if isinstance(item, tuple):
        return {"type": "redacted_thinking", "data": item[1]}
    signature = "".join(item.signature)
    if not signature:
        return None  # unsigned thinking is refused when it comes back
    return {"type": "thinking", "thinking": "".join(item.pieces), "signature": signature}


def restore(
    skeleton: object, text: str, texts: Sequence[Mapping[str, object]], calls: Mapping[str, Mapping[str, object]]
) -> list[Mapping[str, object]]:
    """Return the content blocks of a turn with its thinking in place.

    `text` of the message, `texts` its text blocks, `calls` its tool blocks by id and in order. Where they no longer fit
    `skeleton`, thinking comes first.
    """
    blocks = [as_mapping(block) for block in as_list(skeleton)]
    thinking = [_clean(block) for block in blocks if block.get("type") in _THINKING]
    exact: list[Mapping[str, object]] = []
    position = 0
    used: list[str] = []
    for block in blocks:
        kind = block.get("type")
        if kind in _THINKING:
            exact.append(_clean(block))
        elif kind == "text":
            length = as_count(block.get("characters")) or 0
            said = text[position : position + length]
            if said.strip():  # blank text is refused, of its own model too
                exact.append({"type": "text", "text": said})
            position += length
        elif kind == "tool_use":
            identity = as_text(block.get("id"))
            used.append(identity)
            if identity in calls:
                exact.append(calls[identity])
    if position == len(text) and used == list(calls):
        return exact
    return [*thinking, *texts, *calls.values()]


def _clean(block: Mapping[str, object]) -> Mapping[str, object]:
    names = ("type", "data") if block.get("type") == "redacted_thinking" else ("type", "thinking", "signature")
    return {name: as_text(block.get(name)) for name in names}
