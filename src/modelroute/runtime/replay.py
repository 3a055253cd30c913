"""One answer for one idempotency key: the stored reply where there is one, else the request, once, for all who ask.

Every step that decides is a plain function of what the store said; the two ways of waiting are wrapped around them.
The promise to the caller is in docs/how-to/idempotent-calls.md.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from modelroute.errors import IdempotencyError, RequestError, StoreUnavailableError, shown
from modelroute.policy.objective import elements_of, in_words
from modelroute.runtime.keeping import STORE_PATIENCE
from modelroute.runtime.reply_codec import UnreadableReplyError, decode, encode
from modelroute.types.facts import AUTO
from modelroute.types.keyed import Begun, Different, Running, Stored
from modelroute.types.reply import Reply
from modelroute.types.timeouts import CHAT_DEADLINE
from modelroute.wire.json import dumps

if TYPE_CHECKING:
    from concurrent.futures import Future

    from modelroute.runtime.clocks import Clocks
    from modelroute.runtime.keeping import StoreRunner
    from modelroute.runtime.options import CallOptions
    from modelroute.runtime.structured import Shape
    from modelroute.types.constraints import Constraints
    from modelroute.types.request import Request

__all__ = ["GRACE", "KEPT", "Keyed", "KeyedReplies", "check_again", "fingerprint_of", "keyed_from", "refuse_key"]

KEPT = 86_400.0
"""Seconds a reply is kept under its key (docs/reference/defaults.md)."""

GRACE = 30.0
"""Seconds beyond its deadline for which a key stays with a request that nobody hears of any more."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.05, 1.0
_AT_LEAST = 0.05
"""Seconds that storing a reply may take even when the deadline has passed: what was paid for is not thrown away."""
_PATIENCE = 1.0
"""Seconds that a caller waits for its reply to be stored; a slower store finishes behind it."""
_SHORTEST = 0.001

_LOGGER = logging.getLogger("modelroute")

T = TypeVar("T")

Said: TypeAlias = Begun | Running | Stored | Different


@dataclass(frozen=True, slots=True, kw_only=True)
class Keyed:
    """A request that is to be answered once: its `key`, what is asked as `fingerprint`, seconds to its `deadline`."""

    key: str
    fingerprint: str
    deadline: float


def keyed_from(request: Request, options: CallOptions) -> Keyed | None:
    """Return what `KeyedReplies` needs of a call; `None` without a key. Raises `RequestError` as sending would."""
    if options.idempotency_key is None:
        return None
    return Keyed(
        key=options.idempotency_key,
        fingerprint=fingerprint_of(request, options),
        deadline=CHAT_DEADLINE if options.deadline is None else options.deadline,
    )


def refuse_key(options: CallOptions, method: str) -> None:
    """Raise `RequestError` where a key was given to `method` (``"stream"``), which keeps no reply."""
    if options.idempotency_key is not None:
        raise RequestError(
            f"idempotency_key= is not for {method}(): only the replies of chat() and parse() are kept; leave it out"
        )


def check_again(reply: Reply, shape: Shape[T]) -> T:
    """Return the value of a stored reply to `parse`. Raises `IdempotencyError` if the type no longer takes it."""
    failure = shape.check(reply.text, reply.finish)
    if failure is not None:
        raise IdempotencyError(
            f"the reply stored under this idempotency_key= does not fit the type any more: {failure.message}. "
            "Its validators have changed since; use a new key to ask again."
        )
    return shape.value


