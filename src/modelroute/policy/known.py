"""The names a policy or call may use: an unknown one is refused with what was probably meant, never ignored."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from modelroute.catalog.catalog import Catalog
from modelroute.catalog.model import FEATURES
from modelroute.errors import UnknownNameError
from modelroute.policy.candidate import Candidate
from modelroute.policy.objective import Element
from modelroute.types.constraints import Constraints

__all__ = ["Known"]


class Known:
    """Models, targets, providers, vendors, features and scales of a catalog and the candidates at hand."""

    __slots__ = ("_canonical", "by_model", "features", "models", "providers", "scales", "targets", "vendors")

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
        self.by_model: dict[str, frozenset[str]] = dict.fromkeys(models, frozenset())
        for target in held:
            self.by_model[target.model.name] |= {target.name}

    def select(self, selector: str) -> frozenset[str]:
        """Return the candidates that a model's or target's name, or an alias, admits.

        Raises `UnknownNameError` for a name of neither.
        """
        name = self._canonical(selector)
        if name in self.by_model:
            return self.by_model[name]
        if name in self.targets:
            return frozenset({name})
        raise UnknownNameError(
            "model or target", selector, self.models | self.targets, hint='Use model="auto" to let the policy choose.'
        )

    def canonical(self, name: str) -> str:
        """Return a name with its alias, if it is one, replaced."""
        return self._canonical(name)

    def check(self, constraints: Constraints) -> None:
        """Raise `UnknownNameError` for a name, feature or scale of `constraints` that nothing declares."""
        _all_in("scale", (floor.scale for floor in constraints.floors), self.scales)
        _all_in("feature", constraints.needs, self.features)
        _all_in("vendor", constraints.vendors or (), self.vendors)
        _all_in("provider", constraints.providers or (), self.providers)
        ruled_out = map(self._canonical, constraints.without)
        _all_in("target, model or provider", ruled_out, self.targets | self.models | self.providers)

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
