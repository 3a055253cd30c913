"""Reasoning in detail (OpenRouter, MiniMax): put together piece by piece into the list that the provider wants back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from modelroute.wire.fields import as_list, as_mapping, as_text

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Details"]

_GROWING = ("text", "summary")
_MOST = 4_096


class Details:
    """The `reasoning_details` of one answer.

    Pieces of one detail share its type and index; their texts are joined, and of any other field the last word counts.
    Some servers repeat all that went before in every piece (MiniMax), which shows in the pieces themselves.
    """

    __slots__ = ("_items", "_repeats", "_texts")

    def __init__(self, *, repeats: bool) -> None:
        self._items: list[dict[str, object]] = []
        self._texts: list[dict[str, list[str]]] = []
        self._repeats = repeats
        """Whether each piece may still turn out to repeat what went before."""

    def take(self, value: object) -> str:
        """Take the details of one event, and return what they add to the visible reasoning."""
        taken: set[int] = set()
        return "".join(self._take(as_mapping(item), taken) for item in as_list(value))

    def whole(self) -> Sequence[Mapping[str, object]]:
        """Return the details so far, as one message would carry them."""
        joined = [{name: "".join(pieces) for name, pieces in texts.items()} for texts in self._texts]
        return [{**item, **texts} for item, texts in zip(self._items, joined, strict=True)]

    def _take(self, piece: Mapping[str, object], taken: set[int]) -> str:
        if not piece:
            return ""
        place = self._place(piece, taken)
        if place is None:
            if len(self._items) >= _MOST:
                return "".join(as_text(piece.get(name)) for name in _GROWING)
            place = len(self._items)
            self._items.append({})
            self._texts.append({})
            if place == 0:
                self._repeats |= as_text(piece.get("format")).lower().startswith("minimax")
        taken.add(place)
        item, texts = self._items[place], self._texts[place]
        added = ""
        for name, said in piece.items():
            if name in _GROWING and isinstance(said, str):
                new = self._new(texts.setdefault(name, []), said)
                added += new
            elif said is not None or name not in item:
                item[name] = said
        return added

    def _new(self, pieces: list[str], said: str) -> str:
        known = "".join(pieces) if self._repeats else ""
        if self._repeats and known:
            if said.startswith(known):
                said = said[len(known) :]
            else:
                self._repeats = False
        if said:
            pieces.append(said)
        return said

    def _place(self, piece: Mapping[str, object], taken: set[int]) -> int | None:
        """Return where the detail is that `piece` continues, `None` where it begins another."""
        for place in range(len(self._items) - 1, -1, -1):
            item = self._items[place]
            if place in taken or item.get("type") != piece.get("type") or item.get("index") != piece.get("index"):
                continue
            same_id = not item.get("id") or not piece.get("id") or item["id"] == piece["id"]
            whole = bool(item.get("data")) and bool(piece.get("data"))
            return place if same_id and not whole else None
        return None
