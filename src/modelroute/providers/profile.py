"""How a provider or model departs from its plain dialect: one typed record, so that a departure is data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType

__all__ = ["FREE", "NO_FIELDS", "Echo", "Overhead", "Profile", "Sampling", "Schemas", "Tools"]

NO_FIELDS: Mapping[str, object] = MappingProxyType({})
_NO_NUMBERS: Mapping[str, float] = MappingProxyType({})
_NO_RANGES: Mapping[str, tuple[float, float]] = MappingProxyType({})
_NO_EFFORTS: Mapping[str, Mapping[str, object]] = MappingProxyType({})


class Echo(StrEnum):
    """Whether the reasoning of earlier turns goes back with the next request."""

    NEVER = "never"
    """It is neither kept nor sent: there is none to see, or sending it is refused."""
    OPTIONAL = "optional"
    """Kept and sent back when it came from the same provider; its absence is no fault."""
    WITH_TOOLS = "with_tools"
    """Like optional; and a turn that called tools carries the field, empty if need be, or is answered with HTTP 400."""


class Schemas(StrEnum):
    """How an answer can be held to a JSON Schema. Each rung includes the ones below it."""

    NATIVE = "json_schema"
    """The schema goes in a field of its own and is enforced."""
    OBJECT = "json_object"
    """Only "some JSON object" is enforced; the schema is an instruction."""
    INSTRUCTION = "instruction"
    """Nothing is enforced; the schema is an instruction."""


class Tools(StrEnum):
    """Whether tools can be used on this dialect."""

    ALWAYS = "always"
    AT_REST = "at_rest"
    """Only while the model is told not to reason (`effort="none"`)."""
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class Sampling:
    """Which sampling parameters are taken, and with which values. What a caller set and this forbids bars the target.

    `fixed`: the one value accepted, by parameter. `ranges`: least and greatest value. `refused`: taken with no value at
    all.
    """

    fixed: Mapping[str, float] = field(default_factory=lambda: _NO_NUMBERS)
    ranges: Mapping[str, tuple[float, float]] = field(default_factory=lambda: _NO_RANGES)
    refused: frozenset[str] = frozenset()


FREE = Sampling()
"""Everything is taken."""


@dataclass(frozen=True, slots=True)
class Overhead:
    """Prompt tokens that are billed beyond the words of a request, at most: what makes a byte count a bound.

    `per_request`: the template around it all. `per_message`: role markers and separators. `tools`: the instructions a
    provider adds when there are any tools; `per_tool`: the frame of one. `low_image`, `image`: one image of low detail,
    and of any other, its size unknown.
    """

    per_request: int = 64
    per_message: int = 16
    tools: int = 1_024
    per_tool: int = 64
    low_image: int = 16_384
    image: int = 16_384


@dataclass(frozen=True, slots=True)
class Profile:
    """The departures. Every default is what a plain OpenAI-compatible server does.

    The output cap:
    - `output_cap`: the field that carries it. `honours_output_cap`: false where more may come (and be billed): such a
      target is not eligible under a ceiling. `default_output_cap`: sent when the caller set no cap, for dialects that
      demand one, where the catalog knows no limit of the model; `None`: no cap is sent unless asked.

    What may be asked:
    - `sampling` while the model reasons, `sampling_at_rest` while it does not.
    - `reasons_by_default`: thinks unless told not to; it decides which of the two applies when the caller names no
      effort.
    - `efforts`: fields to send for each effort that can be asked for; an effort that is not here bars the target.
    - `any_effort`: whether an effort is passed to a model of which the catalog lists none.
    - `tools`, and `tools_dialect`: the dialect that takes tools where this one does not, at the same base URL and with
      the same key; ``""``: none. `tool_choices`: words taken for `tool_choice` (``named`` for one particular tool),
      `reasoning_tool_choices` while the model reasons. A choice that is not here bars the target.
    - `parts`: types of content parts taken, `None` for all. `image_schemes`: URL schemes of images taken.
    - `prefill`: whether the last message may be the assistant's own.
    - `schemas`: the highest rung of the ladder. `strict_schemas`: the schema is sent as ``strict``, rewritten to fit
      where that loses no meaning.

    How it is said:
    - `key_header`: the header that carries the key; ``""``: the dialect's own.
    - `developer_role`: the role that developer messages are sent with. `cache_marks`: whether ``cache_control`` in a
      part is sent; elsewhere it is left out, since it asks for nothing but a discount.
    - `text_lists`: the roles whose content may be a list of text parts; elsewhere such a list goes out as one text,
      since many servers and templates take nothing else there. Content with other parts stays a list.
    - `blank_content`: stands for an assistant's empty content where that is refused; `None`: sent as it is.
    - `stream_usage`: whether a stream is asked for its usage; `streaming_loses`: whether a stream tells less than a
      whole body, so that a plain call should not stream.

    What comes back:
    - `reasoning_tags`: names of the tags in which reasoning may stand at the beginning of the text, having leaked into
      it (``<think>...</think>``): it is split off.
    - `echo`: see `Echo`. `echo_field`: the assistant message's field it goes back in.
    - `reasoning_excluded`: the output count leaves reasoning tokens out, and they are added.
    - `cost_field`: field of the usage that states the cost, in `cost_units` to the dollar; ``""``: none is believed.
    - `overhead`: see `Overhead`.
    """

    name: str
    output_cap: str = "max_tokens"
    honours_output_cap: bool = True
    default_output_cap: int | None = None
    sampling: Sampling = FREE
    sampling_at_rest: Sampling = FREE
    reasons_by_default: bool = False
    efforts: Mapping[str, Mapping[str, object]] = field(default_factory=lambda: _NO_EFFORTS)
    any_effort: bool = False
    tools: Tools = Tools.ALWAYS
    tools_dialect: str = ""
    tool_choices: frozenset[str] = frozenset({"auto", "none", "required", "named", "allowed_tools"})
    reasoning_tool_choices: frozenset[str] = frozenset({"auto", "none", "required", "named", "allowed_tools"})
    parts: frozenset[str] | None = None
    image_schemes: frozenset[str] = frozenset({"data", "http", "https"})
    prefill: bool = True
    schemas: Schemas = Schemas.NATIVE
    strict_schemas: bool = False
    key_header: str = ""
    developer_role: str = "system"
    cache_marks: bool = False
    text_lists: frozenset[str] = frozenset({"user"})
    blank_content: str | None = None
    stream_usage: bool = True
    streaming_loses: bool = False
    reasoning_tags: tuple[str, ...] = ()
    echo: Echo = Echo.NEVER
    echo_field: str = "reasoning_content"
    reasoning_excluded: bool = False
    cost_field: str = ""
    cost_units: int = 1
    overhead: Overhead = Overhead()
