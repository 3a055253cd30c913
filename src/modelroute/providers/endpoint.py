"""One target as it can be called: where, how it speaks, with which keys, and what it cannot carry."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from modelroute.providers.call import Call
from modelroute.providers.dialects import dialect_named
from modelroute.providers.embeddings.embedder import EMBEDDERS
from modelroute.providers.embeddings.embedder import obstacle as embedding_obstacle
from modelroute.providers.errors import classify, speaker_of
from modelroute.providers.fit import lightened, obstacle, other_dialect
from modelroute.providers.profiles import at_most_its_price

if TYPE_CHECKING:
    from collections.abc import Mapping

    from modelroute.catalog.model import ProviderRow, Target
    from modelroute.providers.call import Headers
    from modelroute.providers.dialects import Dialect
    from modelroute.providers.key import Key
    from modelroute.providers.profile import Profile
    from modelroute.types.request import Request

__all__ = ["Endpoint"]

_STREAM: Headers = (("content-type", "application/json"), ("accept", "text/event-stream"))
_WHOLE: Headers = (("content-type", "application/json"), ("accept", "application/json"))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Endpoint:
    """A target, ready to be called.

    - `urls`: base URLs of its calls, one per place; `keys`: any of them holds at each place, empty where none is
      needed. A place with a key is a *lane*: `lanes` of them, numbered from 0. `headers`: the user's own.
    - `dialect`: what it speaks; a request that this dialect cannot say to the model goes out in another, where the
      profile names one (`speaks`).
    - `rpm`, `tpm`: requests and tokens that one lane may take in a minute; `max_in_flight`, `max_queued`: requests of
      this target that may run and wait at once. `None` where the user said nothing.
    - `jurisdiction`: where prompts are processed, `None` when unknown; `self_hosted`: on the user's own machine or
      network.
    - `row`: the provider's row of the catalog, or the one made of what the user declared.
    - `http`: the connection options as the user gave them; only the runtime reads them.
    """

    target: Target
    row: ProviderRow
    profile: Profile
    dialect: Dialect
    urls: tuple[str, ...]
    keys: tuple[Key, ...] = ()
    headers: Headers = field(default=(), repr=False)
    jurisdiction: str | None = None
    self_hosted: bool = False
    rpm: int | None = None
    tpm: int | None = None
    max_in_flight: int | None = None
    max_queued: int | None = None
    http: object = None

    @property
    def name(self) -> str:
        """``model@provider``."""
        return self.target.name

    def provenance(self, request: Request, missing: frozenset[str] = frozenset()) -> Mapping[str, object]:
        """Return what `reply.message` says of where it came from; its blocks go back only to the same provider.

        `missing` as for `call`: what is left out may decide in which dialect the rest is said.
        """
        target = self.target
        light, _ = self._lightened(request, missing)
        return {
            "target": target.name, "provider": target.provider, "model": target.model.name,
            "dialect": self.speaks(light).name,
        }  # fmt: skip

    @property
    def needs_key(self) -> bool:
        """Whether a call without a key is pointless."""
        return self.row.needs_key

    @property
    def lanes(self) -> int:
        """How many lanes there are, at least 1: every place with every key."""
        return len(self.urls) * max(1, len(self.keys))

    def place(self, lane: int) -> int:
        """Return which of `urls` the lane goes to; the next lane goes to the next, so one that is down is soon left."""
        return lane % len(self.urls)

    def base(self, lane: int) -> str:
        """Return the base URL of the lane's calls; `Call.path` follows it."""
        return self.urls[self.place(lane)]

    def key(self, lane: int) -> Key | None:
        """Return the lane's key, `None` where none is needed."""
        return self.keys[lane // len(self.urls)] if self.keys else None

    @property
    def charges_errors(self) -> bool:
        """False where the provider documents failed requests as unbilled."""
        return self.row.charges_errors

    @property
    def streams(self) -> bool:
        """Whether a plain call is better streamed and put together: everywhere but where a stream tells less."""
        return not self.profile.streaming_loses

    @property
    def honours_output_cap(self) -> bool:
        """Whether an output cap bounds what is billed."""
        return self.profile.honours_output_cap

    @property
    def always_capped(self) -> int | None:
        """The output cap that is sent when nobody asks for one, `None` where none is."""
        if self.profile.default_output_cap is None:
            return None
        return self._most_output() or self.profile.default_output_cap

    def speaks(self, request: Request) -> Dialect:
        """Return the dialect that `request` is said in: `dialect`, or the profile's other one for tools."""
        if not self.profile.tools_dialect:
            return self.dialect
        other = other_dialect(request, self.target, self.profile)
        return dialect_named(other) if other else self.dialect

    def carries(self, request: Request) -> str | None:
        """Return why this target cannot carry `request`, a clause like ``"does not take temperature"``, or `None`."""
        if request.embedding is not None:
            return embedding_obstacle(request, self.target, self.dialect.name)
        light, _ = self._lightened(request, frozenset())
        return obstacle(light, self.target, self.profile) or self.speaks(light).obstacle(light)

    def left_out(self, request: Request, missing: frozenset[str] = frozenset()) -> tuple[str, ...]:
        """Return which optional parameters of `request` this target is not sent; ``"effort=high"``: high in its place.

        `missing`: parameters that it was seen not to take.
        """
        return self._lightened(request, missing)[1] if request.optional else ()

    def _lightened(self, request: Request, missing: frozenset[str]) -> tuple[Request, tuple[str, ...]]:
        if not request.parameters and not request.optional:
            return request, ()
        return lightened(
            request, self.target, self.profile, lambda asked: self.speaks(asked).obstacle(asked), missing
        )  # fmt: skip

    def call(
        self,
        request: Request,
        *,
        output_cap: int | None,
        stream: bool,
        missing: frozenset[str] = frozenset(),
        promised: bool = False,
    ) -> Call:
        """Return the call that asks this target for `request` with at most `output_cap` tokens of answer.

        `missing`: parameters that it was seen not to take, which are left out where they are optional. `promised`: what
        it costs was bounded by the target's price, so that no other may be taken.

        A cap above what the model can give is lowered to that, which changes no answer. Raises `RequestError`, naming
        the place, where the request holds what JSON cannot.
        """
        if request.embedding is not None:
            return self._embedding_call(request)
        cap = output_cap if output_cap is not None else self.always_capped
        most = self._most_output()
        if cap is not None and most is not None:
            cap = min(cap, most)
        if promised and cap is not None:
            cap = max(1, cap - self.profile.output_slack)
        request, _ = self._lightened(request, missing)
        target, profile, dialect = self.target, self.profile, self.speaks(request)
        if promised and profile.price_limit:
            profile = at_most_its_price(profile, target)
        return Call(
            target=target.name,
            provider=target.provider,
            method="POST",
            path=dialect.path(target, stream),
            headers=(*(_STREAM if stream else _WHOLE), *dialect.headers, *self.headers),
            body=dialect.encode(request, target, profile, cap, stream),
            decoder=partial(dialect.decoder, target.provider, profile),
            classify=partial(classify, speaker_of(target.provider, profile.name)),
            streamed=stream,
        )

    def _embedding_call(self, request: Request) -> Call:
        target, profile = self.target, self.profile
        embedder = EMBEDDERS[self.dialect.name]
        return Call(
            target=target.name,
            provider=target.provider,
            method="POST",
            path=embedder.path(target, request),
            headers=(*_WHOLE, *self.dialect.headers, *self.headers),
            body=embedder.encode(request, target, profile),
            decoder=partial(embedder.decoder, request, target.provider, profile),
            classify=partial(classify, speaker_of(target.provider, profile.name)),
            streamed=False,
        )

    def authorize(self, secret: str) -> Headers:
        """Return the headers that carry the key `secret`."""
        header = self.profile.key_header
        return ((header, secret),) if header else self.dialect.authorize(secret)

    def _most_output(self) -> int | None:
        return self.target.max_output or self.target.model.max_output
