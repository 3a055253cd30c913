"""What Gemini wants back unchanged: the signatures on its parts, and where those stood.

Text and calls are in the message already, so only their places are kept: ``{"type": "text", "characters": 12}`` and
``{"type": "call", "id": ...}``, each with its ``signature`` where it had one. A signed thought is kept whole, and so is
a part of a tool that ran at the provider. Parts are never joined where either is signed. A message whose text or calls
were edited since no longer fits its skeleton: then only the signatures of its calls go back, which are those that are
demanded.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from modelroute.wire.fields import as_count, as_list, as_mapping, as_text

__all__ = ["KEPT", "PROVIDERS_OWN", "SIGNATURE", "Skeleton", "restore"]

KEPT = "parts"
"""Key of the skeleton among the blocks of a message's provenance."""

SIGNATURE = "thoughtSignature"
"""The field of a part that carries its signature."""

PROVIDERS_OWN = ("executableCode", "codeExecutionResult", "toolCall", "toolResponse")
"""Parts of tools that ran at the provider: not read, and sent back as they came."""

Part = Mapping[str, object]


class Skeleton:
    """The order of an answer's parts, built as they arrive."""

    __slots__ = ("_items", "_worth_keeping")

    def __init__(self) -> None:
        self._items: list[dict[str, object]] = []
        self._worth_keeping = False

    def text(self, characters: int, signature: str) -> None:
        """So many characters of text; unsigned pieces without anything between them are one."""
        last = self._items[-1] if self._items else None
        if not signature and last is not None and last["type"] == "text" and "signature" not in last:
            last["characters"] = (as_count(last["characters"]) or 0) + characters
        elif signature or characters:
            self._add({"type": "text", "characters": characters}, signature)

    def call(self, identity: str, signature: str) -> None:
        """A tool call."""
        self._add({"type": "call", "id": identity}, signature)

    def thought(self, text: str, signature: str) -> None:
        """A thought. What is not signed is no part of what goes back."""
        if signature:
            self._add({"type": "thought", "text": text}, signature)

    def other(self, part: Part) -> None:
        """A part that is only the provider's to read."""
        self._worth_keeping = True
        self._items.append({"type": "part", "part": part})

    def _add(self, item: dict[str, object], signature: str) -> None:
        if signature:
            item["signature"] = signature
            self._worth_keeping = True
        self._items.append(item)

    def blocks(self) -> list[Mapping[str, object]]:
        """Return the skeleton, JSON-serialisable; empty when there is nothing to send back."""
        return list(self._items) if self._worth_keeping else []


def _call_signatures(skeleton: object) -> Mapping[str, str]:
    """Return the signatures of an answer's calls, by the id of the call."""
    found = {
        as_text(item.get("id")): as_text(item.get("signature"))
        for item in map(as_mapping, as_list(skeleton))
        if item.get("type") == "call"
    }
    return {identity: signature for identity, signature in found.items() if signature}


def restore(skeleton: object, text: str, calls: Mapping[str, Part]) -> Sequence[Part]:
    """Return the parts of a turn as they were: `text` of the message, `calls` its call parts by id and in order.

    Where they no longer fit `skeleton`: the text, then the calls, signed all the same.
    """
    exact: list[Part] = []
    position = 0
    used: list[str] = []
    for item in map(as_mapping, as_list(skeleton)):
        kind = item.get("type")
        signature = as_text(item.get("signature"))
        part: Mapping[str, object] = {}
        if kind == "text":
            end = position + (as_count(item.get("characters")) or 0)
            part, position = {"text": text[position:end]}, end
        elif kind == "thought":
            part = {"text": as_text(item.get("text")), "thought": True}
        elif kind == "part":
            came = as_mapping(item.get("part"))
            part = {name: came[name] for name in (*PROVIDERS_OWN, SIGNATURE) if name in came}
        elif kind == "call":
            identity = as_text(item.get("id"))
            used.append(identity)
            part = calls.get(identity, {})
        if part:
            exact.append({**part, SIGNATURE: signature} if signature else part)
    if position == len(text) and used == list(calls):
        return exact
    signatures = _call_signatures(skeleton)
    signed: list[Part] = [
        {**part, SIGNATURE: signatures[identity]} if identity in signatures else part
        for identity, part in calls.items()
    ]  # fmt: skip
    return [{"text": text}, *signed] if text else signed
