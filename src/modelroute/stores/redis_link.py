"""Connections to a Redis or Valkey server that answer in time or fail: whatever the network does, nothing waits longer.

The one module that knows redis-py. Its timeouts bound one read; a reply that comes a byte at a time, a name that does
not resolve and a host with many addresses are bounded here, by one deadline for all that an operation does.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha1
from importlib import import_module
from importlib.resources import files
from time import monotonic  # noqa: TID251 - bounds what a socket may wait; nothing that is remembered depends on it
from typing import Protocol, TypeAlias, cast
from urllib.parse import urlsplit

from tenacity import Retrying, retry_if_exception, stop_after_attempt, stop_before_delay, wait_fixed

from modelroute.errors import ConfigurationError, StoreUnavailableError

__all__ = ["Link", "Script", "script"]

Argument: TypeAlias = str | bytes | int | float

_ALIASES = {"valkey": "redis", "valkeys": "rediss"}
_OPTIONS = frozenset({"host", "port", "path", "db", "username", "password", "client_name"})
_PAUSE = 0.05
_STRANGE = "does not answer as Redis does; correct its URL"
_SAYING = {
    "AuthenticationError": "refused the user or password; correct them in its URL",
    "NoPermissionError": "does not permit what the store does; allow its user scripts, and all keys of the prefix",
    "BusyLoadingError": "is loading its data; try again",
    "ReadOnlyError": "is a read-only replica; give the URL of the primary",
    "OutOfMemoryError": "is out of memory; give it more, with maxmemory-policy noeviction",
    "MaxConnectionsError": "takes no more connections; raise its maxclients",
    "ClusterDownError": "is part of a cluster that is down",
    "ResponseError": "refused the operation; its version must be 6.2 or later, its log may say more",
    "ConnectionError": "cannot be reached; start it, or correct its URL",
    "OSError": "cannot be reached; start it, or correct its URL",
}


@dataclass(frozen=True, slots=True)
class Script:
    """A Lua script, which the server runs as one atomic step, and the digest it is known by there."""

    text: str
    digest: str


@cache
def script(name: str) -> Script:
    """Return the script of that name, with the prelude all of them share."""
    home = files("modelroute.stores").joinpath("redis_scripts")
    text = "\n".join(home.joinpath(f"{part}.lua").read_text(encoding="utf-8") for part in ("prelude", name))
    return Script(text, sha1(text.encode(), usedforsecurity=False).hexdigest())


class _Socket(Protocol):
    def recv(self, size: int, /) -> bytes: ...
    def recv_into(self, buffer: bytearray, /) -> int: ...
    def sendall(self, data: bytes, /) -> None: ...
    def settimeout(self, seconds: float | None, /) -> None: ...
    def close(self) -> None: ...


class _Connection(Protocol):
    """The part of a redis-py connection that is used, and the moment it must be done by."""

    until: float

    def connect(self) -> None: ...
    def disconnect(self) -> None: ...
    def send_packed_command(self, command: Sequence[bytes], /) -> None: ...
    def read_response(self) -> object: ...


class _Broken(Exception):
    """The connection broke before the reply. What was `asked` may or may not have been done."""

    def __init__(self, why: str, *, asked: bool) -> None:
        super().__init__(why)
        self.asked = asked


class Link:
    """A bounded pool of connections to the server at `url`. Thread-safe; a forked child gets connections of its own.

    Raises `ConfigurationError` when redis-py is missing or the URL means nothing.
    """

    def __init__(self, url: str, *, timeout: float, connections: int = 32) -> None:
        self.timeout = timeout
        self._connections = connections
        kind, options = _parsed(url)
        self.name = _name(url, options)
        self._make = _maker(kind, options, timeout)
        self._closed = False
        self.after_fork()

    def after_fork(self) -> None:
        """Leave the parent's connections to the parent."""
        self._process = os.getpid()
        self._idle: deque[_Connection] = deque()
        self._free = threading.Semaphore(self._connections)

    def close(self) -> None:
        """Close every connection that is not in use; those in use close when they are done."""
        self._closed = True
        self._drop_idle()

    def run(self, script: Script, arguments: Sequence[Argument], *, repeatable: bool = True) -> Sequence[object]:
        """Return the reply of `script` in at most `timeout` seconds.

        What is `repeatable` is sent again when the connection broke. Raises `StoreUnavailableError`.
        """
        if self._process != os.getpid():
            self.after_fork()
        until = monotonic() + self.timeout
        broken: _Broken
        try:
            return self._once(script, arguments, until, fresh=not repeatable)
        except _Broken as caught:
            broken = caught

        def may_repeat(error: BaseException) -> bool:
            return isinstance(error, _Broken) and (repeatable or not error.asked)

        left = until - monotonic()
        if left > 0.0 and may_repeat(broken):
            again = Retrying(
                stop=stop_after_attempt(2) | stop_before_delay(left),
                wait=wait_fixed(_PAUSE),
                retry=retry_if_exception(may_repeat),
                reraise=True,
            )
            try:
                return again(self._once, script, arguments, until, fresh=True)
            except _Broken as caught:
                broken = caught
        raise StoreUnavailableError(f"{self.name} {broken}")

    def _once(self, script: Script, arguments: Sequence[Argument], until: float, *, fresh: bool) -> Sequence[object]:
        if self._closed:
            raise StoreUnavailableError(f"{self.name} was closed; open a new store")
        if not self._free.acquire(timeout=max(0.0, until - monotonic())):
            raise StoreUnavailableError(self._late())
        failure: Exception
        asked = False
        try:
            connection = self._make() if fresh else self._taken()
            try:
                connection.until = until
                connection.connect()
                asked = True
                reply = _exchanged(connection, script, arguments)
                if not isinstance(reply, list) or not reply:
                    raise TypeError("no reply of a script")
            except BaseException:
                connection.disconnect()
                raise
            self._idle.append(connection)
            if self._closed:
                self._drop_idle()
            return cast(list[object], reply)
        except Exception as caught:  # noqa: BLE001 - whatever a library makes of what came over the wire
            failure = caught
        finally:
            self._free.release()
        error = self._translated(failure, asked=asked)
        del failure  # so that no traceback shows what a server said
        raise error

    def _taken(self) -> _Connection:
        try:
            return self._idle.pop()
        except IndexError:
            return self._make()

    def _translated(self, failure: Exception, *, asked: bool) -> Exception:
        """Return what to raise instead: a library's message may hold what was sent, passwords included."""
        kinds = [kind.__name__ for kind in type(failure).__mro__]
        if "TimeoutError" in kinds:
            return StoreUnavailableError(self._late())
        saying = next((_SAYING[kind] for kind in kinds if kind in _SAYING), _STRANGE)
        broken = "ConnectionError" in kinds or "OSError" in kinds
        if broken and "AuthenticationError" not in kinds:
            self._drop_idle()  # a server that went away took them all
            return _Broken(saying, asked=asked)
        return StoreUnavailableError(f"{self.name} {saying}")

    def _late(self) -> str:
        return (
            f"{self.name} did not answer within {self.timeout:g} s; see that it runs and is near, or give the store a "
            "longer timeout="
        )

    def _drop_idle(self) -> None:
        while self._idle:
            try:
                self._idle.pop().disconnect()
            except IndexError:
                return