def fingerprint_of(request: Request, options: CallOptions) -> str:
    """Return the digest of everything that may change the answer: equal for equal requests, in any process.

    Messages, parameters, tools, schema, and the options that decide who answers; not the time a call may take, how
    often it tries, or the key. Keys of mappings count in any order. Raises `RequestError` for what is no JSON.
    """
    said = {
        "messages": request.messages,
        "output_cap": request.output_cap,
        "tools": request.tools,
        "tool_choice": request.tool_choice,
        "schema": None if request.schema is None else [request.schema.name, request.schema.schema],
        "effort": request.effort,
        "parameters": request.parameters,
        "task": options.task,
        "tags": sorted(options.tags),
        "model": AUTO if options.model is None else options.model,
        "constraints": _constraints(options.constraints),
        "prefer": None if options.prefer is None else in_words(elements_of(options.prefer)),
        "conversation": options.conversation,
    }
    canonical = json.dumps(json.loads(dumps(said)), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _constraints(asked: Constraints) -> dict[str, object]:
    def listed(names: frozenset[str] | None) -> list[str] | None:
        return None if names is None else sorted(names)

    return {
        "floors": [[floor.scale, float(floor.value), floor.estimated] for floor in asked.floors],
        "max_cost": None if asked.max_cost is None else asked.max_cost.pico,
        "needs": sorted(asked.needs),
        "jurisdictions": listed(asked.jurisdictions),
        "licences": listed(asked.licences),
        "vendors": listed(asked.vendors),
        "providers": listed(asked.providers),
        "without": sorted(asked.without),
        "allow_unbounded": asked.allow_unbounded,
        "min_context": asked.min_context,
    }


class KeyedReplies:
    """Answers calls that carry a key, for both routers.

    The callable handed in asks for real; it gets the seconds that are left, or `None` when nothing was waited for and
    the call's own deadline holds. It is called once at most. Whatever it raises, a cancellation too, frees the key: its
    request has ended and gave no answer. Only of a process that died is nothing known, until its lease ends.
    """

    __slots__ = ("_clocks", "_runner")

    def __init__(self, runner: StoreRunner, clocks: Clocks) -> None:
        self._runner = runner
        self._clocks = clocks

    def answer(self, keyed: Keyed, ask: Callable[[float | None], Reply]) -> Reply:
        """Return the stored reply, or that of `ask`, by blocking this thread.

        Raises `IdempotencyError` for a key of another request, or one whose request outlasts the deadline, and
        `StoreUnavailableError` when the store cannot be asked: nothing was sent then.
        """
        turn = _Turn(keyed, self._runner, self._clocks)
        while True:
            try:
                said = self._runner.run(turn.begin, timeout=turn.patience(), late=turn.late)
            except StoreUnavailableError as error:
                raise turn.unasked(error) from error
            step = turn.after(said)
            if step is None:
                break
            if isinstance(step, Reply):
                return step
            self._clocks.sleep(step)
        try:
            reply = ask(turn.rest())
        except BaseException:
            turn.free()
            raise
        kept = turn.keep(reply)
        if kept is not None and not kept.done():
            try:
                kept.result(turn.keeping())
            except TimeoutError:
                turn.tell_late()
        return reply

    async def answer_async(self, keyed: Keyed, ask: Callable[[float | None], Awaitable[Reply]]) -> Reply:
        """The same on an event loop."""
        turn = _Turn(keyed, self._runner, self._clocks)
        while True:
            try:
                said = await self._runner.arun(turn.begin, timeout=turn.patience(), late=turn.late)
            except StoreUnavailableError as error:
                raise turn.unasked(error) from error
            step = turn.after(said)
            if step is None:
                break
            if isinstance(step, Reply):
                return step
            await asyncio.sleep(step)
        try:
            reply = await ask(turn.rest())
        except BaseException:
            turn.free()  # not awaited: a cancelled caller waits for nothing more
            raise
        kept = turn.keep(reply)
        if kept is not None and not kept.done():
            done, _ = await asyncio.wait((asyncio.wrap_future(kept),), timeout=turn.keeping())
            if not done:
                turn.tell_late()
        return reply


class _Turn:
    """One call's way to its answer: what to ask the store next, and what follows from its word."""

    __slots__ = ("_clocks", "_ends", "_keyed", "_owner", "_pause", "_runner", "_waited")

    def __init__(self, keyed: Keyed, runner: StoreRunner, clocks: Clocks) -> None:
        self._keyed = keyed
        self._runner = runner
        self._clocks = clocks
        self._owner = uuid.uuid4().hex
        self._ends = clocks.monotonic() + keyed.deadline
        self._pause = _FIRST_PAUSE
        self._waited = False

    def patience(self) -> float:
        """Return the seconds that the store may take to say whose the key is. Raises if it just failed."""
        if self._runner.rests():
            raise StoreUnavailableError(f"{self._runner.store.name} failed a moment ago")
        return min(STORE_PATIENCE, max(_AT_LEAST, self._left()))

    @staticmethod
    def unasked(error: StoreUnavailableError) -> StoreUnavailableError:
        """Return `error` with what it means for the key; nothing was sent."""
        return type(error)(
            f"{error}. Whether this key was answered is not known, so nothing is sent: try again, or leave "
            "idempotency_key= out."
        )

    def begin(self) -> Said:
        """Ask the store for the key."""
        now = self._clocks.wall()
        keyed = self._keyed
        lease = now + max(0.0, self._left()) + GRACE
        return self._runner.store.begin(keyed.key, keyed.fingerprint, owner=self._owner, lease=lease, now=now)

    def after(self, said: Said) -> Reply | float | None:
        """Return the stored reply, the seconds to pause before asking again, or `None`: it is ours to ask."""
        key = shown(self._keyed.key)
        match said:
            case Begun():
                return None
            case Different():
                raise IdempotencyError(
                    f"idempotency_key={key} was used for a different request within the last day. The same key takes "
                    "the same messages, parameters and options; give a new request a new key."
                )
            case Stored(data):
                return _replayed(data, key)
            case Running(until):
                return self._wait(until, key)

    def _wait(self, until: float, key: str) -> float:
        left = self._left()
        if left <= 0:
            seconds = max(0.0, until - self._clocks.wall())
            raise IdempotencyError(
                f"the request with idempotency_key={key} is still under way after {self._keyed.deadline:g} s. "
                f"Ask again with the same key: it is answered, or free, within {seconds:.0f} s."
            )
        pause = min(self._pause, left)
        self._pause = min(2 * self._pause, _LONGEST_PAUSE)
        self._waited = True
        return pause

    def rest(self) -> float | None:
        """Return the seconds left for asking, `None` when none of them was spent on waiting for another."""
        return max(self._left(), _SHORTEST) if self._waited else None

    def late(self, said: Said) -> None:
        """Give back a key that came when nobody waited for it any more."""
        if isinstance(said, Begun):
            self.free()

    def free(self) -> None:
        """Let go of the key, behind the caller."""
        self._runner.settle(lambda: self._runner.store.free_key(self._keyed.key, owner=self._owner))

    def keep(self, reply: Reply) -> Future[None] | None:
        """Store the reply; return what is done once the store was told, or `None` for what cannot be stored."""
        now = self._clocks.wall()
        try:
            data = encode(reply)
        except Exception as error:  # noqa: BLE001 - a reply that was paid for is handed over, whatever it holds
            _LOGGER.warning(
                "the reply to idempotency_key=%s cannot be stored (%s): a repeat asks again",
                shown(self._keyed.key),
                type(error).__name__,
            )
            self.free()
            return None
        store, key, owner = self._runner.store, self._keyed.key, self._owner
        return self._runner.settle(lambda: store.keep_reply(key, owner=owner, reply=data, until=now + KEPT, now=now))

    def keeping(self) -> float:
        """Return the seconds to wait until the reply is stored."""
        return max(_AT_LEAST, min(_PATIENCE, self._left()))

    def tell_late(self) -> None:
        """Log that the reply goes out before it is known to be stored."""
        _LOGGER.warning(
            "%s is slow to store the reply to idempotency_key=%s; it goes on behind the call",
            self._runner.store.name,
            shown(self._keyed.key),
        )

    def _left(self) -> float:
        return self._ends - self._clocks.monotonic()


def _replayed(data: bytes, key: str) -> Reply:
    try:
        return replace(decode(data), replayed=True)
    except UnreadableReplyError as why:
        # Asking again would charge again for what was answered: that is for the caller to choose.
        raise IdempotencyError(
            f"idempotency_key={key} was answered, but the stored reply cannot be read: {why}. Use one version of "
            "modelroute for all who share the store, or a new key to ask again."
        ) from None
