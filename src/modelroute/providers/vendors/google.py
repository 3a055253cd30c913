"""Google: Gemini, by its own API and by the OpenAI-compatible one beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from modelroute.providers.profile import NO_FIELDS, Departure, Echo, Profile, Sampling, SchemaForm
from modelroute.providers.vendors.knobs import CHOICES, NOT_SAID, TEXT, Efforts, Table, knob

__all__ = ["MODELS", "PROFILES"]

_PARTS = frozenset({"text", "refusal", "image_url", "input_audio", "file", "video_url"})
_SEEDS = (-(2.0**31), 2.0**31 - 1)
_RANGES = {
    "temperature": (0.0, 2.0), "presence_penalty": (-2.0, 2.0), "frequency_penalty": (-2.0, 2.0),
    "top_logprobs": (0.0, 20.0), "seed": _SEEDS,
}  # fmt: skip
_SAMPLING = Sampling(ranges=MappingProxyType(_RANGES))
# 2.5 says "Penalty is not enabled for this model".
_UNPENALISED = replace(_SAMPLING, fixed=MappingProxyType({"presence_penalty": 0.0, "frequency_penalty": 0.0}))

# What Google documents for calls that another model made: Gemini 3 answers an unsigned first call with HTTP 400.
_ANY_SIGNATURE = "skip_thought_signature_validator"

# The sizes that Google's compatible surface gives the words on models that think by a budget of tokens.
_BUDGETS = {"none": 0, "minimal": 1_024, "low": 1_024, "medium": 8_192, "high": 24_576}


def _levels(*words: str) -> Efforts:
    """Return efforts said as ``thinkingLevel``, the thoughts shown: they are billed whether they are or not."""
    return MappingProxyType({word: _thinking({"thinkingLevel": word, "includeThoughts": True}) for word in words})


def _budgets(*words: str) -> Efforts:
    """Return efforts said as ``thinkingBudget``; 0, for ``none``, is off."""
    return MappingProxyType(
        {
            word: _thinking({"thinkingBudget": _BUDGETS[word], **({"includeThoughts": True} if _BUDGETS[word] else {})})
            for word in words
        }
    )


def _thinking(said: Mapping[str, object]) -> Mapping[str, object]:
    return MappingProxyType({"generationConfig": {"thinkingConfig": said}})


PROFILES: tuple[Profile, ...] = (
    Profile(
        "google",
        output_cap="maxOutputTokens",
        sampling=_SAMPLING,
        sampling_at_rest=_SAMPLING,
        reasons_by_default=True,
        efforts=_levels("low", "medium", "high"),
        parts=_PARTS,
        image_schemes=frozenset({"data", "https", "gs"}),
        most_stops=5,
        schema_form=SchemaForm.INLINED,
        echo=Echo.OPTIONAL,
        echo_field="parts",
        foreign_call=MappingProxyType({"thoughtSignature": _ANY_SIGNATURE}),
    ),
    Profile(
        "google-openai",
        sampling=_SAMPLING,
        sampling_at_rest=_SAMPLING,
        reasons_by_default=True,
        efforts=knob("low", "medium", "high"),
        tool_choices=CHOICES,
        reasoning_tool_choices=CHOICES,
        most_stops=5,
        schema_form=SchemaForm.INLINED,
        tool_parts=TEXT,
        keeps=frozenset({"extra_content"}),
        foreign_call=MappingProxyType({"extra_content": {"google": {"thought_signature": _ANY_SIGNATURE}}}),
        reasoning_tags=("thought",),
        reasoning_excluded=True,
    ),
)

_UNSIGNED: Departure = {"foreign_call": NO_FIELDS}
_TWO_FIVE: Departure = {**_UNSIGNED, "sampling": _UNPENALISED, "sampling_at_rest": _UNPENALISED}
_AT_REST: Departure = {**_UNSIGNED, "reasons_by_default": False, "efforts": NOT_SAID}
_FLASH = ("none", "minimal", "low", "medium", "high")


def _table(three: tuple[Efforts, Efforts, Efforts], pro: Efforts, flash: Efforts) -> Table:
    """Return the models of both surfaces, `three`: Gemini 3 with two levels, three, and four; `pro`, `flash`: of 2.5.

    Names come bare or behind ``models/``. Unknown ones are newer, or aliases of the newest: they are as the profile.
    """
    two_levels, three_levels, four_levels = three
    return (
        ("*gemini-3-pro*", {"efforts": two_levels}),
        ("*gemini-3.1-pro*", {"efforts": three_levels}),
        ("*gemini-3.[789]-flash-lite*", {"efforts": four_levels}),
        ("*gemini-3.[789]-flash*", {"efforts": three_levels}),
        ("*gemini-3*", {"efforts": four_levels}),
        ("*gemini-2.5-pro*", {**_TWO_FIVE, "efforts": pro}),
        ("*gemini-2.5-flash-lite*", {**_TWO_FIVE, "reasons_by_default": False, "efforts": flash, "any_effort": True}),
        ("*gemini-2.5*", {**_TWO_FIVE, "efforts": flash}),
        ("*gemini-[12]*", _AT_REST),
        # No instructions of a developer's are taken by these: they go in front of what the user says.
        ("*gemma-3*", {**_AT_REST, "developer_role": "user"}),
        ("*gemma-*", _AT_REST),
    )


_WORDS_OF_FOUR = ("minimal", "low", "medium", "high")

MODELS: Mapping[str, Table] = MappingProxyType(
    {
        "google": _table(
            (_levels("low", "high"), _levels("low", "medium", "high"), _levels(*_WORDS_OF_FOUR)),
            _budgets(*_WORDS_OF_FOUR),
            _budgets(*_FLASH),
        ),
        "google-openai": _table(
            (knob("low", "high"), knob("low", "medium", "high"), knob(*_WORDS_OF_FOUR)),
            knob(*_WORDS_OF_FOUR),
            knob(*_FLASH),
        ),
    }
)