def _exchanged(connection: _Connection, script: Script, arguments: Sequence[Argument]) -> object:
    """Run the script by its digest; a server that was restarted or flushed gets its text again."""
    connection.send_packed_command([_packed("EVALSHA", script.digest, 1, *arguments)])
    try:
        return connection.read_response()
    except Exception as error:
        if type(error).__name__ != "NoScriptError":
            raise
    connection.send_packed_command([_packed("EVAL", script.text, 1, *arguments)])
    return connection.read_response()


def _packed(*arguments: Argument) -> bytes:
    """Return the command as it goes over the wire, in a third of the time the library takes."""
    parts = [b"*%d\r\n" % len(arguments)]
    for argument in arguments:
        data = argument if isinstance(argument, bytes) else str(argument).encode("utf-8", "surrogatepass")
        parts.append(b"$%d\r\n%b\r\n" % (len(data), data))
    return b"".join(parts)


def _parsed(url: str) -> tuple[type[object], dict[str, object]]:
    """Return the kind of connection and its options."""
    try:
        library = import_module("redis.connection")
    except ImportError:
        raise ConfigurationError("a store on Redis or Valkey needs redis-py: pip install 'modelroute[redis]'") from None
    parse = cast(Callable[[str], dict[str, object]], library.parse_url)
    scheme, mark, rest = url.partition(":")
    options: dict[str, object] | None
    try:
        options = parse(_ALIASES.get(scheme.lower(), scheme.lower()) + mark + rest)
    except Exception:  # noqa: BLE001 - the message might hold a password
        options = None
    if options is None:
        raise ConfigurationError(
            "this is no URL of a Redis or Valkey server; write redis://host:6379/0, rediss:// for TLS, or "
            "unix:///path/to/socket"
        )
    kind = cast(type[object], options.pop("connection_class", library.Connection))
    if not all(option in _OPTIONS or option.startswith("ssl_") for option in options):
        raise ConfigurationError(
            "the URL of a Redis or Valkey server takes db, username, password, client_name and ssl_... after its `?`; "
            "for its patience give the store timeout="
        )
    return kind, options


