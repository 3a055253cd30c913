"""Someone who serves models, as the user declares them: a row of the catalog with a key, or any compatible URL."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, cast

from modelroute.catalog.declared import checked_provider_name, listed, whole
from modelroute.catalog.jurisdictions import SELF_HOSTED, checked_jurisdiction
from modelroute.catalog.model import Model, ProviderRow, Target, checked_price
from modelroute.errors import ConfigurationError, UnknownNameError, shown
from modelroute.providers.address import checked_headers, checked_url, checked_urls, is_plaintext, is_private
from modelroute.providers.dialects import dialect_named
from modelroute.providers.endpoint import Endpoint
from modelroute.providers.key import Key, KeyLike, as_keys
from modelroute.providers.profiles import profile_for, profile_named

if TYPE_CHECKING:
    from modelroute.catalog.catalog import Catalog
    from modelroute.catalog.price import Price
    from modelroute.providers.call import Headers

__all__ = ["Provider"]


class Provider:
    """A provider the router may call.

    ``Provider("deepseek")`` is the row of that name in the catalog, its key read from the row's environment variable;
    `Provider.compatible` is any other server that speaks a known dialect. Names are checked against the catalog when a
    router is built with it.

    - `key`: text, `Key`, a callable returning text (asked at each attempt), or a list of several.
    - `region`: one of the row's; default its first. `url`: another base URL than the row's, e.g. of a gateway, or a
      list of several, where replicas serve the same models. Every URL with every key is a *lane* of each target.
    - `headers`: a dict or pairs, sent with every call, never shown. `http`: connection options, handed on to the
      runtime.
    - `models`: names to serve only these of the catalog's targets, `Model(...)` to add what it does not list; left out,
      all the catalog lists.
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
        "allow_plaintext", "headers", "http", "jurisdiction", "keys", "max_in_flight", "max_queued", "models", "name",
        "price", "prices", "region", "row", "rpm", "tpm", "urls",
    )  # fmt: skip
    name: str
    keys: tuple[Key, ...]
    region: str | None
    urls: tuple[str, ...]
    """Base URLs that go before the row's, one per replica."""
    headers: Headers
    http: object
    models: tuple[str | Model, ...]
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
        models: Iterable[str | Model] | None = None,
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
        set_field(self, "models", _checked_models(models))
        set_field(self, "price", None if price is None else checked_price(price, "price"))
        set_field(self, "prices", _checked_prices(prices, self.models))
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
        models: Iterable[str | Model],
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
        `profile` says how it departs from the dialect (`modelroute.providers.profiles`). No `key`: none is sent.
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

        Raises `UnknownNameError` for a provider, region or model that `catalog` does not know.
        """
        row = self.row or catalog.provider(self.name)
        bases, jurisdiction, private = self._place(row)
        dialect = dialect_named(row.dialect)
        keys = self._keys(row)
        if not self.keys and not row.needs_key and any(map(is_plaintext, bases)):
            keys = ()  # a server that may want a key is asked without one rather than sent it in the clear
        self._refuse_plaintext(bases, keys)
        targets = self._targets(row, catalog)
        return tuple(
            Endpoint(
                target=target,
                row=row,
                profile=profile_for(target, row),
                dialect=dialect if target.dialect is None else dialect_named(target.dialect),
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
            for target in sorted(targets, key=lambda target: target.name)
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
            bases = self.urls
            stated = self.jurisdiction
        else:
            region = self.region if self.region is not None else next(iter(row.urls), "")
            if region not in row.urls:
                if not row.urls:
                    raise ConfigurationError(f"the provider {row.name!r} has no URL in the catalog; pass url=...")
                raise UnknownNameError(f"region of {row.name}", region, row.urls)
            bases = (checked_url(row.urls[region]),)
            stated = self.jurisdiction or row.jurisdictions.get(region)
        # A gateway on one's own network to somebody else's models is not self-hosting: only a server without a catalog
        # row, or one whose row itself is local, keeps prompts at home.
        private = all(map(is_private, bases)) and (not self.urls or self.row is not None or _is_local(row))
        return bases, stated or (SELF_HOSTED if private else None), private and stated in (None, SELF_HOSTED)

    def _targets(self, row: ProviderRow, catalog: Catalog) -> list[Target]:
        listed = {target.model.name: target for target in catalog.targets.values() if target.provider == row.name}
        by_name = {target.wire_name: target for target in listed.values()} | listed
        if not self.models:
            self._check_priced({*by_name, *(alias for alias, name in catalog.aliases.items() if name in by_name)})
            return [self._priced(target, catalog) for target in listed.values()]
        targets: dict[str, Target] = {}
        for model in self.models:
            if isinstance(model, Model):
                target = self._priced(Target.of(catalog.resolve(model), row.name), catalog)
            elif self.row is not None:
                known = catalog.models.get(catalog.canonical(model)) or Model(model)
                target = self._priced(Target.of(known, row.name, wire_name=model), catalog)
            else:
                found = by_name.get(catalog.canonical(model)) or by_name.get(model)
                if found is None:
                    raise UnknownNameError(
                        f"model of {row.name}",
                        model,
                        by_name,
                        hint="To add one the catalog does not list, pass Model(...).",
                    )
                target = self._priced(found, catalog)
            if target.name in targets:
                raise ConfigurationError(f"the provider {row.name!r} is given the model {target.model.name!r} twice")
            targets[target.name] = target
        return list(targets.values())

    def _priced(self, target: Target, catalog: Catalog) -> Target:
        """Return `target` at the price the user gives for it, which goes before the catalog's."""
        names = {target.model.name, target.wire_name}
        given = [price for name, price in self.prices.items() if name in names or catalog.canonical(name) in names]
        price = given[0] if given else self.price
        return target if price is None else replace(target, price=price)

    def _check_priced(self, names: set[str]) -> None:
        for name in self.prices:
            if name not in names:
                raise UnknownNameError(f"model of {self.name} in prices", name, names)

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
        if self.keys:
            shown.append(f"keys={list(self.keys)!r}")
        if self.headers:
            shown.append(f"headers={[name for name, _ in self.headers]!r}")
        if self.models:
            shown.append(f"models={[model if isinstance(model, str) else model.name for model in self.models]!r}")
        limits = {name: getattr(self, name) for name in ("rpm", "tpm", "max_in_flight", "max_queued")}
        shown.extend(f"{name}={limit}" for name, limit in limits.items() if limit is not None)
        return f"Provider({', '.join(shown)})"


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


def _checked_models(models: object) -> tuple[str | Model, ...]:
    """Return models as a tuple. A generator is read once, here: read twice it would be empty, and admit every model."""
    if models is None:
        return ()
    if isinstance(models, str | Model):
        raise ConfigurationError(f"models takes a list: models=[{shown(models)}]")
    given = listed(models)
    if given is None or not all(isinstance(model, str | Model) and model for model in given):
        raise ConfigurationError(f"models takes a list of names and Model(...) values, not {shown(models)}")
    if not given:
        raise ConfigurationError(
            "models is empty, so nothing would be served; leave it out to serve all that the catalog lists"
        )
    return cast("tuple[str | Model, ...]", given)


def _checked_prices(prices: object, models: tuple[str | Model, ...]) -> Mapping[str, Price]:
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
