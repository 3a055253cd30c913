"""Which targets a provider offers: what the catalog lists, or the models the user names, at the prices he pays."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias, cast

from modelroute.catalog.declared import listed
from modelroute.catalog.model import Model, ProviderRow, Target, checked_price
from modelroute.errors import ConfigurationError, UnknownNameError, shown

if TYPE_CHECKING:
    from modelroute.catalog.catalog import Catalog
    from modelroute.catalog.price import Price

__all__ = ["Models", "Offers", "checked_models", "checked_prices"]

Models: TypeAlias = "Iterable[str | Model] | Mapping[str, str | Model]"
"""A list of models, or a dict of them by the name that the provider knows each by."""


@dataclass(frozen=True, slots=True)
class Offers:
    """What one provider offers: its `row`, the `models` that were named (none: all the catalog lists), the prices paid.

    `wire_names` belong to `models`, one each, or are empty.
    """

    row: ProviderRow
    catalog: Catalog
    models: tuple[str | Model, ...]
    wire_names: tuple[str, ...]
    price: Price | None
    prices: Mapping[str, Price]
    is_declared: bool
    """Whether the user declared the server himself: what the catalog lists under its name is another's."""

    def targets(self) -> list[Target]:
        """Return the targets. Raises `UnknownNameError` for a model that neither catalog nor provider lists."""
        catalog, listing = self.catalog, self._listing()
        by_name = {target.wire_name: target for target in listing.values()} | listing
        if not self.models:
            self._check_priced({*by_name, *(alias for alias, name in catalog.aliases.items() if name in by_name)})
            return [self._priced(target) for target in listing.values()]
        targets: dict[str, Target] = {}
        for model, wire_name in self._named():
            target = self._priced(self._target(model, wire_name, by_name))
            if target.name in targets:
                raise ConfigurationError(
                    f"the provider {self.row.name!r} is given the model {target.model.name!r} twice; "
                    f"tell them apart: Model({shown(wire_name or 'another-name')}, like={target.model.name!r})"
                )
            targets[target.name] = target
        return list(targets.values())

    def _named(self) -> Iterator[tuple[str | Model, str | None]]:
        if self.wire_names:
            return zip(self.models, self.wire_names, strict=True)
        return ((model, None) for model in self.models)

    def _listing(self) -> dict[str, Target]:
        if self.is_declared:
            return {}
        return {one.model.name: one for one in self.catalog.targets.values() if one.provider == self.row.name}

    def _target(self, model: str | Model, wire_name: str | None, by_name: Mapping[str, Target]) -> Target:
        catalog, provider = self.catalog, self.row.name
        if isinstance(model, Model):
            return Target.of(catalog.resolve(model), provider, wire_name=wire_name)
        found = by_name.get(catalog.canonical(model)) or by_name.get(model)
        if found is not None:
            return found if wire_name is None else replace(found, wire_name=wire_name)
        known = catalog.models.get(catalog.canonical(model))
        if self.is_declared:
            return Target.of(known or Model(model), provider, wire_name=wire_name or model)
        if known is not None and (wire_name is not None or not by_name):
            # Under a name of the user's own, or where the catalog lists nothing, any model it knows may be served.
            return Target.of(known, provider, wire_name=wire_name or model)
        hint = "To add one the catalog does not list, pass Model(...)."
        if wire_name is not None and catalog.canonical(wire_name) in catalog.models:
            hint = f"A dict says which model each name of the provider's is: models={{{model!r}: {wire_name!r}}}."
        raise UnknownNameError(f"model of {provider}", model, by_name or catalog.models, hint=hint)

    def _priced(self, target: Target) -> Target:
        """Return `target` at the price the user gives for it, which goes before the catalog's."""
        names = {target.model.name, target.wire_name}
        given = [price for name, price in self.prices.items() if name in names or self.catalog.canonical(name) in names]
        price = given[0] if given else self.price
        return target if price is None else replace(target, price=price)

    def _check_priced(self, names: set[str]) -> None:
        for name in self.prices:
            if name not in names:
                raise UnknownNameError(f"model of {self.row.name} in prices", name, names)


def checked_models(models: object) -> tuple[tuple[str, ...], tuple[str | Model, ...]]:
    """Return (wire names, models). A generator is read once, here: read twice it would be empty, and admit every model.

    `ConfigurationError` for what is neither a list of names and models nor a dict of them.
    """
    if models is None:
        return (), ()
    if isinstance(models, str | Model):
        raise ConfigurationError(f"models takes a list: models=[{shown(models)}]")
    refusal = ConfigurationError(
        "models takes a list of names and Model(...) values, or a dict of them by the provider's own name for each, "
        f"not {shown(models)}"
    )
    wire_names, given = _read(models)
    names = all(isinstance(name, str) and name for name in wire_names)
    if given is None or not names or not all(isinstance(model, str | Model) and model for model in given):
        raise refusal
    if not given:
        raise ConfigurationError(
            "models is empty, so nothing would be served; leave it out to serve all that the catalog lists"
        )
    return cast("tuple[str, ...]", wire_names), cast("tuple[str | Model, ...]", given)


def _read(models: object) -> tuple[tuple[object, ...], tuple[object, ...] | None]:
    """Return (wire names, models), of which there are `None` where it is no collection."""
    if not isinstance(models, Mapping):
        return (), listed(models)
    by_name = cast("Mapping[object, object]", models)
    return tuple(by_name), tuple(by_name.values())


def checked_prices(prices: object, models: Iterable[str | Model]) -> Mapping[str, Price]:
    """Return prices by name; without `models`, which names there are is known when the catalog is."""
    if prices is None:
        return {}
    if not isinstance(prices, Mapping):
        raise ConfigurationError(
            f"prices={shown(prices)} is no dict: write prices={{'model': Price(input=..., output=...)}}"
        )
    checked: dict[str, Price] = {}
    names = {model if isinstance(model, str) else model.name for model in models}
    for name, price in cast("Mapping[object, object]", prices).items():
        if not isinstance(name, str) or (names and name not in names):
            raise UnknownNameError("model in prices", name, names)
        checked[name] = checked_price(price, f"prices[{name!r}]")
    return checked
