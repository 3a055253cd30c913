"""Read catalog files: the ones that ship and the users' own have one format and one reader.

docs/reference/catalog.md tells what a file may hold. Each file is checked whole: unknown keys, wrong types, missing
sources and names that point at nothing are refused with file, table and key. Internal.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from importlib.resources import files
from os import PathLike, fspath
from pathlib import Path

from modelroute.catalog.books import Book, BookPrice
from modelroute.catalog.catalog import Catalog, provider_aliases, resolved
from modelroute.catalog.model import FEATURES, Model, ProviderRow, Score, Target
from modelroute.catalog.price import Price
from modelroute.catalog.read_prices import price_row, rates_of
from modelroute.catalog.read_providers import checked_dialect, provider_row
from modelroute.catalog.scores import Crosswalk
from modelroute.catalog.source import SourceFile
from modelroute.catalog.tables import Table
from modelroute.errors import ConfigurationError, did_you_mean, shown

__all__ = ["load_builtin", "load_file", "load_texts"]


def load_builtin() -> Catalog:
    """Return the catalog made of the files in ``modelroute/catalog/data``."""
    folder = files("modelroute.catalog") / "data"
    names = sorted(entry.name for entry in folder.iterdir() if entry.name.endswith(".toml"))
    return load_texts({name: (folder / name).read_text("utf-8") for name in names}, Catalog())


def load_file(path: str | PathLike[str], onto: Catalog) -> Catalog:
    """Return `onto` with the file at `path` on top; `ConfigurationError` where it cannot be read or used."""
    if not isinstance(path, str | PathLike):
        raise ConfigurationError(f"the path of a catalog file is text or a pathlib.Path, not {shown(path)}")
    if not isinstance(onto, Catalog):
        raise ConfigurationError(f"onto={shown(onto)} is no Catalog; leave it out for the built-in one")
    try:
        text = Path(path).read_text("utf-8")
    except (OSError, ValueError, TypeError) as error:
        raise ConfigurationError(f"cannot read the catalog file {shown(str(path), 500)}: {error}") from error
    return load_texts({fspath(path): text}, onto)


def load_texts(texts: Mapping[str, str], onto: Catalog) -> Catalog:
    """Return `onto` with the TOML of `texts`, by file name, on top. The files may refer to each other in any order."""
    documents = [SourceFile(name, text) for name, text in texts.items()]
    draft = _Draft(onto)
    first, then = (draft.add_providers, draft.add_models, draft.add_crosswalk), (draft.add_scores, draft.add_targets)
    for read in (*first, draft.check_names, *then):
        for document in documents:
            read(document)
    for document in documents:
        document.top.finish()
    return draft.catalog()


class _Draft:
    """What has been read so far, on top of a catalog."""

    def __init__(self, base: Catalog) -> None:
        self.providers = dict(base.providers)
        self.models = dict(base.models)
        self.targets = dict(base.targets)
        self.aliases = dict(base.aliases)
        self.books = dict(base.books)
        self.crosswalk = base.crosswalk

    def catalog(self) -> Catalog:
        return Catalog(
            models=self.models.values(),
            providers=self.providers.values(),
            targets=[replace(target, model=self.models[target.model.name]) for target in self.targets.values()],
            aliases=self.aliases,
            books=self.books.values(),
            crosswalk=self.crosswalk,
        )

    def add_providers(self, file: SourceFile) -> None:
        for name, table in file.top.children("providers"):
            owner = provider_aliases(self.providers.values()).get(name)
            if owner is not None:
                raise table.error(
                    "", f"{name!r} is an alias of {owner!r}: write [providers.{owner}], or choose another name"
                )
            with table.placing():
                self.providers[name] = provider_row(file, table, self.providers.get(name) or ProviderRow(name))
            table.finish()

    def add_models(self, file: SourceFile) -> None:
        for name, table in file.top.children("models"):
            with table.placing():
                self.models[name] = _model(file, table, self.models.get(name) or Model(name, vendor=file.vendor))
            table.finish()
        self.aliases.update(file.top.mapping("aliases"))

    def check_names(self, file: SourceFile) -> None:
        """Refuse aliases and likenesses that point at nothing, now that every model of every file is known."""
        pointers = [(file.top, f"aliases.{alias}", name) for alias, name in file.top.mapping("aliases").items()]
        for name, table in file.top.children("models"):
            like = self.models[name].like
            pointers += [(table, "like", self.aliases.get(like, like))] if like is not None else []
        for table, key, name in pointers:
            if name not in self.models:
                raise table.error(key, f"no model is called {name!r}.{did_you_mean(name, self.models)}")

    def add_crosswalk(self, file: SourceFile) -> None:
        table = file.top.child("crosswalk")
        if table is not None:
            self.crosswalk = _crosswalk(file, table)
            table.finish()

    def add_scores(self, file: SourceFile) -> None:
        """Ratings and estimates stand apart from the models they belong to, because a program keeps them up to date."""
        for row in file.top.rows("ratings"):
            source, as_of = file.provenance(row)
            listed, effort = row.required("id"), row.text("effort")
            with row.placing():
                scores = tuple(
                    Score(value, scale, source, as_of, effort, error=error, basis=listed)
                    for scale, (value, error) in row.measures("scores").items()
                )
            self._extend(row, scores)
        for row in file.top.rows("estimates"):
            if self.crosswalk is None:
                raise row.error("", "estimates need a [crosswalk] that made them")
            scale, source, as_of = self.crosswalk.scale, self.crosswalk.source, self.crosswalk.as_of
            estimate = partial(Score, row.required_number("value"), scale, source, as_of, row.text("effort"))
            with row.placing():
                score = estimate(estimated=True, error=row.required_number("error"), basis=row.required("basis"))
            self._extend(row, (score,))
        for name, table in file.top.children("books"):
            self.books[name] = _book(file, table, name, {*self.models, *self.aliases})
            table.finish()

    def add_targets(self, file: SourceFile) -> None:
        for name, table in file.top.children("targets"):
            with table.placing():
                target = self._target(file, table, name)
            self.targets[target.name] = target
            table.finish()

    def _extend(self, row: Table, scores: tuple[Score, ...]) -> None:
        name = row.required("model")
        model = self.models.get(name)
        if model is None:
            raise row.error("model", f"no model is called {name!r}.{did_you_mean(name, self.models)}")
        self.models[name] = replace(model, scores=_merged(model.scores, scores))
        row.finish()

    def _target(self, file: SourceFile, table: Table, name: str) -> Target:
        model_name, at, provider = name.rpartition("@")
        if not at:
            raise table.error("", "a target is called model@provider")
        model = self.models.get(self.aliases.get(model_name, model_name))
        if model is None:
            raise table.error("", f"no model is called {model_name!r}.{did_you_mean(model_name, self.models)}")
        aliases = provider_aliases(self.providers.values())
        provider = aliases.get(provider, provider)
        if provider not in self.providers:
            near = did_you_mean(provider, (*self.providers, *aliases))
            raise table.error("", f"no provider is called {provider!r}.{near}")
        base = self.targets.get(f"{model.name}@{provider}")
        if base is None:
            base = Target.of(resolved(model, self.models, self.aliases), provider)
        source, as_of = file.provenance(table)
        dialect = table.optional("dialect")
        lacks = _known(table, "lacks", table.texts("lacks"), FEATURES)
        features = frozenset(_known(table, "features", table.texts("features"), FEATURES)) or base.features
        prices = tuple(price_row(file, row, source, as_of) for row in table.rows("prices"))
        with table.placing("prices"):
            price = Price.dated(*prices) if prices else base.price
        return replace(
            base,
            wire_name=table.text("wire_name", base.wire_name),
            price=price,
            context_window=table.whole("context_window", base.context_window),
            max_input=table.whole("max_input", base.max_input),
            max_output=table.whole("max_output", base.max_output),
            features=features - frozenset(lacks),
            dialect=base.dialect if dialect is None else checked_dialect(table, "dialect", dialect),
            profile=table.optional("profile", base.profile),
            served=table.flag("served", base.served),
            retires=table.day("retires", base.retires or "", whole=True) or None,
            source=source,
            as_of=as_of,
            note=table.text("note", base.note),
        )


def _model(file: SourceFile, table: Table, base: Model) -> Model:
    source, as_of = file.provenance(table)
    open_weights = table.optional_flag("open_weights", base.open_weights)
    features = frozenset(_known(table, "features", table.texts("features"), FEATURES)) or base.features
    return replace(
        base,
        vendor=table.text("vendor", base.vendor),
        released=table.day("released", base.released or "") or None,
        open_weights=open_weights,
        licence=table.optional("licence", base.licence),
        licence_checked=table.flag("licence_checked", base.licence_checked),
        context_window=table.whole("context_window", base.context_window),
        max_input=table.whole("max_input", base.max_input),
        max_output=table.whole("max_output", base.max_output),
        features=features | {"open_weights"} if open_weights else features - {"open_weights"},
        efforts=table.texts("efforts") or base.efforts,
        default_effort=table.text("default_effort", base.default_effort),
        reasons_by_default=table.flag("reasons_by_default", base.reasons_by_default),
        shows_reasoning=table.flag("shows_reasoning", base.shows_reasoning),
        vocabulary=table.text("vocabulary", base.vocabulary),
        scores=_merged(base.scores, (_score(file, row) for row in table.rows("scores"))),
        served=table.flag("served", base.served),
        retires=table.day("retires", base.retires or "", whole=True) or None,
        like=table.optional("like", base.like),
        source=source,
        as_of=as_of,
        note=table.text("note", base.note),
    )


def _score(file: SourceFile, row: Table) -> Score:
    """A score's source is its own: who measures a model is seldom who lists its limits, so nothing is inherited."""
    source, as_of = file.provenance(row, source="", as_of="")
    with row.placing():
        score = Score(
            row.required_number("value"),
            row.required("scale"),
            source,
            as_of,
            row.text("effort"),
            row.flag("estimated", False),
            row.number("error"),
            row.text("basis"),
            row.text("quarter"),
        )
    row.finish()
    return score


