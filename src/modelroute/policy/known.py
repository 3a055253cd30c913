"""The names a policy or call may use: an unknown one is refused with what was probably meant, never ignored."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from modelroute.catalog.catalog import Catalog
from modelroute.catalog.model import FEATURES
from modelroute.errors import UnknownNameError
from modelroute.policy.candidate import Candidate
from modelroute.policy.objective import Element
from modelroute.types.constraints import Constraints

__all__ = ["Known"]

_DECLARE = 'Declare it at its provider: models=[Model("name", features={"embedding"})].'


class Known:
    """Models, targets, providers, vendors, features and scales of a catalog and the candidates at hand."""

    __slots__ = (
        "_canonical",
        "_provider_aliases",
        "by_model",
        "features",
        "models",
        "providers",
        "scales",
        "targets",
        "vendors",
    )

    def __init__(self, catalog: Catalog, candidates: Sequence[Candidate]) -> None:
        held = [candidate.target for candidate in candidates]
        models = {**{target.model.name: target.model for target in held}, **catalog.models}
        self.models = frozenset(models)
        self.targets = frozenset(catalog.targets) | {target.name for target in held}
        self.providers = frozenset(catalog.providers) | {target.provider for target in held}
        self.vendors = frozenset(model.vendor for model in models.values() if model.vendor)
        self.features = FEATURES.union(*(model.features for model in models.values()), *(one.features for one in held))
        self.scales = catalog.scales | {score.scale for model in models.values() for score in model.scores}
        self._canonical = catalog.canonical
        self._provider_aliases = catalog.provider_aliases
        self.by_model: dict[str, frozenset[str]] = dict.fromkeys(models, frozenset())
        for target in held:
            self.by_model[target.model.name] |= {target.name}

    def select(self, selector: str, *, embeds: bool = False) -> frozenset[str]:
        """Return the candidates that a model's or target's name, or an alias, admits.

        `embeds`: it was named for vectors. Raises `UnknownNameError` for a name of neither.
        """
        name = self._canonical(selector)
        if name in self.by_model:
            return self.by_model[name]
        if name in self.targets:
            return frozenset({name})
        hint = _DECLARE if embeds else 'Use model="auto" to let the policy choose.'
        raise UnknownNameError("model or target", selector, self.models | self.targets, hint=hint)

    def canonical(self, name: str) -> str:
        """Return a name with its alias, if it is one, replaced."""
        return self._canonical(name)

    def named(self, constraints: Constraints) -> Constraints:
        """Return `constraints` with the aliases of targets, models and providers in it replaced."""
        if constraints.providers is None and not constraints.without:
            return constraints
        return replace(
            constraints,
            providers=None if constraints.providers is None else frozenset(map(self._provider, constraints.providers)),
            without=frozenset(map(self._ruled_out, constraints.without)),
        )

    def _provider(self, name: str) -> str:
        return self._provider_aliases.get(name, name)

    def _ruled_out(self, name: str) -> str:
        """A model's name goes before a provider's alias: what somebody called so himself is what he means."""
        canonical = self._canonical(name)
        return canonical if canonical in self.models else self._provider(canonical)

    def check(self, constraints: Constraints) -> None:
        """Raise `UnknownNameError` for a name, feature or scale of `constraints` that nothing declares."""
        _all_in("scale", (floor.scale for floor in constraints.floors), self.scales)
        _all_in("feature", constraints.needs, self.features)
        _all_in("vendor", constraints.vendors or (), self.vendors)
        providers = self.providers | self._provider_aliases.keys()
        _all_in("provider", constraints.providers or (), providers)
        ruled_out = map(self._ruled_out, constraints.without)
        _all_in("target, model or provider", ruled_out, self.targets | self.models | providers)

    def check_scales(self, scales: Iterable[str]) -> None:
        """Raise `UnknownNameError` for a scale on which nothing has a score."""
        _all_in("scale", scales, self.scales)

    def check_features(self, features: Iterable[str]) -> None:
        """Raise `UnknownNameError` for a feature that nothing declares."""
        _all_in("feature", features, self.features)

    def check_names(self, elements: Iterable[Element]) -> None:
        """Raise `UnknownNameError` for a preferred name of no model or target."""
        names = (self._canonical(part) for part in elements if isinstance(part, str))
        _all_in("model, target or objective", names, self.models | self.targets)


def _all_in(kind: str, names: Iterable[str], known: frozenset[str]) -> None:
    for name in sorted(names):
        if name not in known:
            raise UnknownNameError(kind, name, known)
