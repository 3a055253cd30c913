"""Someone who serves models, as the user declares them: a row of the catalog with a key, or any compatible URL."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from modelroute.catalog.declared import checked_provider_name, whole
from modelroute.catalog.jurisdictions import SELF_HOSTED, checked_jurisdiction
from modelroute.catalog.model import Model, ProviderRow, Target, checked_price
from modelroute.errors import ConfigurationError, shown
from modelroute.providers.address import (
    checked_headers,
    checked_url,
    checked_urls,
    is_plaintext,
    is_private,
    with_path,
)
from modelroute.providers.dialects import dialect_named
from modelroute.providers.endpoint import Endpoint
from modelroute.providers.key import Key, KeyLike, as_keys
from modelroute.providers.offers import Models, Offers, checked_models, checked_prices
from modelroute.providers.profiles import profile_for, profile_named

if TYPE_CHECKING:
    from modelroute.catalog.catalog import Catalog
    from modelroute.catalog.price import Price
    from modelroute.providers.call import Headers

__all__ = ["Provider"]


_COMPATIBLE = "compatible"
_PLAIN: Mapping[str, str] = {"anthropic-messages": "messages", "gemini": "google"}
"""The profile of a server of which nothing is known but its dialect: it has other words than `compatible`, OpenAI's."""


