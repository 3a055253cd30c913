"""The catalog: one immutable value that says what exists, what it costs and how good it is said to be."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Collection, Iterable, Mapping, Set
from dataclasses import fields, is_dataclass, replace
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar, cast

from modelroute.catalog.books import Book
from modelroute.catalog.dates import checked_day
from modelroute.catalog.declared import checked_name, listed
from modelroute.catalog.model import Model, ProviderRow, Score, Target
from modelroute.catalog.price import Price
from modelroute.catalog.scores import Crosswalk
from modelroute.errors import ConfigurationError, UnknownNameError, shown
from modelroute.types.constraints import INTELLIGENCE

if TYPE_CHECKING:
    from datetime import date
    from os import PathLike

    from modelroute.catalog.lint import CatalogFinding

__all__ = ["Catalog", "provider_aliases", "resolved"]

_builtin: list[Catalog] = []

Part = TypeVar("Part")


class Catalog:
    """Models, provider rows and targets by name, with aliases, price books and the crosswalk of estimated scores.

    - `Catalog.builtin()` is the one that ships; `Catalog.load(path)` puts a file of yours on top of it, and
      `Catalog.installed()` what installed packages add.
    - `with_(models=..., providers=..., targets=...)` returns a new one; same names replace.
    - `model(name)`, `target(name)`, `provider(name)`, `book(name)` look up and raise `UnknownNameError`; aliases count.
    - `as_of` is the newest date of any fact in it; `digest` a short hash of its content, equal for equal content.
    - `scales` are the names a floor may use.
    """

    __slots__ = ("_digest", "aliases", "books", "crosswalk", "models", "provider_aliases", "providers", "targets")
    models: Mapping[str, Model]
    providers: Mapping[str, ProviderRow]
    targets: Mapping[str, Target]
    aliases: Mapping[str, str]
    """Models' names by the other names they go by."""
    provider_aliases: Mapping[str, str]
    """Providers' names by the other names they go by, as their rows give them."""
    books: Mapping[str, Book]
    crosswalk: Crosswalk | None
    _digest: str

    def __init__(
        self,
        *,
        models: Iterable[Model] = (),
        providers: Iterable[ProviderRow] = (),
        targets: Iterable[Target] = (),
        aliases: Mapping[str, str] | None = None,
        books: Iterable[Book] = (),
        crosswalk: Crosswalk | None = None,
    ) -> None:
        """Build a catalog of exactly these; `ConfigurationError` where a target or alias points at nothing."""
        set_field = object.__setattr__
        by_name = {model.name: model for model in _all(models, Model, "models")}
        known = _names(aliases)
        if crosswalk is not None and not isinstance(crosswalk, Crosswalk):
            raise ConfigurationError(f"crosswalk={shown(crosswalk)} is no Crosswalk(...); leave it out")
        whole = {name: resolved(model, by_name, known) for name, model in by_name.items()}
        set_field(self, "models", MappingProxyType(whole))
        rows = {row.name: row for row in _all(providers, ProviderRow, "providers")}
        set_field(self, "providers", MappingProxyType(rows))
        set_field(self, "provider_aliases", MappingProxyType(provider_aliases(rows.values())))
        bound = [self._bound(target) for target in _all(targets, Target, "targets")]
        set_field(self, "targets", MappingProxyType({target.name: target for target in bound}))
        set_field(self, "aliases", MappingProxyType(known))
        set_field(self, "books", MappingProxyType({book.name: book for book in _all(books, Book, "books")}))
        set_field(self, "crosswalk", crosswalk)
        set_field(self, "_digest", "")
        for alias, name in self.aliases.items():
            if alias in self.models:
                raise ConfigurationError(f"the alias {alias!r} is also the name of a model; rename one")
            if name not in self.models:
                raise UnknownNameError("model", name, self.models, hint=f"The alias {alias!r} points at it.")

    @classmethod
    def builtin(cls) -> Catalog:
        """Return the catalog that ships with the library; read once, on first use."""
        if not _builtin:
            from modelroute.catalog.load import load_builtin

            _builtin.append(load_builtin())
        return _builtin[0]

    @classmethod
    def load(cls, path: str | PathLike[str], *, onto: Catalog | None = None) -> Catalog:
        """Return `onto` (default: the built-in catalog) with the TOML file at `path` on top.

        A table for a name that exists changes only the keys it gives and adds its scores; prices given replace all
        prices. Raises `ConfigurationError` naming file, table and key.
        """
        from modelroute.catalog.load import load_file

        return load_file(path, cls.builtin() if onto is None else onto)

    @classmethod
    def installed(cls, *, onto: Catalog | None = None, strict: bool = False) -> Catalog:
        """Return `onto` (default: the built-in catalog) with what installed packages add to it.

        They do so by an entry point of the group ``modelroute.providers``. What cannot be used is left out with a
        warning that names the package; with `strict` it raises `ConfigurationError`.
        """
        from modelroute.catalog.plugins import with_installed

        return with_installed(cls.builtin() if onto is None else onto, strict=strict)

    def with_(
        self,
        *,
        models: Iterable[Model] = (),
        providers: Iterable[ProviderRow] = (),
        targets: Iterable[Target] = (),
        aliases: Mapping[str, str] | None = None,
    ) -> Catalog:
        """Return a catalog with these added; what has the name of one that is here replaces it.

        A replaced model is replaced in its targets too. `ConfigurationError` where a target's provider is unknown.
        """
        merged = {**self.models, **{model.name: model for model in _all(models, Model, "models")}}
        added = _all(targets, Target, "targets")
        rows = {row.name: row for row in _all(providers, ProviderRow, "providers")}
        for target in added:
            merged.setdefault(target.model.name, target.model)
        return Catalog(
            models=merged.values(),
            providers={**self.providers, **rows}.values(),
            targets={**self.targets, **{target.name: target for target in added}}.values(),
            aliases={**self.aliases, **_names(aliases)},
            books=self.books.values(),
            crosswalk=self.crosswalk,
        )

    def model(self, name: str) -> Model:
        """Return the model called `name`, or for which `name` is an alias."""
        found = self.models.get(self.canonical(name))
        if found is None:
            raise UnknownNameError("model", name, (*self.models, *self.aliases))
        return found

    def target(self, name: str) -> Target:
        """Return the target ``model@provider``; model and provider may be aliases."""
        found = self.targets.get(self.canonical(checked_name("target", name)))
        if found is None:
            raise UnknownNameError("target", name, self.targets)
        return found

    def provider(self, name: str) -> ProviderRow:
        """Return the provider row called `name`, or for which `name` is an alias."""
        found = self.providers.get(self.provider_name(checked_name("provider", name)))
        if found is None:
            raise UnknownNameError("provider", name, (*self.providers, *self.provider_aliases))
        return found

    def provider_name(self, name: str) -> str:
        """Return a provider's name with its alias, if it is one, replaced. Nothing is looked up."""
        return self.provider_aliases.get(name, name)

    def book(self, name: str) -> Book:
        """Return the price book called `name`."""
        found = self.books.get(checked_name("price book", name))
        if found is None:
            raise UnknownNameError("price book", name, self.books)
        return found

    def canonical(self, name: str) -> str:
        """Return the name of a model or target with the aliases in it replaced. Nothing is looked up."""
        model, at, provider = checked_name("model", name).rpartition("@")
        if not at:
            return self.aliases.get(name, name)
        return f"{self.aliases.get(model, model)}@{self.provider_name(provider)}"

    def resolve(self, model: Model) -> Model:
        """Return `model` with what it leaves open taken from the model it is `like`; others are returned as they are.

        Limits, features, efforts, vocabulary and scores are inherited, the scores as estimates: basis ``"like ..."``.
        """
        if not isinstance(model, Model):
            raise ConfigurationError(f"resolve takes a Model(...), not {shown(model)}; model(name) looks one up")
        return resolved(model, self.models, self.aliases)

    def findings(
        self,
        today: date | str,
        *,
        dialects: Collection[str] | None = None,
        profiles: Collection[str] | None = None,
    ) -> tuple[CatalogFinding, ...]:
        """Return what is missing, old or about to run out on `today` (a date or ISO text), errors first.

        `dialects`, `profiles`: the names that rows may use (`modelroute.providers`); not looked at when left out.
        """
        from modelroute.catalog.lint import findings

        return findings(self, checked_day(today), dialects=dialects, profiles=profiles)

    @property
    def as_of(self) -> str:
        """The newest date of any fact, ``""`` in a catalog without dates."""
        dates = {row.as_of for row in self.providers.values()} | {model.as_of for model in self.models.values()}
        for model in self.models.values():
            dates.update(score.as_of for score in model.scores)
        for target in self.targets.values():
            dates.add(target.as_of)
            dates.update(row.as_of for row in (target.price.rows if target.price is not None else ()))
        return max(dates, default="")

    @property
    def scales(self) -> frozenset[str]:
        """Every scale some model has a score on, and `intelligence`."""
        return frozenset({INTELLIGENCE, *(score.scale for model in self.models.values() for score in model.scores)})

    @property
    def digest(self) -> str:
        """Twelve hex digits of the SHA-256 of all content; equal content, equal digest, in any order."""
        if not self._digest:
            content = {
                name: {key: _plain(item) for key, item in sorted(getattr(self, name).items())}
                for name in ("models", "providers", "targets", "aliases", "books")
            }
            text = json.dumps([content, _plain(self.crosswalk)], sort_keys=True, separators=(",", ":"))
            object.__setattr__(self, "_digest", hashlib.sha256(text.encode()).hexdigest()[:12])
        return self._digest

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("Catalog is immutable; with_(...) returns a changed one")

    def __delattr__(self, name: str) -> None:
        raise AttributeError("Catalog is immutable; with_(...) returns a changed one")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Catalog):
            return NotImplemented
        return self is other or self.digest == other.digest

    def __hash__(self) -> int:
        return hash((Catalog, self.digest))

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle by plain values: read-only mappings cannot be pickled."""
        parts = {name: tuple(getattr(self, name).values()) for name in ("models", "providers", "targets", "books")}
        return (_rebuild, (parts | {"aliases": dict(self.aliases), "crosswalk": self.crosswalk},))

    def __repr__(self) -> str:
        return (
            f"<Catalog {self.as_of or 'undated'}: {len(self.models)} models, {len(self.providers)} providers, "
            f"{len(self.targets)} targets, digest {self.digest}>"
        )

    def _bound(self, target: Target) -> Target:
        provider = self.provider_name(target.provider)
        if provider not in self.providers:
            raise UnknownNameError(
                "provider",
                provider,
                (*self.providers, *self.provider_aliases),
                hint=f"Target {target.name!r} needs it.",
            )
        model = self.models.get(target.model.name)
        if model is None:
            raise UnknownNameError("model", target.model.name, self.models, hint=f"Target {target.name!r} needs it.")
        if model is target.model and provider == target.provider:
            return target
        return replace(target, model=model, provider=provider)


def resolved(model: Model, models: Mapping[str, Model], aliases: Mapping[str, str] | None = None) -> Model:
    """Follow `like`, refusing circles; a model that was resolved once comes out unchanged."""
    if model.like is None:
        return model
    chain, base = [model.name], model
    bases: list[Model] = []
    while base.like is not None:
        name = (aliases or {}).get(base.like, base.like)
        if name in chain:
            raise ConfigurationError(
                f"the models {' -> '.join([*chain, name])} are like each other; one must stand alone"
            )
        if name not in models:
            raise UnknownNameError("model", base.like, models, hint=f"The model {base.name!r} is said to be like it.")
        base = models[name]
        chain.append(name)
        bases.append(base)
    whole = bases.pop()
    for heir in [*reversed(bases), model]:
        whole = _inherit(heir, whole)
    return whole


def provider_aliases(rows: Iterable[ProviderRow]) -> dict[str, str]:
    """Return providers' names by alias; `ConfigurationError` for an alias that could mean two of them."""
    rows = tuple(rows)
    owners = {row.name: row.name for row in rows}
    for row in rows:
        for alias in row.aliases:
            owner = owners.setdefault(alias, row.name)
            if owner != row.name:
                meant = "the name" if owner == alias else "an alias"
                raise ConfigurationError(
                    f"the provider {row.name!r} has the alias {alias!r}, which is {meant} of another one "
                    f"({owner}); a name must mean one provider, so give that one another"
                )
    return {alias: name for alias, name in owners.items() if alias != name}


