"""Structured output: from a type to the schema that is sent, and from the answer back to an instance.

An answer that does not fit is a failure like any other (`invalid_output`): the same target is asked once more and told
what was wrong, then another. The validator's findings never contain the answer's values.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Generic, TypeVar

from modelroute.engine.progress import CUT
from modelroute.errors import RequestError, shown
from modelroute.types.failure import Failure, Kind
from modelroute.types.request import JsonSchema, Request

if TYPE_CHECKING:
    from pydantic import TypeAdapter, ValidationError

__all__ = ["Shape"]

T = TypeVar("T")

_FENCED = re.compile(r"```(?:json)?\s*(.*?)```", re.DOTALL)
_NAME = re.compile(r"[^a-zA-Z0-9_-]+")
_MOST_PROBLEMS = 5
_SELF_CONTAINED = ("{", "[", '"')
_CUT_OFF = "the output cap cut the answer off before its end"
_NO_JSON = "the answer is no JSON document"


class Shape(Generic[T]):
    """The type an answer must have. Raises `RequestError` for a type no JSON schema can be made of."""

    __slots__ = ("_adapter", "_value", "schema")

    def __init__(self, wanted: type[T]) -> None:
        from pydantic import TypeAdapter

        try:
            self._adapter: TypeAdapter[T] = TypeAdapter(wanted)
            schema = self._adapter.json_schema()
        except Exception as error:  # noqa: BLE001 - what is no type fails in as many ways as there are things
            raise RequestError(_no_schema(wanted, error)) from None
        name = _NAME.sub("_", getattr(wanted, "__name__", "answer"))[:64] or "answer"
        self.schema = JsonSchema(name, schema)
        self._value: tuple[T] | None = None

    def check(self, text: str, finish: str = "stop") -> Failure | None:
        """Return why `text` does not fit, or `None` and keep the instance.

        What the output cap cut off (`finish` is ``length``) fits only if it has an end of its own: ``12`` may be the
        beginning of ``1200``, a document in braces is whole.
        """
        from pydantic import ValidationError

        cut = finish == CUT
        found: list[str] = []
        for candidate in _candidates(text):
            if cut and not candidate.startswith(_SELF_CONTAINED):
                continue
            try:
                self._value = (self._adapter.validate_json(candidate),)
            except ValidationError as error:
                problems = _problems(error)
                if not found or found == [_NO_JSON]:
                    found = problems
            except Exception as error:  # noqa: BLE001 - a validator of the caller's own may raise anything
                found = [f"a validator of the type raised {type(error).__name__}"]
            else:
                return None
        if cut:
            return Failure(Kind.INVALID_OUTPUT, _CUT_OFF, provider_code=CUT)
        return Failure(Kind.INVALID_OUTPUT, "; ".join(found))

    @property
    def value(self) -> T:
        """The instance made of the text that `check` accepted."""
        if self._value is None:
            raise RequestError("no answer was accepted yet: read .value after check() returned None")
        return self._value[0]

    @staticmethod
    def repair(request: Request, text: str, failure: Failure) -> Request:
        """Return `request` with the answer that did not fit and what was wrong with it."""
        from dataclasses import replace

        told = (
            f"That does not fit the schema: {failure.message}. "
            "Answer again with one JSON document that fits the schema, and nothing else."
        )
        answer = {"role": "assistant", "content": text or "(empty)"}
        return replace(request, messages=(*request.messages, answer, {"role": "user", "content": told}))


def _no_schema(wanted: object, error: Exception) -> str:
    from pydantic.errors import PydanticUserError

    why = f" ({error.message.splitlines()[0]})" if isinstance(error, PydanticUserError) else ""
    name = wanted.__name__ if isinstance(wanted, type) else shown(wanted)
    own = "; a JSON Schema of your own goes to chat(response_format=...)" if isinstance(wanted, Mapping) else ""
    return f"no JSON schema can be made of {name}{why}: parse takes a pydantic model, dataclass, TypedDict or type{own}"


def _candidates(text: str) -> list[str]:
    """The answer as it is; what stands in its fences; what stands between its outermost braces."""
    found = [text.strip()]
    found += [fenced.strip() for fenced in _FENCED.findall(text)]
    start, end = text.find("{"), text.rfind("}")
    if 0 <= start < end:
        found.append(text[start : end + 1])
    return list(dict.fromkeys(found))


def _problems(error: ValidationError) -> list[str]:
    listed = error.errors(include_url=False, include_context=False, include_input=False)
    if listed[0]["type"] == "json_invalid":
        return [_NO_JSON]
    lines: list[str] = []
    for problem in listed[:_MOST_PROBLEMS]:
        where = ".".join(str(step) for step in problem["loc"]) or "the document"
        # This one message of the validator quotes the answer.
        quotes = problem["type"] == "union_tag_invalid"
        lines.append(f"{where}: {'the tag is none of those expected' if quotes else problem['msg']}")
    if len(listed) > _MOST_PROBLEMS:
        lines.append(f"and {len(listed) - _MOST_PROBLEMS} more")
    return lines
