"""What exists: models with their scores, the providers that serve them, and targets: one model at one provider."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from modelroute.catalog.price import Price

__all__ = ["FEATURES", "SELF_HOSTED", "Model", "ProviderRow", "Score", "Target"]

SELF_HOSTED = "self-hosted"
"""Jurisdiction of loopback and private hosts; it satisfies any."""

FEATURES = frozenset({"tools", "json_schema", "vision", "pdf", "audio", "video", "reasoning", "open_weights"})
"""What a model or target may be said to do, and a request may need."""

_NO_URLS: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Score:
    """How good a model is on one scale, and who says so.

    `effort` is the reasoning effort it was measured at (``""``: the model's default). A quoted score has
    `estimated=False`; an estimated one names what it was made from in `basis` (``"Arena 1461"``) and its standard
    `error` in points. A quoted rating has the id it is listed under in `basis` and half its 95 % interval in `error`.
    `quarter` (``"2026-Q1"``) is set where the source compares scores by quarter.
    """

    value: float
    scale: str
    source: str
    as_of: str
    effort: str = ""
    estimated: bool = False
    error: float | None = None
    basis: str = ""
    quarter: str = ""


@dataclass(frozen=True, slots=True)
class Model:
    """A set of weights with a name. `None` means unknown, and unknown never satisfies a constraint.

    `features`: what it can do: ``tools``, ``json_schema``, ``vision``, ``pdf``, ``audio``, ``video``, ``reasoning``,
    ``open_weights``. `vocabulary` names its tokenizer (``o200k_base``, ``deepseek``, ...; ``""``: unknown).
    `efforts`: how hard it can be asked to reason; `default_effort`: what it does unasked (``""``: not published).
    `reasons_by_default`: thinks without being asked; `shows_reasoning`: streams its thinking.
    `served=False`: known, but no one can call it; never chosen. `retires`: ISO date after which it is gone.
    """

    name: str
    vendor: str = ""
    released: str | None = None
    open_weights: bool | None = None
    licence: str | None = None
    licence_checked: bool = False
    context_window: int | None = None
    max_input: int | None = None
    max_output: int | None = None
    features: frozenset[str] = frozenset()
    efforts: tuple[str, ...] = ()
    reasons_by_default: bool = False
    shows_reasoning: bool = True
    vocabulary: str = ""
    scores: tuple[Score, ...] = ()
    served: bool = True
    retires: str | None = None
    like: str | None = None
    source: str = ""
    as_of: str = ""
    note: str = ""
    default_effort: str = ""


@dataclass(frozen=True, slots=True)
class ProviderRow:
    """Someone who serves models over HTTP: all of it data.

    `urls`: base URL by region, the first is the default. `keys`: environment variables that may hold the key, in order.
    `dialect` and `profile` name how it speaks (`modelroute.providers`). `jurisdictions`: by region, e.g. ``"US"``,
    ``"CN"``, ``"EU"``; left out when unknown. `retention_days`: how long prompts are kept. `trains`: whether they may
    be trained on.
    `charges_errors`: `False` where the provider documents failed requests as unbilled.
    """

    name: str
    urls: Mapping[str, str] = field(default_factory=lambda: _NO_URLS, hash=False)
    keys: tuple[str, ...] = ()
    dialect: str = "openai-chat"
    profile: str = "compatible"
    jurisdictions: Mapping[str, str] = field(default_factory=lambda: _NO_URLS, hash=False)
    retention_days: int | None = None
    trains: bool | None = None
    charges_errors: bool = True
    needs_key: bool = True
    source: str = ""
    as_of: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        for name in ("urls", "jurisdictions"):
            object.__setattr__(self, name, MappingProxyType(dict(getattr(self, name))))

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle by plain values: a read-only mapping cannot be pickled."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return (_provider_row, (values | {"urls": dict(self.urls), "jurisdictions": dict(self.jurisdictions)},))


@dataclass(frozen=True, slots=True)
class Target:
    """One model at one provider, with that provider's price and limits. What a router picks.

    `name` is ``model@provider`` (split at the last ``@``); `wire_name` is what the provider calls the model.
    `profile` overrides the provider's profile for this model. Limits and features default to the model's.
    """

    model: Model
    provider: str
    wire_name: str
    price: Price | None
    context_window: int | None = None
    max_input: int | None = None
    max_output: int | None = None
    features: frozenset[str] = frozenset()
    profile: str | None = None
    served: bool = True
    retires: str | None = None
    source: str = ""
    as_of: str = ""
    note: str = ""

    @classmethod
    def of(cls, model: Model, provider: str, *, price: Price | None = None, wire_name: str | None = None) -> Target:
        """Return `model` at `provider` with the model's own limits and features; `replace` what a provider changes."""
        return cls(
            model=model,
            provider=provider,
            wire_name=wire_name or model.name,
            price=price,
            context_window=model.context_window,
            max_input=model.max_input,
            max_output=model.max_output,
            features=model.features,
            served=model.served,
            retires=model.retires,
        )

    @property
    def name(self) -> str:
        """``model@provider``."""
        return f"{self.model.name}@{self.provider}"


def _provider_row(values: Mapping[str, Any]) -> ProviderRow:
    return ProviderRow(**values)
