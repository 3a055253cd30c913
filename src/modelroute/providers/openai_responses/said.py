"""What has been said of a whole that is repeated at its end: the part, the item and the answer each come again."""

from __future__ import annotations

__all__ = ["Said"]


class Said:
    """The pieces of one kind of words so far, and which of a whole are still unsaid.

    Nothing is said twice: a whole that does not begin with what was said adds nothing, since nobody can tell what of it
    was heard already.
    """

    __slots__ = ("_item", "_part", "_pieces")

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._item = self._part = 0

    def __bool__(self) -> bool:
        return bool(self._pieces)

    def add(self, piece: str) -> str:
        """Take the next piece, and return it."""
        if piece:
            self._pieces.append(piece)
        return piece

    def rest_of_part(self, whole: str) -> str:
        """Take the whole of the open part, return what of it is new, and begin another part."""
        # A part told twice looks like a second part of the same words; the whole of the item decides between them.
        told = self._item < self._part == len(self._pieces)
        rest = "" if told else self._rest((whole,), self._part)
        self._part = len(self._pieces)
        return rest

    def rest_of_item(self, *wholes: str) -> str:
        """Take the whole of the open item, one of `wholes`, return what of it is new, and begin another item."""
        rest = self._rest(wholes, self._item)
        self._item = self._part = len(self._pieces)
        return rest

    def rest(self, *wholes: str) -> str:
        """Take all that is ever said, one of `wholes`, and return what of it is new."""
        return self._rest(wholes, 0)

    def _rest(self, wholes: tuple[str, ...], start: int) -> str:
        said = "".join(self._pieces[start:])
        return self.add(next((whole[len(said) :] for whole in wholes if whole and whole.startswith(said)), ""))
