"""The tool calls of one answer, which come up to four times: begun, in pieces, whole, and in the answer repeated.

Which of them an event means shows in the item's id, else in the call's, else in the number of the item; there are
servers that make up another id for every event, that leave the numbers out, and that number every item 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from modelroute.providers.openai_responses.blocks import CALLS
from modelroute.providers.openai_responses.said import Said
from modelroute.providers.shape import a_mapping, a_text, written
from modelroute.types.events import ToolCallDelta
from modelroute.wire.errors import GarbledError
from modelroute.wire.fields import as_text

if TYPE_CHECKING:
    from modelroute.types.events import WireEvent

__all__ = ["Calls"]

_MOST_CALLS = 1_024


class _Call:
    __slots__ = ("call_id", "id", "index", "item_id", "name", "number", "said", "whole")

    def __init__(self, number: int, identity: str) -> None:
        self.number = number
        self.id = identity
        self.call_id = self.item_id = self.name = ""
        self.index: object = None
        self.said = Said()
        self.whole = False


class Calls:
    """The calls so far."""

    __slots__ = ("_calls", "_ids")

    def __init__(self) -> None:
        self._calls: list[_Call] = []
        self._ids: set[str] = set()

    @property
    def begun(self) -> bool:
        """Whether there is a call."""
        return bool(self._calls)

    @property
    def growing(self) -> bool:
        """Whether a call is not whole yet."""
        return any(not call.whole for call in self._calls)

    def begin(self, item: Mapping[str, object], index: object, out: list[WireEvent]) -> None:
        """Take the item of a call that begins; its arguments come later."""
        call = self._of_item(item, None)
        if call is None:
            self._new(item, index, out)
        else:
            self._name(call, item, out)

    def grow(self, event: Mapping[str, object], out: list[WireEvent]) -> None:
        """Take a piece of a call's arguments."""
        piece = a_text(event.get("delta"), "a delta")
        call = self._of_event(event) or self._new({"id": event.get("item_id")}, event.get("output_index"), out)
        if piece and not call.whole:
            out.append(ToolCallDelta(call.number, arguments=call.said.add(piece)))

    def close(self, event: Mapping[str, object], field: str, out: list[WireEvent]) -> None:
        """Take the arguments as they are in the end."""
        call = self._of_event(event) or self._new({"id": event.get("item_id")}, event.get("output_index"), out)
        self._name(call, event, out)
        self._argue(call, event.get(field), out)

    def take(self, item: Mapping[str, object], index: object, out: list[WireEvent]) -> None:
        """Take the item of a call that is whole."""
        call = self._of_item(item, index) or self._new(item, index, out)
        self._complete(call, item, out)

    def settle(self, items: Sequence[Mapping[str, object]], out: list[WireEvent]) -> list[str]:
        """Take the items of all calls of the answer, in order, and return the ids they go by."""
        left = list(self._calls)
        found: list[_Call | None] = []
        for item in items:
            call = next((call for call in left if _agree(call, item) and _is_same(call, item)), None)
            if call is not None:
                left.remove(call)
            found.append(call)
        for position, item in enumerate(items):
            # Ids that changed on the way: then the order tells.
            call = found[position] or (left.pop(0) if left else self._new(item, None, out))
            found[position] = call
            self._complete(call, item, out)
        return [call.id for call in found if call is not None]

    def _of_event(self, event: Mapping[str, object]) -> _Call | None:
        """Return the call that an event names, by item or number; the last one where it names none that is known."""
        identity, index = as_text(event.get("item_id")), event.get("output_index")
        by_item = (call for call in reversed(self._calls) if identity and call.item_id == identity)
        by_index = (call for call in reversed(self._calls) if isinstance(index, int) and call.index == index)
        unnamed = (call for call in reversed(self._calls) if not isinstance(index, int) and not call.whole)
        return next(by_item, None) or next(by_index, None) or next(unnamed, None)

    def _of_item(self, item: Mapping[str, object], index: object) -> _Call | None:
        known = [call for call in self._calls if _agree(call, item)]
        by_item = (call for call in known if call.item_id and call.item_id == item.get("id"))
        growing = [call for call in known if not call.whole]
        by_call = (call for call in growing if call.call_id and call.call_id == item.get("call_id"))
        by_index = (call for call in growing if isinstance(index, int) and call.index == index)
        unnamed = (call for call in growing if not call.call_id and not isinstance(index, int))
        return next(by_item, None) or next(by_call, None) or next(by_index, None) or next(unnamed, None)

    def _new(self, item: Mapping[str, object], index: object, out: list[WireEvent]) -> _Call:
        if len(self._calls) >= _MOST_CALLS:
            raise GarbledError(f"more than {_MOST_CALLS} tool calls in one answer")
        number = len(self._calls)
        identity = as_text(item.get("call_id")) or as_text(item.get("id"))
        if not identity or identity in self._ids:
            # A second call under an id already used could not be told from the first when its result is sent.
            identity = f"call_{number}"
            while identity in self._ids:
                identity += "_"
        self._ids.add(identity)
        call = _Call(number, identity)
        call.call_id, call.item_id = as_text(item.get("call_id")), as_text(item.get("id"))
        call.name, call.index = as_text(item.get("name")), index
        self._calls.append(call)
        out.append(ToolCallDelta(number, identity, call.name))
        return call

    def _complete(self, call: _Call, item: Mapping[str, object], out: list[WireEvent]) -> None:
        self._name(call, item, out)
        field = CALLS.get(as_text(item.get("type")), "arguments")
        self._argue(call, item.get(field), out)
        if field == "arguments" and not call.said and item.get("status") != "incomplete":
            out.append(ToolCallDelta(call.number, arguments=call.said.add("{}")))  # no arguments: an empty object
        call.whole = True

    def _name(self, call: _Call, item: Mapping[str, object], out: list[WireEvent]) -> None:
        name = as_text(item.get("name"))
        if name and not call.name:
            call.name = name
            out.append(ToolCallDelta(call.number, name=name))

    def _argue(self, call: _Call, stated: object, out: list[WireEvent]) -> None:
        if stated is None or isinstance(stated, str):
            whole = stated or ""
        else:
            whole = written(a_mapping(stated, "arguments that are not text"))
        rest = call.said.rest(whole)
        if rest:
            out.append(ToolCallDelta(call.number, arguments=rest))


def _agree(call: _Call, item: Mapping[str, object]) -> bool:
    """Whether nothing says that `item` is another call."""
    stated, name = as_text(item.get("call_id")), as_text(item.get("name"))
    return (not stated or not call.call_id or stated == call.call_id) and (
        not name or not call.name or name == call.name
    )


def _is_same(call: _Call, item: Mapping[str, object]) -> bool:
    stated, identity = as_text(item.get("call_id")), as_text(item.get("id"))
    return bool((identity and identity == call.item_id) or (stated and stated == call.call_id))
