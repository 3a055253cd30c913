"""Keys that cannot leak: `Secret` shows nothing unless asked by name, `redact` cleans what others wrote about it."""

from __future__ import annotations

import hmac
import re
from base64 import b64encode
from collections.abc import Iterable
from typing import NoReturn
from urllib.parse import quote, quote_plus

from modelroute.errors import ConfigurationError

__all__ = ["HIDDEN", "LONGEST_TEXT", "Secret", "redact"]

HIDDEN = "***"
"""What stands where a secret was."""

LONGEST_TEXT = 2_000
"""Characters of foreign text that `redact` lets through."""

_SHORTEST_SEARCHED = 6
"""Shorter secrets are not searched for: replacing every "a" would hide nothing and destroy the message."""

_FIRST_PRINTABLE, _DELETE, _LAST_LATIN = 0x20, 0x7F, 0x7E


class Secret:
    """A key for a provider, held so that no repr, log, traceback, format or pickle can show it.

    `reveal` is the only way to the text. Comparison takes constant time. Copies are the same object.

    Raises `ConfigurationError` for a value that cannot stand in an HTTP header: empty, with whitespace at either end or
    inside, with control or non-ASCII characters. The message never contains any part of the value.
    """

    __slots__ = ("__value",)
    __value: str

    def __init__(self, value: str) -> None:
        problem = _problem(value)
        if problem:
            del value  # tracebacks can be shown with the locals of their frames
            raise ConfigurationError(f"{problem} (its value is not shown)")
        object.__setattr__(self, "_Secret__value", value)

    def reveal(self) -> str:
        """Return the key itself, for the one header it belongs in."""
        return self.__value

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError("Secret is immutable; build a new one")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError("Secret is immutable; build a new one")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return hmac.compare_digest(self.__value, other.__value)

    def __hash__(self) -> int:
        return hash((Secret, self.__value))

    def __copy__(self) -> Secret:
        return self

    def __deepcopy__(self, memo: object) -> Secret:
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        raise TypeError(
            "a Secret cannot be pickled: the key would be written in the clear. "
            "Send the name of its environment variable (Key.env) and read the key where it is used"
        )

    def __repr__(self) -> str:
        return f"Secret({HIDDEN!r})"

    def __str__(self) -> str:
        return HIDDEN

    def __format__(self, specification: str) -> str:
        return HIDDEN


def _problem(value: object) -> str:
    if not isinstance(value, str):
        return f"a key must be text, not {type(value).__name__}"
    fault = _fault(value)
    return f"the key {fault}" if fault else ""


def _fault(value: str) -> str:
    if not value:
        return "is empty: set it, or leave the provider out"
    if not value.strip():
        return "is blank: set it, or leave the provider out"
    if value[-1] in "\r\n":
        return "ends with a newline: strip it where it is read, usually from a file or an environment file"
    if value[0].isspace() or value[-1].isspace():
        return "has whitespace around it: strip it where it is read"
    for position, character in enumerate(value, start=1):
        if character.isspace():
            return f"has whitespace inside, at character {position}: copy it again, in one piece"
        if ord(character) < _FIRST_PRINTABLE or ord(character) == _DELETE:
            return f"has a control character at position {position}: copy it again"
        if ord(character) > _LAST_LATIN:
            return f"has a character outside ASCII at position {position}, which no HTTP header carries: copy it again"
    return ""


# Generic shapes, for keys that are echoed but not ours to know (a proxy's own, a customer's in the prompt).
_KEY_SHAPES = re.compile(
    r"\bsk[-_][A-Za-z0-9*_\-.]{6,}"
    r"|\b(?:pk|rk|tp|gsk|xai|csk|fw|nvapi|hf|pplx)[-_](?=[A-Za-z*_\-.]{0,64}\d)[A-Za-z0-9*_\-.]{8,}"
    r"|\bAIza[A-Za-z0-9_\-]{20,}"
    r"|\bAKIA[A-Z0-9]{12,}"
    r"|\beyJ[A-Za-z0-9_\-]{8,}\.[A-Za-z0-9_\-.]{8,}"
)
_LABELLED = re.compile(
    r"(\b(?:bearer|basic)\s{1,8}(?=[^\s\"']{0,64}\d|[^\s\"']{20})"
    r"|\b(?:x-api-key|api[-_ ]?key|access[-_]?token|auth[-_]?token|secret|password)\b[\"']?\s{0,8}[=:]\s{0,8}[\"']?)"
    r"([^\s\"',;&<>{}\[\]]{4,})",
    re.IGNORECASE,
)
_INVISIBLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]+")


def redact(text: str, secrets: Iterable[Secret | str] = (), *, limit: int = LONGEST_TEXT) -> str:
    """Return `text` on one line, without `secrets` or anything shaped like a key, at most `limit` characters.

    Each secret is found as it is, URL-quoted, and in base64 at any alignment. Control characters become spaces, so
    that a server cannot write lines into our log.
    """
    known = [secret.reveal() if isinstance(secret, Secret) else secret for secret in secrets]
    spellings = {spelling for secret in known if len(secret) >= _SHORTEST_SEARCHED for spelling in _spellings(secret)}
    longest = max(map(len, spellings), default=0)
    # The text is cut before it is searched, so that it costs the same however long it is; what the cut may have left
    # of a secret, too short to be found, goes too.
    cut = 2 * limit + 2 * longest
    partial = longest if len(text) > cut else 0
    text = text[:cut]
    for spelling in sorted(spellings, key=len, reverse=True):
        text = text.replace(spelling, HIDDEN)
    text = text[: max(0, len(text) - partial)]
    text = _LABELLED.sub(rf"\1{HIDDEN}", text)
    text = _KEY_SHAPES.sub(HIDDEN, text)
    text = " ".join(_INVISIBLE.sub(" ", text).split())
    return text if len(text) <= limit else text[: limit - 1] + "…"


def _spellings(secret: str) -> set[str]:
    """Every way `secret` may stand in a text, none of them empty or as short as a word."""
    raw = secret.encode("utf-8", "replace")
    spellings = {secret, quote(secret, safe=""), quote(secret), quote_plus(secret), secret.lower(), secret.upper()}
    for offset in range(3):
        # Base64 groups three bytes: whole groups read the same whatever precedes, given the alignment.
        usable = raw[(3 - offset) % 3 :]
        core = b64encode(usable[: len(usable) // 3 * 3]).decode("ascii")
        if len(core) >= _SHORTEST_SEARCHED:
            spellings.update((core, core.replace("+", "-").replace("/", "_")))
    return spellings
