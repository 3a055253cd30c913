"""Which tool call a fragment belongs to, whatever its server numbers and names: the one place that knows the variants.

Seen in the field: calls interleaved by index; no index at all; every index -1 or null; one index for two calls; the id
empty or null after the first fragment, or before the last; one id for two calls; a placeholder without id or name
first; the name after the arguments; the name repeated as ``""``; the whole call in one fragment; arguments as an
object, or none at all; no id.

A new call begins when a fragment's id is not empty and differs from the one at its index, or when its index is new.
Without an index a fragment belongs to the open call, unless its id, or a second name, says that it begins another.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from modelroute.providers.shape import a_list, a_mapping, written
from modelroute.types.events import ToolCallDelta
from modelroute.wire.errors import GarbledError
from modelroute.wire.fields import as_mapping, as_text

if TYPE_CHECKING:
    from modelroute.types.events import WireEvent

__all__ = ["ToolCalls"]

_MOST_CALLS = 1_024


class _Call:
    __slots__ = ("announced", "argued", "extra", "id", "indexed", "name", "number", "stated")

    def __init__(self, number: int, *, indexed: bool) -> None:
        self.number = number
        self.indexed = indexed
        self.id = ""
        self.stated = ""
        """The id by the server's word, which is not ours where it said none, or one twice."""
        self.name = ""
        self.announced = self.argued = False
        self.extra: Mapping[str, object] = {}


class ToolCalls:
    """The tool calls of one answer. `begun` says whether there is any."""

    __slots__ = ("_at", "_calls", "_ids", "_open")

    def __init__(self) -> None:
        self._calls: list[_Call] = []
        self._at: dict[int, _Call] = {}
        self._open: _Call | None = None
        self._ids: set[str] = set()

    @property
    def begun(self) -> bool:
        """Whether a call has been made known."""
        return any(call.announced for call in self._calls)

    @property
    def extras(self) -> Mapping[str, Mapping[str, object]]:
        """What calls carried beside themselves (`extra_content`: Gemini's signatures), by the id of the call."""
        return {call.id: call.extra for call in self._calls if call.announced and call.extra}

    def take(self, fragments: object, out: list[WireEvent]) -> None:
        """Take the fragments of one event and append their deltas. Raises `GarbledError` for what is no fragment."""
        for fragment in a_list(fragments, "tool_calls"):
            self._take(a_mapping(fragment, "a tool call"), out)

    def end(self, out: list[WireEvent]) -> None:
        """Append what is only known at the end: that a call has no arguments, which is an empty object of them."""
        for call in self._calls:
            if call.announced and not call.argued:
                call.argued = True
                out.append(ToolCallDelta(call.number, arguments="{}"))

    def _take(self, fragment: Mapping[str, object], out: list[WireEvent]) -> None:
        stated = fragment.get("function")
        function = as_mapping(stated) if stated is None else a_mapping(stated, "the function of a tool call")
        stated = function.get("arguments")
        if stated is None or isinstance(stated, str):
            arguments = stated or ""
        else:
            arguments = written(a_mapping(stated, "arguments that are not text"))
        identity, name = as_text(fragment.get("id")), as_text(function.get("name"))
        call = self._belongs_to(fragment.get("index"), identity, name)
        self._open = call
        extra = as_mapping(fragment.get("extra_content"))
        if extra:
            call.extra = {**call.extra, **extra}
        self._say(call, identity, name, arguments, out)

    def _say(self, call: _Call, identity: str, name: str, arguments: str, out: list[WireEvent]) -> None:
        new_name = "" if call.name else name
        call.name = call.name or name
        call.stated = call.stated or identity
        call.argued = call.argued or bool(arguments)
        if call.announced:
            if new_name or arguments:
                out.append(ToolCallDelta(call.number, "", new_name, arguments))
            return
        if not (identity or name or arguments):
            return  # a placeholder: the id may come with the next fragment
        call.announced = True
        # A second call under an id already used could not be told from the first when its result is sent.
        call.id = identity if identity and identity not in self._ids else self._made_up(call.number)
        self._ids.add(call.id)
        out.append(ToolCallDelta(call.number, call.id, new_name, arguments))

    def _made_up(self, number: int) -> str:
        name = f"call_{number}"
        while name in self._ids:
            name += "_"
        return name

    def _belongs_to(self, index: object, identity: str, name: str) -> _Call:
        current = self._open
        if isinstance(index, int) and not isinstance(index, bool) and index >= 0:
            call = self._at.get(index)
            if call is None:
                if current is None or current.indexed or name or _is_another(current, identity, name):
                    return self._new(index)
                self._at[index] = current
                return current
            return self._new(index) if _is_another(call, identity, name) else call
        if current is None:
            return self._new(None)
        if identity:
            known = next((call for call in reversed(self._calls) if call.stated == identity), None)
            if known is not None:
                return known
            return self._new(None) if _is_another(current, identity, name) else current
        return self._new(None) if name and current.name else current

    def _new(self, index: int | None) -> _Call:
        if len(self._calls) >= _MOST_CALLS:
            raise GarbledError(f"more than {_MOST_CALLS} tool calls in one answer")
        number = len(self._calls)
        call = _Call(number, indexed=index is not None)
        self._calls.append(call)
        if index is None:
            self._at.setdefault(number, call)
        else:
            self._at[index] = call
        return call


def _is_another(call: _Call, identity: str, name: str) -> bool:
    """Return whether a fragment with this id begins another call: ids differ, or it brings the name anew."""
    return bool(identity) and (identity != call.stated if call.stated else bool(name and call.name))