def _inherit(model: Model, base: Model) -> Model:
    own = {(score.scale, score.effort) for score in model.scores}
    inherited = tuple(_as_like(score, base.name) for score in base.scores if (score.scale, score.effort) not in own)
    return replace(
        model,
        open_weights=base.open_weights if model.open_weights is None else model.open_weights,
        context_window=base.context_window if model.context_window is None else model.context_window,
        max_input=base.max_input if model.max_input is None else model.max_input,
        max_output=base.max_output if model.max_output is None else model.max_output,
        features=model.features or base.features,
        efforts=model.efforts or base.efforts,
        default_effort=model.default_effort or base.default_effort,
        reasons_by_default=model.reasons_by_default or base.reasons_by_default,
        shows_reasoning=model.shows_reasoning and base.shows_reasoning,
        vocabulary=model.vocabulary or base.vocabulary,
        scores=(*model.scores, *inherited),
    )


def _as_like(score: Score, name: str) -> Score:
    made_from = f" ({score.basis})" if score.estimated and score.basis else ""
    return replace(score, estimated=True, basis=f"like {name}{made_from}", quarter="")


def _all(values: Iterable[Part], kind: type[Part], argument: str) -> tuple[Part, ...]:
    members = listed(values)
    if members is None or not all(isinstance(member, kind) for member in members):
        wrong = shown(values) if members is None else next(shown(one) for one in members if not isinstance(one, kind))
        raise ConfigurationError(f"{argument}=[{kind.__name__}(...), ...] is a list of these, not {wrong}")
    return cast("tuple[Part, ...]", members)


def _names(aliases: Mapping[str, str] | None) -> dict[str, str]:
    if aliases is None:
        return {}
    if not isinstance(aliases, Mapping) or not all(isinstance(one, str) for pair in aliases.items() for one in pair):
        raise ConfigurationError(f"aliases={shown(aliases)} is no dict of names, such as {{'fast': 'deepseek-flash'}}")
    return dict(aliases)


def _rebuild(parts: Mapping[str, Any]) -> Catalog:
    return Catalog(**parts)


def _plain(value: object) -> object:
    """Return `value` as JSON can hold it, without what is derived from the rest; total, since errors show a digest."""
    if is_dataclass(value) and not isinstance(value, type):
        return {item.name: _plain(getattr(value, item.name)) for item in fields(value) if item.compare}
    if isinstance(value, Price):
        return [_plain(row) for row in value.rows]
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in cast(Mapping[object, object], value).items()}
    if isinstance(value, Set):
        return sorted(str(item) for item in cast(Set[object], value))
    if isinstance(value, tuple | list):
        return [_plain(item) for item in cast(tuple[object, ...], value)]
    if isinstance(value, float) and math.isinf(value):
        return str(value)
    return value if isinstance(value, str | int | float | None) else shown(value)
