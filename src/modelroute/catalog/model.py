"""What exists: models with their scores, and targets: one model at one provider."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from modelroute.catalog import declared
from modelroute.catalog.jurisdictions import SELF_HOSTED
from modelroute.catalog.rows import Api, ProviderRow
from modelroute.errors import ConfigurationError, shown

if TYPE_CHECKING:
    from modelroute.catalog.price import Price

__all__ = ["EMBEDDING", "FEATURES", "SELF_HOSTED", "Api", "Model", "ProviderRow", "Score", "Target", "checked_price"]

EMBEDDING = "embedding"
"""The feature of models that give vectors and no answers: the only ones that `embed` takes, never one for a chat."""

FEATURES = frozenset(
    {"tools", "json_schema", "vision", "pdf", "audio", "video", "reasoning", "open_weights", EMBEDDING}
)
"""What a model or target may be said to do, and a request may need."""

_A_SCORE = "Score(54, 'intelligence', source='our own tests', as_of='2026-11-20')"
_A_PRICE = "Price(input=..., output=...) in dollars per million tokens, Price.free(), or None where it is not known"


@dataclass(frozen=True, slots=True)
class Score:
    """How good a model is on one scale, and who says so.

    `effort` is the reasoning effort it was measured at (``""``: the model's default). A quoted score has
    `estimated=False`; an estimated one names what it was made from in `basis` (``"Arena 1461"``) and its standard
    `error` in points. A quoted rating has the id it is listed under in `basis` and half its 95 % interval in `error`.
    `quarter` (``"2026-Q1"``) is set where the source compares scores by quarter.

    Raises `ConfigurationError` for what cannot be meant.
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

    def __post_init__(self) -> None:
        declared.number(self, "value")
        declared.number(self, "error", least=0, optional=True)
        declared.text(self, "scale", "source", "effort", "basis", "quarter")
        declared.day(self, "as_of")
        declared.flag(self, "estimated")
        if not self.scale:
            raise declared.refusal(self, "scale", "name the scale, such as 'intelligence' or one of your own")


@dataclass(frozen=True, slots=True)
class Model:
    """A set of weights with a name. `None` means unknown, and unknown never satisfies a constraint.

    `features`: what it can do: ``tools``, ``json_schema``, ``vision``, ``pdf``, ``audio``, ``video``, ``reasoning``,
    ``open_weights``; or ``embedding``, which gives vectors and no answers, and whose `context_window` is that of one
    text. `vocabulary` names its tokenizer (``o200k_base``, ``deepseek``, ...; ``""``: unknown).
    `efforts`: how hard it can be asked to reason; `default_effort`: what it does unasked (``""``: not published).
    `reasons_by_default`: thinks without being asked; `shows_reasoning`: streams its thinking.
    `served=False`: known, but no one can call it; never chosen. `retires`: ISO date after which it is gone.

    Any collection will do for features, efforts and scores, a `datetime.date` for a date. Raises `ConfigurationError`
    for what cannot be meant, `UnknownNameError` for an unknown feature.
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

    def __post_init__(self) -> None:
        declared.model_name(self)
        declared.text(self, "vendor", "vocabulary", "source", "note", "default_effort")
        declared.optional_text(self, "licence", "like")
        declared.flag(self, "licence_checked", "reasons_by_default", "shows_reasoning", "served")
        declared.optional_flag(self, "open_weights")
        declared.whole(self, "context_window", "max_input", "max_output")
        declared.day(self, "released", optional=True)
        declared.day(self, "retires", optional=True, complete=True)
        declared.day(self, "as_of")
        declared.feature_set(self, FEATURES)
        declared.texts(self, "efforts")
        declared.each(self, "scores", Score, _A_SCORE)


@dataclass(frozen=True, slots=True)
class Target:
    """One model at one provider, with that provider's price and limits. What a router picks.

    `name` is ``model@provider`` (split at the last ``@``); `wire_name` is what the provider calls the model.
    `dialect` and `profile` override the provider's for this model. Limits and features default to the model's.

    Raises `ConfigurationError` for what cannot be meant, `UnknownNameError` for an unknown feature.
    """

    model: Model
    provider: str
    wire_name: str
    price: Price | None
    context_window: int | None = None
    max_input: int | None = None
    max_output: int | None = None
    features: frozenset[str] = frozenset()
    dialect: str | None = None
    profile: str | None = None
    served: bool = True
    retires: str | None = None
    source: str = ""
    as_of: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        _check_model(self.model)
        declared.provider_name(self, "provider")
        declared.text(self, "wire_name", "source", "note")
        declared.optional_text(self, "dialect", "profile")
        declared.whole(self, "context_window", "max_input", "max_output")
        declared.feature_set(self, FEATURES)
        declared.flag(self, "served")
        declared.day(self, "retires", optional=True, complete=True)
        declared.day(self, "as_of")
        if not self.wire_name:
            raise declared.refusal(self, "wire_name", "give the name by which the provider knows the model")
        if self.price is not None:
            checked_price(self.price, "price")

    @classmethod
    def of(cls, model: Model, provider: str, *, price: Price | None = None, wire_name: str | None = None) -> Target:
        """Return `model` at `provider` with the model's own limits and features; `replace` what a provider changes."""
        _check_model(model)
        return cls(
            model=model,
            provider=provider,
            wire_name=model.name if wire_name is None else wire_name,
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


def checked_price(price: object, argument: str) -> Price:
    """Return `price`; `ConfigurationError` for a bare number or pair, which does not say what it is the price of."""
    from modelroute.catalog.price import Price

    if not isinstance(price, Price):
        raise ConfigurationError(f"{argument}={shown(price)} is no price: write {_A_PRICE}")
    return price


def _check_model(model: object) -> None:
    if not isinstance(model, Model):
        example = f"Model({model!r})" if isinstance(model, str) else "Model('name', ...)"
        raise ConfigurationError(
            f"a target needs a model, not {shown(model)}: take one of a catalog with catalog.model(name), "
            f"or declare {example}"
        )