def _merged(before: tuple[Score, ...], added: Iterable[Score]) -> tuple[Score, ...]:
    """A newer word on the same scale, effort and kind replaces the older one."""
    scores = {(score.scale, score.effort, score.estimated): score for score in before}
    scores |= {(score.scale, score.effort, score.estimated): score for score in added}
    return tuple(scores.values())


def _book(file: SourceFile, table: Table, name: str, models: Iterable[str]) -> Book:
    source, as_of = file.provenance(table)
    prices: dict[str, BookPrice] = {}
    for model, row in table.children("prices"):
        if model not in models:
            raise row.error("", f"no model is called {model!r}.{did_you_mean(model, models)}")
        prices[model] = BookPrice(rates_of(row), approximate=row.flag("approximate", False))
        row.finish()
    return Book(name, source, as_of, prices, table.text("note"))


def _crosswalk(file: SourceFile, table: Table) -> Crosswalk:
    source, as_of = file.provenance(table)
    number = table.required_number
    for row in table.rows("pairs"):
        _shape(row, ("model", "id"), ("score", "rating"))
    for row in table.rows("effort_pairs"):
        _shape(row, ("id", "raised"), ("rating", "raised_rating"))
    table.text("note")
    return Crosswalk(
        origin=table.required("origin"),
        scale=table.required("scale"),
        slope=number("slope"),
        intercept=number("intercept"),
        n=sum(1 for _ in table.rows("pairs")),
        error=number("error"),
        centre=number("centre"),
        spread=number("spread"),
        low=number("low"),
        high=number("high"),
        effort_step=number("effort_step"),
        effort_error=number("effort_error"),
        effort_pairs=sum(1 for _ in table.rows("effort_pairs")),
        source=source,
        as_of=as_of,
    )


def _shape(row: Table, texts: tuple[str, ...], numbers: tuple[str, ...]) -> None:
    for key in texts:
        row.required(key)
    for key in numbers:
        row.required_number(key)
    row.finish()


def _known(table: Table, key: str, names: tuple[str, ...], known: frozenset[str]) -> tuple[str, ...]:
    for name in names:
        if name not in known:
            raise table.error(
                key, f"unknown feature {name!r}.{did_you_mean(name, known)} Known: {', '.join(sorted(known))}."
            )
    return names
