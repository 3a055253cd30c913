"""What Responses wants back unchanged: reasoning items, each directly before the item it led to.

Text and calls are in the message already, so only their places are kept, with what only this API has for them:
``{"type": "message", "characters": 12, "id": ..., "phase": ...}`` and ``{"type": "function_call", "call_id": ...}``. A
reasoning item without the item after it is refused, and so is the id of an item whose reasoning is missing; so a turn
goes back either whole, or as plain text and calls where the caller edited it since.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from modelroute.wire.fields import as_count, as_list, as_mapping, as_text

__all__ = ["CALLS", "KEPT", "customs", "item_text", "restore", "skeleton"]

KEPT = "output"
"""Key of the skeleton among the blocks of a message's provenance."""

CALLS: Mapping[str, str] = {"function_call": "arguments", "custom_tool_call": "input"}
"""Types of the items that ask the caller to run a tool, and the field that says with what."""

_OF_MESSAGE = ("id", "phase")
_OF_CALL = ("id", "namespace")


def item_text(item: Mapping[str, object], kind: str = "output_text", field: str = "text") -> str:
    """Return what the content parts of type `kind` of an item say, joined."""
    parts = map(as_mapping, as_list(item.get("content")))
    return "".join(as_text(part.get(field)) for part in parts if part.get("type") == kind)


def skeleton(
    items: Sequence[Mapping[str, object]], call_ids: Sequence[str], *, readable: bool
) -> list[Mapping[str, object]]:
    """Return what to keep of an answer's `items`, JSON-serialisable; empty where text and calls say it all.

    `call_ids`: the ids its calls go by, in order. `readable`: whether reasoning in plain words is kept as well;
    encrypted reasoning always is, since it is worth nothing to anybody else.
    """
    names: Iterator[str] = iter(call_ids)
    kept: list[Mapping[str, object]] = []
    thoughts: list[Mapping[str, object]] = []
    whole = True
    before = ""
    for item in items:
        kind, previous = as_text(item.get("type")), before
        before = kind
        if kind == "reasoning":
            whole = whole or previous != kind
            if item.get("encrypted_content") or (readable and item.get("content")):
                thoughts.append({name: value for name, value in item.items() if value is not None})
            else:
                whole = False
            continue
        entry: dict[str, object] = {"type": kind}
        if kind in CALLS:
            entry["call_id"] = next(names, "")
        elif kind == "message" and item_text(item):
            entry["characters"] = len(item_text(item))
        else:
            thoughts.clear()  # led to what ran at the provider, which is not sent back
            continue
        also = _OF_CALL if kind in CALLS else _OF_MESSAGE
        entry |= {name: item[name] for name in also if as_text(item.get(name)) and (whole or name != "id")}
        kept += [*thoughts, entry]
        thoughts.clear()
    says_more = any(entry["type"] in {"reasoning", "custom_tool_call"} or "phase" in entry for entry in kept)
    return kept if says_more else []


def customs(kept: Sequence[object]) -> frozenset[str]:
    """Return the ids of the calls in a skeleton that were of custom tools."""
    entries = map(as_mapping, kept)
    return frozenset(as_text(entry.get("call_id")) for entry in entries if entry.get("type") == "custom_tool_call")


def restore(
    kept: Sequence[object], text: str, calls: Mapping[str, Mapping[str, object]], used: set[str]
) -> list[Mapping[str, object]] | None:
    """Return the items of a turn as they came, or `None` where `text` and `calls` (items by id) no longer fit `kept`.

    `used`: ids of the items before it, to which its own are added; a turn that repeats one goes without its ids.
    """
    items: list[Mapping[str, object]] = []
    position = 0
    called: list[str] = []
    for entry in map(as_mapping, kept):
        kind = as_text(entry.get("type"))
        if kind == "reasoning":
            items.append(entry)
        elif kind == "message":
            length = as_count(entry.get("characters")) or 0
            said = {"type": "output_text", "text": text[position : position + length]}
            items.append({"type": kind, "role": "assistant", "content": [said], **_named(entry, _OF_MESSAGE)})
            position += length
        elif kind in CALLS:
            called.append(as_text(entry.get("call_id")))
            items.append({**calls.get(called[-1], {}), **_named(entry, _OF_CALL)})
    if position != len(text) or called != list(calls) or (items and items[-1]["type"] == "reasoning"):
        return None
    ids = [as_text(item["id"]) for item in items if "id" in item]
    if len(set(ids)) < len(ids) or not used.isdisjoint(ids):
        return [{name: value for name, value in item.items() if name != "id"} for item in items]
    used.update(ids)
    return items


def _named(entry: Mapping[str, object], names: tuple[str, ...]) -> Mapping[str, object]:
    return {name: entry[name] for name in names if as_text(entry.get(name))}
