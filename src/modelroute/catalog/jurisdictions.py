"""Names of places where prompts are processed: one spelling each, so that what is declared and asked for can meet."""

from __future__ import annotations

import re

from modelroute.errors import ConfigurationError, did_you_mean, shown

__all__ = ["SELF_HOSTED", "checked_jurisdiction"]

SELF_HOSTED = "self-hosted"
"""Jurisdiction of loopback and private hosts; it satisfies any."""

_CODE = re.compile(r"[A-Z]{2}")
_COMMON = ("EU", "US", "CN", "UK", "CH", "JP", "SG", "CA", SELF_HOSTED)
_SPELT_OUT = {
    "canada": "CA",
    "china": "CN",
    "eea": "EU",
    "europe": "EU",
    "european union": "EU",
    "germany": "DE",
    "france": "FR",
    "great britain": "UK",
    "japan": "JP",
    "local": SELF_HOSTED,
    "on-premises": SELF_HOSTED,
    "prc": "CN",
    "singapore": "SG",
    "switzerland": "CH",
    "united kingdom": "UK",
    "united states": "US",
    "usa": "US",
}
"""What people write who mean a code; only suggested, never taken: a constraint must say what it says."""


def checked_jurisdiction(name: object) -> str:
    """Return `name`; `ConfigurationError` for what is neither a two-letter code in capitals nor ``self-hosted``."""
    if isinstance(name, str) and (name == SELF_HOSTED or _CODE.fullmatch(name)):
        return name
    meant = _SPELT_OUT.get(name.strip().lower()) if isinstance(name, str) else None
    near = f" Did you mean {meant!r}?" if meant is not None else did_you_mean(name, _COMMON)
    raise ConfigurationError(
        f"jurisdiction {shown(name)} is not known.{near} "
        f"Use a two-letter code in capitals such as 'EU', 'US' or 'CN', or {SELF_HOSTED!r}."
    )
