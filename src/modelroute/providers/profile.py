"""How a provider or model departs from its plain dialect: one typed record, so that a departure is data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import TypedDict

__all__ = [
    "FREE", "NO_FIELDS", "Departure", "Echo", "EchoAs", "Overhead", "Profile", "Sampling", "SchemaForm", "Schemas",
    "Tools",
]  # fmt: skip

NO_FIELDS: Mapping[str, object] = MappingProxyType({})
_NO_NAMES: Mapping[str, str] = MappingProxyType({})
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
    ALWAYS = "always"
    """Like optional; and every turn of the assistant carries the field, empty if need be."""


class EchoAs(StrEnum):
    """How reasoning that goes back is written."""

    FIELD = "field"
    """In a field of the assistant's message, beside its content."""
    TAGS = "tags"
    """At the beginning of the content, between ``<think>`` and ``</think>``."""
    PARTS = "parts"
    """As the first part of a content list, of type ``thinking``."""


class Schemas(StrEnum):
    """How an answer can be held to a JSON Schema. Each rung includes the ones below it."""

    NATIVE = "json_schema"
    """The schema goes in a field of its own and is enforced."""
    OBJECT = "json_object"
    """Only "some JSON object" is enforced; the schema is an instruction."""
    INSTRUCTION = "instruction"
    """Nothing is enforced; the schema is an instruction."""