class Provider:
    """A provider the router may call.

    ``Provider("deepseek")`` is the row of that name in the catalog, its key read from the row's environment variable;
    `Provider.compatible` is any other server that speaks a known dialect. Names are checked against the catalog when a
    router is built with it.

    - `key`: text, `Key`, a callable returning text (asked at each attempt), or a list of several.
    - `region`: one of the row's; default its first. `url`: another base URL than the row's, e.g. of a gateway, or a
      list of several, where replicas serve the same models. Every URL with every key is a *lane* of each target.
    - `dialect`: another API of this provider than its usual one, such as ``"anthropic-messages"`` of ``"moonshot"``.
    - `headers`: a dict or pairs, sent with every call, never shown. `http`: connection options, handed on to the
      runtime.
    - `models`: names to serve only these of the catalog's targets, `Model(...)` to add what it does not list; left out,
      all the catalog lists. A dict gives each by the name that the provider knows it by, such as a deployment's:
      ``{"our-deployment": "gpt-5.5"}``.
    - `prices`: what you pay, by model; `price`: for every model not in `prices`. Yours goes before the catalog's. What
      has neither is of unknown price, never eligible under a ceiling.
    - `jurisdiction`: where prompts are processed, when it is not what the row says: a code such as ``"EU"``, as in
      `jurisdictions` of a policy; a `url` of your own is unknown unless it is on your machine or network.
    - `rpm`, `tpm`: the requests and tokens one lane may take in a minute. `max_in_flight`, `max_queued`: the requests
      of one target that may run, and wait for their turn, at once.
    - `allow_plaintext`: send a key over plain ``http://`` to a public host.

    Immutable. Raises `ConfigurationError` without echoing key, URL or header values.
    """

    __slots__ = (
        "allow_plaintext", "dialect", "headers", "http", "jurisdiction", "keys", "max_in_flight", "max_queued",
        "models", "name", "price", "prices", "region", "row", "rpm", "tpm", "urls", "wire_names",
    )  # fmt: skip
    name: str
    keys: tuple[Key, ...]
    region: str | None
    urls: tuple[str, ...]
    """Base URLs that go before the row's, one per replica."""
    headers: Headers
    http: object
    dialect: str | None
    """The API that is used, `None` for the usual one."""
    models: tuple[str | Model, ...]
    wire_names: tuple[str, ...]
    """The names that the provider knows `models` by, one each; empty where none was given."""
    price: Price | None
    prices: Mapping[str, Price]
    jurisdiction: str | None
    rpm: int | None
    tpm: int | None
    max_in_flight: int | None
    max_queued: int | None
    allow_plaintext: bool
    row: ProviderRow | None
    """The row itself where it was declared here, `None` where the catalog has it."""

    def __init__(
        self,
        name: str,
        *,
        key: KeyLike | Sequence[KeyLike] | None = None,
        region: str | None = None,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] | None = None,
        http: object = None,
        url: str | Sequence[str] | None = None,
        dialect: str | None = None,
        models: Models | None = None,
        price: Price | None = None,
        prices: Mapping[str, Price] | None = None,
        jurisdiction: str | None = None,
        rpm: int | None = None,
        tpm: int | None = None,
        max_in_flight: int | None = None,
        max_queued: int | None = None,
        allow_plaintext: bool = False,
    ) -> None:
        set_field = object.__setattr__
        for field in Provider.__slots__:
            set_field(self, field, None)  # so that a traceback with locals can show what was never finished
        set_field(self, "name", checked_provider_name(name))
        set_field(self, "keys", as_keys(key))
        set_field(self, "region", _checked_region(region))
        set_field(self, "headers", checked_headers(headers))
        set_field(self, "http", http)
        set_field(self, "urls", () if url is None else checked_urls(url))
        set_field(self, "dialect", None if dialect is None else dialect_named(dialect).name)
        wire_names, served = checked_models(models)
        set_field(self, "models", served)
        set_field(self, "wire_names", wire_names)
        set_field(self, "price", None if price is None else checked_price(price, "price"))
        set_field(self, "prices", checked_prices(prices, (*served, *wire_names)))
        set_field(self, "jurisdiction", None if jurisdiction is None else checked_jurisdiction(jurisdiction))
        for limit, value in (("rpm", rpm), ("tpm", tpm), ("max_in_flight", max_in_flight), ("max_queued", max_queued)):
            set_field(self, limit, value)
        whole(self, "rpm", "tpm", "max_in_flight")
        whole(self, "max_queued", least=0)
        set_field(self, "allow_plaintext", _checked_flag(allow_plaintext))
        if region is not None and url is not None:
            raise ConfigurationError("give region or url, not both: a region is a URL the catalog knows")
        self._refuse_plaintext(self.urls, self.keys)

    @classmethod
    def compatible(
        cls,
        url: str | Sequence[str],
        *,
        name: str,
        models: Models,
        key: KeyLike | Sequence[KeyLike] | None = None,
        price: Price | None = None,
        prices: Mapping[str, Price] | None = None,
        dialect: str = "openai-chat",
        profile: str = "compatible",
        jurisdiction: str | None = None,
        headers: Mapping[str, str] | Iterable[tuple[str, str]] | None = None,
        http: object = None,
        rpm: int | None = None,
        tpm: int | None = None,
        max_in_flight: int | None = None,
        max_queued: int | None = None,
        allow_plaintext: bool = False,
    ) -> Provider:
        """Return a server at `url` (as its SDK's base URL) that speaks `dialect`, with the `models` it serves.

        Of replicas, which serve the same models at several URLs, `url` is the list. It counts as self-hosted only when
        all of them are on your machine or network.

        A name that the catalog knows brings that model's facts; `Model("my-tune", like="qwen3.8-27b")` vouches for your
        own. `price` holds for every model not in `prices`; ``Price.free()`` for what costs nothing, `None` for unknown.
        `profile` says how it departs from the dialect (`modelroute.providers.profiles`); ``"compatible"`` is the plain
        dialect, whichever it is. No `key`: none is sent.
        """
        if models is None:
            raise ConfigurationError(
                f"Provider.compatible(name={shown(name)}) needs models=[...]: a server's list is not asked for"
            )
        provider = cls(
            name, key=key, headers=headers, http=http, url=checked_urls(url), models=models, price=price, prices=prices,
            jurisdiction=jurisdiction, rpm=rpm, tpm=tpm, max_in_flight=max_in_flight, max_queued=max_queued,
            allow_plaintext=allow_plaintext,
        )  # fmt: skip
        dialect_named(dialect)
        profile_named(profile)
        for model in provider.models:
            _ = Model(model) if isinstance(model, str) else model  # a name that no model can have is refused here
        row = ProviderRow(provider.name, dialect=dialect, profile=profile, needs_key=bool(provider.keys))
        object.__setattr__(provider, "row", row)
        return provider

    def endpoints(self, catalog: Catalog) -> tuple[Endpoint, ...]:
        """Return one endpoint per target of this provider, by name.

        Raises `UnknownNameError` for a provider, region or model that `catalog` does not know, `ConfigurationError`
        where there would be none.
        """
        row = self.row or catalog.provider(self.name)
        keys = self._keys(row)
        usual = row if self.dialect is None else row.speaking(self.dialect)
        self._place(usual)  # where it is comes first: it is what an error about Azure has to say
        offers = Offers(row, catalog, self.models, self.wire_names, self.price, self.prices, self.row is not None)
        targets = sorted(offers.targets(), key=lambda one: one.name)
        if not targets:
            raise ConfigurationError(
                f"the catalog lists nothing that {self.name!r} serves, and it is not asked: say which models it has, "
                f"Provider({self.name!r}, models=['a-model-of-the-catalog', Model('my-tune', like='...')])"
            )
        return tuple(self._endpoint(target, row, usual, keys) for target in targets)

    def _endpoint(self, target: Target, row: ProviderRow, usual: ProviderRow, keys: tuple[Key, ...]) -> Endpoint:
        """Return the endpoint of `target`, at the API its row of the catalog names, else the usual one."""
        spoken = usual
        if self.dialect is not None:
            target = replace(target, dialect=None, profile=None)  # how it departs elsewhere says nothing of this API
        elif target.dialect is not None and target.dialect in row.apis:
            spoken = row.speaking(target.dialect)
        bases, jurisdiction, private = self._place(spoken)
        if not self.keys and not row.needs_key and any(map(is_plaintext, bases)):
            keys = ()  # a server that may want a key is asked without one rather than sent it in the clear
        self._refuse_plaintext(bases, keys)
        if self.jurisdiction is None and row.roams(target.wire_name):
            jurisdiction = None
        return Endpoint(
            target=target,
            row=row,
            profile=profile_for(target, _in_its_dialect(spoken, target.dialect or spoken.dialect)),
            dialect=dialect_named(target.dialect or spoken.dialect),
            urls=bases,
            keys=keys,
            headers=self.headers,
            jurisdiction=jurisdiction,
            self_hosted=private,
            rpm=self.rpm,
            tpm=self.tpm,
            max_in_flight=self.max_in_flight,
            max_queued=self.max_queued,
            http=self.http,
        )

    def variables(self, catalog: Catalog) -> tuple[str, ...]:
        """Return the environment variables its keys are looked for in."""
        keys = self._keys(self.row or catalog.provider(self.name))
        return tuple(dict.fromkeys(name for key in keys for name in key.variables))

    def _keys(self, row: ProviderRow) -> tuple[Key, ...]:
        return self.keys or ((Key.env(*row.keys),) if row.keys else ())

    def _place(self, row: ProviderRow) -> tuple[tuple[str, ...], str | None, bool]:
        """Return (base URLs, jurisdiction, whether all of it is the user's own)."""
        if self.urls:
            bases = tuple(with_path(url, row.url_path) for url in self.urls)
            stated = self.jurisdiction
        else:
            region, url = row.url(self.region)
            bases = (checked_url(url),)
            stated = self.jurisdiction or row.jurisdictions.get(region)
        # A gateway on one's own network to somebody else's models is not self-hosting: only a server without a catalog
        # row, or one whose row itself is local, keeps prompts at home.
        private = all(map(is_private, bases)) and (not self.urls or self.row is not None or _is_local(row))
        return bases, stated or (SELF_HOSTED if private else None), private and stated in (None, SELF_HOSTED)

    def _refuse_plaintext(self, bases: tuple[str, ...], keys: tuple[Key, ...]) -> None:
        if keys and any(map(is_plaintext, bases)) and not self.allow_plaintext:
            raise ConfigurationError(
                f"the provider {self.name!r} would send its key over plain http:// to a public host, where anyone "
                "on the way can read it: use https://, or pass allow_plaintext=True if the way is safe"
            )

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("Provider is immutable; build a new one")

    def __delattr__(self, name: str) -> None:
        raise AttributeError("Provider is immutable; build a new one")

    def __repr__(self) -> str:
        shown = [repr(self.name)]
        if self.urls:
            shown.append(f"url={self.urls[0]!r}" if len(self.urls) == 1 else f"url={list(self.urls)!r}")
        if self.region is not None:
            shown.append(f"region={self.region!r}")
        if self.dialect is not None:
            shown.append(f"dialect={self.dialect!r}")
        if self.keys:
            shown.append(f"keys={list(self.keys)!r}")
        if self.headers:
            shown.append(f"headers={[name for name, _ in self.headers]!r}")
        if self.models:
            names = [model if isinstance(model, str) else model.name for model in self.models]
            known = dict(zip(self.wire_names, names, strict=True)) if self.wire_names else names
            shown.append(f"models={known!r}")
        limits = {name: getattr(self, name) for name in ("rpm", "tpm", "max_in_flight", "max_queued")}
        shown.extend(f"{name}={limit}" for name, limit in limits.items() if limit is not None)
        return f"Provider({', '.join(shown)})"


def _in_its_dialect(row: ProviderRow, dialect: str) -> ProviderRow:
    plain = _PLAIN.get(dialect, _COMPATIBLE)
    return replace(row, profile=plain) if row.profile == _COMPATIBLE != plain else row


def _is_local(row: ProviderRow) -> bool:
    return any(is_private(url) for url in row.urls.values())


def _checked_region(region: object) -> str | None:
    if region is not None and not isinstance(region, str):
        raise ConfigurationError(f"region={shown(region)}: give the name of a region, such as 'cn', or leave it out")
    return region


def _checked_flag(allow_plaintext: object) -> bool:
    if not isinstance(allow_plaintext, bool):
        raise ConfigurationError(f"allow_plaintext must be True or False, not {shown(allow_plaintext)}")
    return allow_plaintext
