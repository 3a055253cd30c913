"""Who serves models over HTTP: where, with which key, in which dialects, under which law. All of it is data."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from modelroute.catalog import declared
from modelroute.catalog.jurisdictions import checked_jurisdiction
from modelroute.errors import ConfigurationError, UnknownNameError

__all__ = ["DIALECTS", "Api", "ProviderRow"]

DIALECTS = frozenset({"openai-chat", "openai-responses", "anthropic-messages", "gemini"})
"""What a row may be said to speak; `modelroute.providers.dialects` speaks exactly these."""

_NOTHING: Mapping[str, str] = MappingProxyType({})
_NO_APIS: Mapping[str, Api] = MappingProxyType({})
_REGION = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_PLACEHOLDER = re.compile(r"\{[a-z_]+\}")
_REGION_PLACE = "{region}"
_LONGEST_REGION = 40


@dataclass(frozen=True, slots=True)
class Api:
    """Another API of a provider, beside the one its row speaks.

    `urls`: base URL by region, `url_template` as in `ProviderRow`; both empty: where the row is. `profile`: how it
    departs from its dialect; ``""``: as the row does.

    Raises `ConfigurationError` for what cannot be meant.
    """

    urls: Mapping[str, str] = field(default_factory=lambda: _NOTHING, hash=False)
    profile: str = ""
    url_template: str = ""

    def __post_init__(self) -> None:
        declared.text_mapping(self, "urls")
        declared.text(self, "profile", "url_template")
        _check_template(self, self.url_template)

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle by plain values: a read-only mapping cannot be pickled."""
        return (Api, (dict(self.urls), self.profile, self.url_template))


