"""The wire protocols that are spoken, each as one record of functions: few, since what departs is a profile."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from modelroute.catalog.model import Target
from modelroute.errors import UnknownNameError
from modelroute.providers.anthropic_messages import decode as messages_decode
from modelroute.providers.anthropic_messages import encode as messages_encode
from modelroute.providers.call import Decoder, Headers
from modelroute.providers.gemini import decode as gemini_decode
from modelroute.providers.gemini import encode as gemini_encode
from modelroute.providers.openai_chat import decode as chat_decode
from modelroute.providers.openai_chat import encode as chat_encode
from modelroute.providers.openai_responses import decode as responses_decode
from modelroute.providers.openai_responses import encode as responses_encode
from modelroute.providers.profile import Profile
from modelroute.types.request import Request

__all__ = ["DIALECTS", "Dialect", "dialect_named"]


@dataclass(frozen=True, slots=True)
class Dialect:
    """How a wire protocol is spoken.

    `path(target, stream)` follows the base URL. `headers` go with every call, `authorize` makes those of a key.
    `encode(request, target, profile, output_cap, stream)` writes the body, `decoder(provider, profile)` reads a
    response, `obstacle(request)` says what the dialect has no words for.
    """

    name: str
    path: Callable[[Target, bool], str]
    headers: Headers
    authorize: Callable[[str], Headers]
    encode: Callable[[Request, Target, Profile, int | None, bool], bytes]
    decoder: Callable[[str, Profile], Decoder]
    obstacle: Callable[[Request], str | None]


def _bearer(secret: str) -> Headers:
    return (("authorization", f"Bearer {secret}"),)


def _api_key(secret: str) -> Headers:
    return (("x-api-key", secret),)


def _google_key(secret: str) -> Headers:
    return (("x-goog-api-key", secret),)


def _always(path: str) -> Callable[[Target, bool], str]:
    def at(_target: Target, _stream: bool) -> str:
        return path

    return at


def _says_all(request: Request) -> None:
    """Chat Completions is what requests are written in."""


_OPENAI_CHAT = Dialect(
    name="openai-chat",
    path=_always("/chat/completions"),
    headers=(),
    authorize=_bearer,
    encode=chat_encode.encode,
    decoder=chat_decode.decoder,
    obstacle=_says_all,
)
_OPENAI_RESPONSES = Dialect(
    name="openai-responses",
    path=_always("/responses"),
    headers=(),
    authorize=_bearer,
    encode=responses_encode.encode,
    decoder=responses_decode.decoder,
    obstacle=responses_encode.obstacle,
)
_ANTHROPIC_MESSAGES = Dialect(
    name="anthropic-messages",
    path=_always("/messages"),
    headers=(("anthropic-version", "2023-06-01"),),
    authorize=_api_key,
    encode=messages_encode.encode,
    decoder=messages_decode.decoder,
    obstacle=messages_encode.obstacle,
)
_GEMINI = Dialect(
    name="gemini",
    path=gemini_encode.path,
    headers=(),
    authorize=_google_key,
    encode=gemini_encode.encode,
    decoder=gemini_decode.decoder,
    obstacle=gemini_encode.obstacle,
)

DIALECTS: Mapping[str, Dialect] = MappingProxyType(
    {dialect.name: dialect for dialect in (_OPENAI_CHAT, _OPENAI_RESPONSES, _ANTHROPIC_MESSAGES, _GEMINI)}
)
"""Dialects by name: what `ProviderRow.dialect` may say."""


def dialect_named(name: str) -> Dialect:
    """Return the dialect called `name`, or raise `UnknownNameError`."""
    dialect = DIALECTS.get(name) if isinstance(name, str) else None
    if dialect is None:
        raise UnknownNameError("dialect", name, DIALECTS)
    return dialect