def _name(url: str, options: Mapping[str, object]) -> str:
    """Return what the server is called in messages: nothing of the URL but where it is."""
    what = "valkey" if urlsplit(url).scheme.lower().startswith("valkey") else "redis"
    where = options.get("path") or f"{options.get('host', 'localhost')}:{options.get('port', 6379)}"
    return f"{what} {where}/{options.get('db', 0)}" if "path" not in options else f"{what} {where}"


def _maker(kind: type[object], options: Mapping[str, object], timeout: float) -> Callable[[], _Connection]:
    """Return what makes connections whose every wait ends at their `until`."""

    def _connect(self: _Connection) -> _BoundedSocket:
        dial = cast(Callable[[_Connection], _Socket], kind._connect)  # type: ignore[attr-defined]
        return _BoundedSocket(_Dialled(lambda: dial(self)).socket(self.until - monotonic()), self)

    bounded = cast(Callable[..., _Connection], type("Bounded", (kind,), {"_connect": _connect, "until": 0.0}))
    settings: dict[str, object] = {
        **options,
        "socket_timeout": timeout,
        "socket_connect_timeout": timeout,
        "protocol": 2,
        "health_check_interval": 0,
    }
    return lambda: bounded(**settings)


class _Dialled:
    """A connection being made in a thread of its own: looking up a name waits as long as it likes."""

    def __init__(self, dial: Callable[[], _Socket]) -> None:
        self._dial = dial
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._given_up = False
        self._socket: _Socket | None = None
        self._error: BaseException | None = None
        threading.Thread(target=self._run, name="modelroute-redis-connect", daemon=True).start()

    def socket(self, seconds: float) -> _Socket:
        """Return the connected socket, or raise what prevented it, `TimeoutError` after so many seconds."""
        self._over.wait(max(0.0, seconds))
        with self._lock:
            if self._socket is not None:
                return self._socket
            self._given_up = True
            raise self._error or TimeoutError("not connected in time")

    def _run(self) -> None:
        try:
            made = self._dial()
        except BaseException as error:  # noqa: BLE001 - handed to the thread that waits
            self._error = error
        else:
            with self._lock:
                if not self._given_up:
                    self._socket = made
            if self._socket is None:
                made.close()
        self._over.set()


class _BoundedSocket:
    """A socket whose every wait ends when its connection must be done."""

    def __init__(self, socket: _Socket, connection: _Connection) -> None:
        self._socket = socket
        self._connection = connection

    def recv(self, size: int) -> bytes:
        """Receive, in what time is left."""
        return self._in_time().recv(size)

    def recv_into(self, buffer: bytearray) -> int:
        """Receive into `buffer`, in what time is left."""
        return self._in_time().recv_into(buffer)

    def sendall(self, data: bytes) -> None:
        """Send everything, in what time is left."""
        self._in_time().sendall(data)

    def settimeout(self, seconds: float | None) -> None:
        """Leave it to the deadline."""

    def __getattr__(self, name: str) -> object:
        return getattr(self._socket, name)

    def _in_time(self) -> _Socket:
        left = self._connection.until - monotonic()
        if left <= 0.0:
            raise TimeoutError("out of time")
        self._socket.settimeout(left)
        return self._socket
