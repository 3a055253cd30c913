"""The knobs that several vendors share: how an effort is said, which choices and contents are usual."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import cast

from modelroute.providers.profile import NO_FIELDS, Departure, Sampling

__all__ = [
    "ANY_EFFORT",
    "AUTO_ONLY",
    "CHOICES",
    "EVERY_ROLE",
    "NOT_SAID",
    "NO_CHOICE",
    "NO_EFFORTS",
    "ONE_CHOICE",
    "ON_ONLY",
    "TEXT",
    "TEXT_AND_IMAGE",
    "THINK",
    "UNREAD_BY_ANTHROPIC",
    "Efforts",
    "Table",
    "enabled",
    "hosted",
    "knob",
    "switch",
    "template",
    "template_knob",
    "without",
]

Efforts = Mapping[str, Mapping[str, object]]
"""Fields to send, by effort."""

Table = tuple[tuple[str, Departure], ...]
"""Patterns over a provider's names of models, most specific first: the first that matches is applied."""


def knob(*words: str, field: str = "reasoning_effort") -> Efforts:
    """Return efforts that are said by their own word in one field."""
    return MappingProxyType({word: MappingProxyType({field: word}) for word in words})


def switch(*words: str, knob: str = "") -> Efforts:
    """Return ``thinking`` on for `words`, off for ``none``; `knob` names a field that carries the word as well."""
    efforts: dict[str, Mapping[str, object]] = {"none": MappingProxyType({"thinking": {"type": "disabled"}})}
    for word in words:
        efforts[word] = MappingProxyType({"thinking": {"type": "enabled"}, **({knob: word} if knob else {})})
    return MappingProxyType(efforts)


def enabled(*words: str) -> Efforts:
    """Return ``reasoning.enabled``: off for ``none``, on for `words`, which ``reasoning_effort`` carries too."""
    efforts: dict[str, Mapping[str, object]] = {"none": MappingProxyType({"reasoning": {"enabled": False}})}
    if not words:
        efforts["high"] = MappingProxyType({"reasoning": {"enabled": True}})
    for word in words:
        efforts[word] = MappingProxyType({"reasoning": {"enabled": True}, "reasoning_effort": word})
    return MappingProxyType(efforts)


def template(switch_name: str) -> Efforts:
    """Return a switch of the chat template's, for servers that pass it on: ``none`` is off and ``high`` is on."""
    return MappingProxyType(
        {
            word: MappingProxyType({"chat_template_kwargs": {switch_name: word != "none"}}) for word in ("none", "high")
        }
    )  # fmt: skip


def template_knob(*words: str) -> Efforts:
    """Return efforts said by their own word to the chat template, for servers whose own parameters have no such."""
    return MappingProxyType(
        {word: MappingProxyType({"chat_template_kwargs": {"reasoning_effort": word}}) for word in words}
    )


def without(efforts: Efforts, *words: str) -> Efforts:
    """Return `efforts` but for `words`."""
    return MappingProxyType({word: fields for word, fields in efforts.items() if word not in words})


def hosted(table: Table, *prefixes: str, fields: frozenset[str] | None = None, more: Departure | None = None) -> Table:
    """Return a vendor's `table` for a host that writes `prefixes` in front; of `fields` only, and `more`, if named."""
    return tuple(
        (prefix + pattern, _chosen(departure, fields, more)) for pattern, departure in table for prefix in prefixes
    )  # fmt: skip


def _chosen(departure: Departure, fields: frozenset[str] | None, more: Departure | None) -> Departure:
    kept = {name: value for name, value in departure.items() if fields is None or name in fields}
    return cast(Departure, {**kept, **(more or {})})


ANY_EFFORT = knob("none", "minimal", "low", "medium", "high", "xhigh", "max")
NOT_SAID: Efforts = MappingProxyType({"none": NO_FIELDS})
"""A model that does not reason: to ask it not to takes no field."""
NO_EFFORTS: Efforts = MappingProxyType({})
"""A model of which no effort can be asked."""
ON_ONLY: Efforts = MappingProxyType({"high": NO_FIELDS})
"""A model that always reasons, as hard as it does."""

AUTO_ONLY = frozenset({"auto", "none"})
NO_CHOICE = frozenset({"auto"})
CHOICES = frozenset({"auto", "none", "required", "named"})
TEXT = frozenset({"text", "refusal"})
TEXT_AND_IMAGE = frozenset({"text", "refusal", "image_url"})
EVERY_ROLE = frozenset({"system", "developer", "user", "assistant", "tool"})
THINK = ("think",)
ONE_CHOICE = Sampling(fixed=MappingProxyType({"n": 1.0}))

UNREAD_BY_ANTHROPIC = frozenset(
    {"logprobs", "top_logprobs", "seed", "presence_penalty", "frequency_penalty", "logit_bias", "prediction",
     "metadata", "store"}
)  # fmt: skip
"""What Anthropic's OpenAI-compatible surface takes and does not heed."""