@dataclass(frozen=True, slots=True)
class ProviderRow:
    """Someone who serves models over HTTP: all of it data.

    `urls`: base URL by region, the first is the default. `keys`: environment variables that may hold the key, in order.
    `dialect` and `profile` name how it speaks (`modelroute.providers`). `jurisdictions`: by region, e.g. ``"US"``,
    ``"CN"``, ``"EU"``; left out when unknown. `retention_days`: how long prompts are kept. `trains`: whether they may
    be trained on.
    `charges_errors`: `False` where the provider documents failed requests as unbilled.

    - `aliases`: other names it goes by, such as ``"gemini"`` for ``"google"``.
    - `apis`: its other APIs by dialect, each an `Api`.
    - `url_template`: a URL with a place to fill in: ``{region}`` for regions beyond `urls`, any other word where each
      account has a host of its own, which the user has to give.
    - `url_env`, `region_env`: environment variables that may hold base URL and region, in order; `Router.from_env()`
      reads them. `url_path`: the path its base URLs end in, put after a URL that has none.
    - `roaming`: patterns (``*``) of wire names that are computed anywhere, so that their jurisdiction is unknown
      whatever the region.

    Raises `ConfigurationError` for what cannot be meant.
    """

    name: str
    urls: Mapping[str, str] = field(default_factory=lambda: _NOTHING, hash=False)
    keys: tuple[str, ...] = ()
    dialect: str = "openai-chat"
    profile: str = "compatible"
    jurisdictions: Mapping[str, str] = field(default_factory=lambda: _NOTHING, hash=False)
    retention_days: int | None = None
    trains: bool | None = None
    charges_errors: bool = True
    needs_key: bool = True
    source: str = ""
    as_of: str = ""
    note: str = ""
    aliases: tuple[str, ...] = ()
    apis: Mapping[str, Api] = field(default_factory=lambda: _NO_APIS, hash=False)
    url_template: str = ""
    url_env: tuple[str, ...] = ()
    region_env: tuple[str, ...] = ()
    url_path: str = ""
    roaming: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        declared.provider_name(self)
        for name in ("urls", "jurisdictions"):
            declared.text_mapping(self, name)
        for jurisdiction in self.jurisdictions.values():
            checked_jurisdiction(jurisdiction)
        for name in ("keys", "aliases", "url_env", "region_env", "roaming"):
            declared.texts(self, name)
        declared.text(self, "dialect", "profile", "source", "note", "url_template", "url_path")
        declared.whole(self, "retention_days", least=0)
        declared.optional_flag(self, "trains")
        declared.flag(self, "charges_errors", "needs_key")
        declared.day(self, "as_of")
        for alias in self.aliases:
            if declared.checked_provider_name(alias) == self.name:
                raise declared.refusal(self, "aliases", f"{alias!r} is its own name; leave it out")
        object.__setattr__(self, "apis", _checked_apis(self, self.apis))
        _check_template(self, self.url_template)
        if self.url_path and (not self.url_path.startswith("/") or self.url_path.endswith("/")):
            raise declared.refusal(self, "url_path", "give the path of a base URL, such as '/v1'")

    @property
    def dialects(self) -> tuple[str, ...]:
        """Every dialect it is said to speak, its usual one first."""
        return (self.dialect, *(dialect for dialect in self.apis if dialect != self.dialect))

    def speaking(self, dialect: str) -> ProviderRow:
        """Return the row as it is where `dialect` is spoken; `UnknownNameError` where it has no such API."""
        api = self.apis.get(dialect)
        if api is None:
            if dialect == self.dialect:
                return self
            raise UnknownNameError(f"dialect of {self.name}", dialect, self.dialects)
        elsewhere = bool(api.urls or api.url_template)
        return replace(
            self,
            dialect=dialect,
            profile=api.profile or self.profile,
            urls=api.urls if elsewhere else self.urls,
            url_template=api.url_template if elsewhere else self.url_template,
            url_path=_path_of(api) if elsewhere and self.url_path else self.url_path,
        )

    def url(self, region: str | None = None) -> tuple[str, str]:
        """Return (region, base URL), by default the first.

        Raises `UnknownNameError` for a region it does not have, `ConfigurationError`, which says what to write, where
        there is no URL but one the user has to give.
        """
        if region is None and self.urls:
            return next(iter(self.urls.items()))
        if region is not None and region in self.urls:
            return region, self.urls[region]
        if _REGION_PLACE in self.url_template:
            if region is None:
                example = next(iter(self.jurisdictions), "eu-1")
                raise ConfigurationError(
                    f"the provider {self.name!r} is everywhere: pass region=..., such as {example!r}"
                )
            if len(region) > _LONGEST_REGION or not _REGION.fullmatch(region):
                raise UnknownNameError(
                    f"region of {self.name}", region, self.urls, hint="Others are written like these: a-z, 0-9 and '-'."
                )
            return region, self.url_template.replace(_REGION_PLACE, region)
        if self.urls:
            elsewhere = f"For another, give the URL of its {self.dialect} API: url=..."
            raise UnknownNameError(f"region of {self.name}", region, self.urls, hint=elsewhere)
        raise ConfigurationError(self._needs_url())

    def roams(self, wire_name: str) -> bool:
        """Whether the model of that name is computed anywhere, whatever the region."""
        return any(fnmatchcase(wire_name, pattern) for pattern in self.roaming)

    def _needs_url(self) -> str:
        if not self.url_template:
            return f"the provider {self.name!r} has no URL in the catalog; pass url=..."
        form = _PLACEHOLDER.sub(lambda place: f"<{place[0][1:-1]}>", self.url_template)
        return (
            f"each account at {self.name!r} has a host of its own, which the catalog cannot know: write "
            f"Provider({self.name!r}, url={form!r}, models={{'<deployment>': '<model>'}})"
        )

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle by plain values: a read-only mapping cannot be pickled."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        plain = {name: dict(values[name]) for name in ("urls", "jurisdictions", "apis")}
        return (_provider_row, (values | plain,))


def _checked_apis(row: ProviderRow, apis: object) -> Mapping[str, Api]:
    try:
        read: dict[object, object] = dict(apis)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
    except Exception:  # noqa: BLE001 - whatever a value raises when it is read, it is no mapping
        read = {None: None}
    if not all(isinstance(dialect, str) and isinstance(api, Api) for dialect, api in read.items()):
        raise declared.refusal(row, "apis", "give a dict of Api values by dialect, such as {'openai-responses': Api()}")
    return MappingProxyType({str(dialect): api for dialect, api in read.items() if isinstance(api, Api)})


def _path_of(api: Api) -> str:
    """Return the path that the base URLs of `api` end in."""
    return urlsplit(next(iter(api.urls.values()), api.url_template)).path.rstrip("/")


def _check_template(owner: object, template: str) -> None:
    if template and (len(_PLACEHOLDER.findall(template)) != 1 or not template.startswith("https://")):
        raise declared.refusal(
            owner, "url_template", "give an https:// URL with one place to fill in, such as 'https://{region}.host/v1'"
        )


def _provider_row(values: Mapping[str, Any]) -> ProviderRow:
    return ProviderRow(**values)
