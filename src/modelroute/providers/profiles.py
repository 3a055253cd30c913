"""The profiles that are known, gathered from the vendors' modules: providers, and the models that depart from theirs.

Facts as of 2026-11-21. Where a departure is only said to exist it is left out: asking for too much ends in an
`unsupported` failure that moves on and is remembered, while a wrong entry would bar a target for ever.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fnmatch import fnmatchcase
from functools import lru_cache
from types import MappingProxyType

from modelroute.catalog.model import ProviderRow, Target
from modelroute.errors import UnknownNameError
from modelroute.providers.parts import fields
from modelroute.providers.profile import Departure, Profile
from modelroute.providers.vendors import (
    alibaba,
    anthropic,
    bedrock,
    deepseek,
    google,
    hosts,
    local,
    minimax,
    mistral,
    moonshot,
    openai,
    openrouter,
    xai,
    xiaomi,
    zai,
)

__all__ = ["MODELS", "PROFILES", "at_most_its_price", "profile_for", "profile_named"]

_VENDORS = (
    openai, anthropic, google, moonshot, deepseek, xiaomi, zai, minimax, alibaba, mistral, xai, openrouter, hosts,
    bedrock, local,
)  # fmt: skip

PROFILES: Mapping[str, Profile] = MappingProxyType(
    {profile.name: profile for vendor in _VENDORS for profile in vendor.PROFILES}
)
"""Profiles by name: what `ProviderRow.profile`, `Target.profile` and `Provider.compatible(profile=...)` may say."""

MODELS: Mapping[str, tuple[tuple[str, Departure], ...]] = MappingProxyType(
    {name: table for vendor in _VENDORS for name, table in vendor.MODELS.items()}
)
"""Per profile, patterns over the provider's name of a model, most specific first: the first that matches is applied."""


def profile_named(name: str) -> Profile:
    """Return the profile called `name`, or raise `UnknownNameError`."""
    profile = PROFILES.get(name) if isinstance(name, str) else None
    if profile is None:
        raise UnknownNameError("profile", name, PROFILES)
    return profile


@lru_cache(maxsize=4_096)
def _for_model(name: str, *names: str) -> Profile:
    profile = profile_named(name)
    for pattern, departure in MODELS.get(name, ()):
        if any(fnmatchcase(each, pattern) for each in names):
            return replace(profile, **departure)
    return profile


def at_most_its_price(profile: Profile, target: Target) -> Profile:
    """Return `profile` with `target`'s price as the highest that may be charged, rate by rate; as it is without one.

    Of several price lists the lowest counts, since nothing here knows the hour.
    """
    if target.price is None:
        return profile
    rates = [rates for row in target.price.rows for rates in row.every_rate]
    limit = {
        "prompt": min(each.input for each in rates) / 1_000_000,
        "completion": min(each.output for each in rates) / 1_000_000,
    }
    stated = fields(profile.extras.get(profile.price_limit))
    return replace(profile, extras={**profile.extras, profile.price_limit: {**stated, "max_price": limit}})


def profile_for(target: Target, row: ProviderRow) -> Profile:
    """Return how `target` departs: its own profile's name or its provider's, then what the table says of the model.

    A model is known by the provider's name of it, by its own, and by that of the model it was declared to be like.
    """
    model = target.model
    return _for_model(
        target.profile or row.profile, target.wire_name.lower(), model.name.lower(), (model.like or "").lower()
    )
