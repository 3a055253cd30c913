"""A provider's key as a reference: it is looked up when a call is made, and nothing that holds one can show it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias, cast

from modelroute.catalog.declared import listed
from modelroute.errors import ConfigurationError
from modelroute.wire.secrets import Secret

__all__ = ["Key", "KeyLike", "as_keys"]


class Key:
    """Where a key comes from.

    - ``Key("sk-...")`` is the key itself. ``Key(callable)`` is asked anew at each attempt (rotation, cloud identity).
    - ``Key.env("TEAM_KEY")`` names an environment variable; of several names the first that is set counts.

    Immutable. Its repr shows variable names, never a key. A key given as text cannot be pickled; the others can.

    Raises `ConfigurationError`, without echo, for a key that no HTTP header can carry.
    """

    __slots__ = ("_source", "variables")
    _source: Secret | Callable[[], str] | None
    variables: tuple[str, ...]
    """Environment variables that may hold it, in order; empty for the other kinds."""

    def __init__(self, source: str | Secret | Callable[[], str]) -> None:
        object.__setattr__(self, "_source", None)  # so that a traceback with locals can show what was never finished
        object.__setattr__(self, "variables", ())
        if isinstance(source, str):
            source = Secret(source)
        if not isinstance(source, Secret) and not callable(source):
            raise ConfigurationError(
                f"a key is text, a callable that returns text, or Key.env('NAME'), not {type(source).__name__}"
            )
        object.__setattr__(self, "_source", source)

    @classmethod
    def env(cls, *names: str) -> Key:
        """Return the key that the first of the environment variables `names` holds when it is needed."""
        if not names:
            raise ConfigurationError("Key.env needs the name of an environment variable")
        for name in names:
            if not isinstance(name, str) or not name.isascii() or not name.replace("_", "a").isalnum():
                # What is no name may well be the key itself: it is not shown.
                raise ConfigurationError(
                    "Key.env takes names of environment variables (letters, digits, underscores); to pass a key itself "
                    "use Key(...)"
                )
        key = object.__new__(cls)
        object.__setattr__(key, "_source", None)
        object.__setattr__(key, "variables", names)
        return key

    def resolve(self, environ: Mapping[str, str]) -> Secret | None:
        """Return the key, `None` where none of its variables is set (an empty one counts as not set).

        `environ` is the environment as the runtime reads it. Raises `ConfigurationError`, without echo, for a value
        that no header can carry and for a callable that fails.
        """
        source = self._source
        if isinstance(source, Secret):
            return source
        if source is None:
            for name in self.variables:
                value = environ.get(name, "").strip()
                if value:
                    return _named(name, value)
            return None
        try:
            value = source()
        except Exception as error:  # noqa: BLE001 - whatever the caller's code raises, only our errors leave
            raise ConfigurationError(f"the callable that provides a key raised {type(error).__name__}") from None
        if not isinstance(value, str):
            raise ConfigurationError(f"the callable that provides a key returned {type(value).__name__}, not text")
        return Secret(value)

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("Key is immutable; build a new one")

    def __delattr__(self, name: str) -> None:
        raise AttributeError("Key is immutable; build a new one")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Key):
            return NotImplemented
        return self.variables == other.variables and self._source == other._source

    def __hash__(self) -> int:
        return hash((Key, self.variables, self._source))

    def __reduce__(self) -> tuple[object, ...]:
        return (Key.env, self.variables) if self._source is None else (Key, (self._source,))

    def __repr__(self) -> str:
        if self._source is None:
            return f"Key.env({', '.join(map(repr, self.variables))})"
        return "Key('***')" if isinstance(self._source, Secret) else "Key(<callable>)"


KeyLike: TypeAlias = str | Key | Callable[[], str]
"""What a user may give for a key."""


def as_keys(key: KeyLike | Sequence[KeyLike] | None) -> tuple[Key, ...]:
    """Return the keys given, one per lane. Raises `ConfigurationError` for an empty list or a repeated key."""
    if key is None:
        return ()
    if isinstance(key, str | Key) or callable(key):
        return (_as_key(key),)
    given = listed(key)
    if given is None:
        raise ConfigurationError(f"key takes text, Key(...), a callable or a list of these, not {type(key).__name__}")
    keys = tuple(_as_key(each) for each in given)
    if not keys:
        raise ConfigurationError("key is an empty list; leave it out to use the provider's own variable")
    if len(set(keys)) < len(keys):
        raise ConfigurationError("the same key is given twice: two lanes with one key share one limit")
    return keys


def _as_key(key: object) -> Key:
    return key if isinstance(key, Key) else Key(cast("str", key))  # which refuses what is none of KeyLike


def _named(name: str, value: str) -> Secret:
    try:
        return Secret(value)
    except ConfigurationError as error:
        raise ConfigurationError(f"{name}: {error}") from None
