"""The targets of one router: what its providers offer, as policy, limiter and catalog see them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from modelroute.catalog.model import EMBEDDING
from modelroute.errors import ConfigurationError
from modelroute.policy.candidate import Candidate
from modelroute.resilience.limiter import Concurrency

if TYPE_CHECKING:
    from modelroute.catalog.catalog import Catalog
    from modelroute.providers.endpoint import Endpoint
    from modelroute.providers.provider import Provider

__all__ = ["candidate_of", "concurrency_of", "endpoints_of", "with_declared"]


def endpoints_of(providers: Sequence[Provider], catalog: Catalog) -> dict[str, Endpoint]:
    """Return the endpoints of `providers` by target. Raises `ConfigurationError` for what is no list of providers."""
    if isinstance(providers, str) or not isinstance(providers, Sequence):
        raise ConfigurationError("Router takes a list of providers: Router([Provider('deepseek'), ...])")
    if not providers:
        raise ConfigurationError("Router([]) has no provider; give it at least one, or use Router.from_env()")
    found: dict[str, Endpoint] = {}
    for provider in providers:
        if not hasattr(provider, "endpoints"):
            raise ConfigurationError(f"Router takes Provider objects, not {provider!r}; write Provider({provider!r})")
        for endpoint in provider.endpoints(catalog):
            name = endpoint.target.name
            if name in found:
                raise ConfigurationError(
                    f"the target {name!r} is declared twice; give one of the providers another name=, "
                    "or list its keys together"
                )
            found[name] = endpoint
    return found


def with_declared(catalog: Catalog, endpoints: Iterable[Endpoint]) -> Catalog:
    """Return the catalog with the models and targets that the providers declare themselves.

    A name that the user gives to a server of his own means that server, even where it was an alias in the catalog.
    """
    targets = [endpoint.target for endpoint in endpoints]
    new = [target for target in targets if catalog.targets.get(target.name) is not target]
    if not new:
        return catalog
    models = {target.model.name: target.model for target in new if target.model.name not in catalog.models}
    rows = {endpoint.target.provider: endpoint.row for endpoint in endpoints}
    declared = {name: row for name, row in rows.items() if name not in catalog.providers}
    shadowed = {catalog.provider_aliases[name] for name in declared if name in catalog.provider_aliases}
    renamed = [
        replace(row, aliases=tuple(alias for alias in row.aliases if alias not in declared))
        for row in map(catalog.provider, shadowed)
    ]
    return catalog.with_(models=tuple(models.values()), providers=(*renamed, *declared.values()), targets=tuple(new))


def candidate_of(endpoint: Endpoint) -> Candidate:
    """Return the endpoint as the policy sees it. Vectors are no output that a cap would have to bound."""
    features = endpoint.target.features or endpoint.target.model.features
    return Candidate(
        target=endpoint.target,
        jurisdiction=endpoint.jurisdiction,
        self_hosted=endpoint.self_hosted,
        honours_output_cap=endpoint.honours_output_cap or EMBEDDING in features,
        always_capped=endpoint.always_capped,
    )


def concurrency_of(endpoints: Iterable[Endpoint]) -> dict[str, Concurrency]:
    """Return how many calls may be in flight and waiting, for the targets of which that was said."""
    usual = Concurrency()
    return {
        endpoint.name: Concurrency(
            usual.limit if endpoint.max_in_flight is None else endpoint.max_in_flight,
            usual.queue if endpoint.max_queued is None else endpoint.max_queued,
        )
        for endpoint in endpoints
        if endpoint.max_in_flight is not None or endpoint.max_queued is not None
    }