class SchemaForm(StrEnum):
    """How schemas are rewritten, without a change of meaning, those of tools included."""

    PLAIN = "plain"
    """As the caller wrote them, but for ``$schema``."""
    INLINED = "inlined"
    """Without ``$ref``: each is replaced by what it names."""
    MOONSHOT = "moonshot"
    """Moonshot's flavour: an object at the root, ``type`` inside the branches of ``anyOf``, tuples as prefixItems."""


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

    `name`: what `ProviderRow.profile`, `Target.profile` and ``Provider.compatible(profile=...)`` call it; the profile
    of a provider has the provider's name.

    The output cap:
    - `output_cap`: the field that carries it (default ``max_tokens``).
    - `honours_output_cap` (default true): false where more may come and be billed: such a target is not eligible under
      a ceiling.
    - `output_slack` (default 0): tokens by which an answer may be longer than its cap: under a ceiling the cap that is
      sent is as much lower.
    - `reasoning_cap` (default ``""``: the output cap bounds reasoning too): the field that bounds reasoning where the
      output cap leaves it out: half of what is asked for goes there, unless the caller filled it himself.
    - `default_output_cap` (default `None`: no cap is sent unless asked): sent when the caller set no cap, for dialects
      that demand one, where the catalog knows no limit of the model.

    What may be asked. What is not taken bars the target, unless the caller named it in ``optional=``; then it is left
    out, and `Reply.left_out` says so:
    - `sampling` while the model reasons, `sampling_at_rest` while it does not (default: everything is taken).
    - `refuses` (default none): parameters refused in either state. Hints and neutral values among them are left out,
      whoever asks; anything else bars the target.
    - `reasons_by_default` (default false): thinks unless told not to; it decides which of the two samplings applies
      when the caller names no effort.
    - `efforts` (default none): fields to send for each effort that can be asked for; any other bars the target.
    - `any_effort` (default false): whether an effort is passed to a model of which the catalog lists none.
    - `tools` (default always), and `tools_dialect` (default ``""``: none): the dialect that takes tools where this one
      does not, at the same base URL and with the same key.
    - `tool_choices`: words taken for `tool_choice` (default all; ``named`` is one particular tool),
      `reasoning_tool_choices` while the model reasons. Where ``none`` is not taken, no tools are sent in its place.
    - `parts` (default `None`: all): types of content parts taken. `image_schemes`: URL schemes of images taken
      (default data, http, https).
    - `most_stops` (default `None`: any number): how many stop sequences are taken. `longest_stop` (default `None`: any
      length): of how many bytes each. `blank_stops` (default true): whether one of white space alone is taken.
    - `prefill` (default true): whether the last message may be the assistant's own, to be gone on with.
    - `schemas` (default ``json_schema``): the highest rung of the ladder; on the lower ones the answer is validated
      here. `strict_schemas` (default false): the schema is sent as ``strict``, rewritten to fit where that loses no
      meaning. `schema_form` (default plain): how schemas are written, those of tools included.

    How it is said:
    - `key_header` (default ``""``: the dialect's own): the header that carries the key.
    - `renames` (default none): the provider's name of a parameter, by OpenAI's.
    - `extras` (default none): fields that are always sent; the caller's own of the same name go before them, field by
      field. `tool_stream_extras` (default none): the same for streams with tools.
    - `needs_parameters` (default false): whether a tool has to say its parameters even if it has none.
    - `developer_role` (default ``system``): the role that developer messages are sent with.
    - `one_system` (default false): only the first message may be the system's: all of them are joined there.
    - `cache_marks` (default false): whether ``cache_control`` in a part is sent; elsewhere it is left out, since it
      asks for nothing but a discount.
    - `text_lists` (default user): the roles whose content may be a list of text parts; elsewhere such a list goes out
      as one text, since many servers and templates take nothing else there. Content with other parts stays a list.
    - `tool_parts` (default `None`: all): types of parts taken in a tool's result. Others move to a message of the
      user's that follows the results, which says whose they are: what the tool found is not lost.
    - `message_fields` (default `None`: all): fields of a message that are taken; others are left out. Where ``name`` is
      not, a user's goes in front of what he says.
    - `blank_content` (default `None`: sent as it is): stands for an assistant's empty content where that is refused.
    - `bridge` (default ``""``: none is needed): what the assistant says between a tool's result and the user's next
      words, where the one may not follow the other.
    - `prefill_mark` (default ``""``: none): field set true in an assistant's last message that is to be gone on with.
    - `tool_ids` (default ``""``: any): pattern that ids of tool calls must match as a whole, each used once in a
      conversation; others are replaced, in calls and results alike. Without it only ids that are empty or double in
      one turn are.
    - `stream_usage` (default true): whether a stream is asked for its usage. `streaming_loses` (default false): whether
      a stream tells less than a whole body, so that a plain call should not stream.

    What comes back, and goes back:
    - `reasoning_tags` (default none): names of the tags in which reasoning may stand at the beginning of the text,
      having leaked into it (``<think>...</think>``): it is split off.
    - `echo` (default never): whether reasoning goes back, see `Echo`. `echo_as` (default a field): how, see `EchoAs`.
      `echo_field` (default ``reasoning_content``): the assistant message's field.
    - `keeps` (default none): raw fields of an answer that the same model at the same provider wants back unchanged:
      ``reasoning_details`` of the message, ``extra_content`` of its tool calls.
    - `foreign_call` (default none): fields that the first tool call of a turn carries where it has no kept ones.
    - `reasoning_excluded` (default false): the output count leaves reasoning tokens out, and they are added; where they
      are not counted anywhere, they are what the total has beyond prompt and output.
    - `cost_field` (default ``""``: none is believed): field of the usage that states the cost, in `cost_units` (default
      1) to the dollar.
    - `price_limit` (default ``""``: there is one price): the object of the body in which the provider, who passes
      requests on to hosts of different prices, takes the highest (``max_price``, in dollars per million tokens): under
      a ceiling it is the target's own, or the ceiling would be no promise.
    - `overhead`: prompt tokens beyond the words, see `Overhead`.
    """

    name: str
    output_cap: str = "max_tokens"
    honours_output_cap: bool = True
    output_slack: int = 0
    reasoning_cap: str = ""
    default_output_cap: int | None = None
    sampling: Sampling = FREE
    sampling_at_rest: Sampling = FREE
    refuses: frozenset[str] = frozenset()
    reasons_by_default: bool = False
    efforts: Mapping[str, Mapping[str, object]] = field(default_factory=lambda: _NO_EFFORTS)
    any_effort: bool = False
    tools: Tools = Tools.ALWAYS
    tools_dialect: str = ""
    tool_choices: frozenset[str] = frozenset({"auto", "none", "required", "named", "allowed_tools"})
    reasoning_tool_choices: frozenset[str] = frozenset({"auto", "none", "required", "named", "allowed_tools"})
    parts: frozenset[str] | None = None
    image_schemes: frozenset[str] = frozenset({"data", "http", "https"})
    most_stops: int | None = None
    longest_stop: int | None = None
    blank_stops: bool = True
    prefill: bool = True
    schemas: Schemas = Schemas.NATIVE
    strict_schemas: bool = False
    schema_form: SchemaForm = SchemaForm.PLAIN
    key_header: str = ""
    renames: Mapping[str, str] = field(default_factory=lambda: _NO_NAMES)
    extras: Mapping[str, object] = field(default_factory=lambda: NO_FIELDS)
    tool_stream_extras: Mapping[str, object] = field(default_factory=lambda: NO_FIELDS)
    needs_parameters: bool = False
    developer_role: str = "system"
    one_system: bool = False
    cache_marks: bool = False
    text_lists: frozenset[str] = frozenset({"user"})
    tool_parts: frozenset[str] | None = None
    message_fields: frozenset[str] | None = None
    blank_content: str | None = None
    bridge: str = ""
    prefill_mark: str = ""
    tool_ids: str = ""
    stream_usage: bool = True
    streaming_loses: bool = False
    reasoning_tags: tuple[str, ...] = ()
    echo: Echo = Echo.NEVER
    echo_as: EchoAs = EchoAs.FIELD
    echo_field: str = "reasoning_content"
    keeps: frozenset[str] = frozenset()
    foreign_call: Mapping[str, object] = field(default_factory=lambda: NO_FIELDS)
    reasoning_excluded: bool = False
    cost_field: str = ""
    cost_units: int = 1
    price_limit: str = ""
    overhead: Overhead = Overhead()


class Departure(TypedDict, total=False):
    """The fields of a `Profile` that a model may change."""

    output_cap: str
    honours_output_cap: bool
    reasoning_cap: str
    sampling: Sampling
    sampling_at_rest: Sampling
    refuses: frozenset[str]
    reasons_by_default: bool
    efforts: Mapping[str, Mapping[str, object]]
    any_effort: bool
    tools: Tools
    tools_dialect: str
    tool_choices: frozenset[str]
    reasoning_tool_choices: frozenset[str]
    parts: frozenset[str]
    prefill: bool
    schemas: Schemas
    strict_schemas: bool
    developer_role: str
    extras: Mapping[str, object]
    tool_stream_extras: Mapping[str, object]
    echo: Echo
    echo_as: EchoAs
    echo_field: str
    keeps: frozenset[str]
    foreign_call: Mapping[str, object]
    tool_ids: str
    overhead: Overhead
