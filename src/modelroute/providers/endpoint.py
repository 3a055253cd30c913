"""One target as it can be called: where, how it speaks, with which keys, and what it cannot carry."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

from modelroute.providers.call import Call
from modelroute.providers.errors import classify, speaker_of
from modelroute.providers.fit import obstacle

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

    - `url`: where its calls go. `keys`: one per lane; empty where none is needed. `headers`: the user's own.
    - `jurisdiction`: where prompts are processed, `None` when unknown; `self_hosted`: on the user's own machine or
      network.
    - `row`: the provider's row of the catalog, or the one made of what the user declared.
    - `http`: the connection options as the user gave them; only the runtime reads them.
    """

    target: Target
    row: ProviderRow
    profile: Profile
    dialect: Dialect
    url: str
    keys: tuple[Key, ...] = ()
    headers: Headers = field(default=(), repr=False)
    jurisdiction: str | None = None
    self_hosted: bool = False
    http: object = None

    @property
    def name(self) -> str:
        """``model@provider``."""
        return self.target.name

    @property
    def provenance(self) -> Mapping[str, object]:
        """What `reply.message` says of where it came from; the reply's blocks go back only to the same provider."""
        target = self.target
        return {
            "target": target.name, "provider": target.provider, "model": target.model.name,
            "dialect": self.dialect.name,
        }  # fmt: skip

    @property
    def needs_key(self) -> bool:
        """Whether a call without a key is pointless."""
        return self.row.needs_key

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

    def carries(self, request: Request) -> str | None:
        """Return why this target cannot carry `request`, a clause like ``"does not take temperature"``, or `None`."""
        return obstacle(request, self.target, self.profile) or self.dialect.obstacle(request)

    def call(self, request: Request, *, output_cap: int | None, stream: bool) -> Call:
        """Return the call that asks this target for `request` with at most `output_cap` tokens of answer.

        A cap above what the model can give is lowered to that, which changes no answer. Raises `RequestError`, naming
        the place, where the request holds what JSON cannot.
        """
        cap = output_cap if output_cap is not None else self.always_capped
        most = self._most_output()
        if cap is not None and most is not None:
            cap = min(cap, most)
        target, profile, dialect = self.target, self.profile, self.dialect
        return Call(
            target=target.name,
            provider=target.provider,
            method="POST",
            url=self.url,
            headers=(*(_STREAM if stream else _WHOLE), *dialect.headers, *self.headers),
            body=dialect.encode(request, target, profile, cap, stream),
            decoder=partial(dialect.decoder, target.provider, profile),
            classify=partial(classify, speaker_of(target.provider, profile.name)),
            streamed=stream,
        )

    def authorize(self, secret: str) -> Headers:
        """Return the headers that carry the key `secret`."""
        return self.dialect.authorize(secret)

    def _most_output(self) -> int | None:
        return self.target.max_output or self.target.model.max_output
