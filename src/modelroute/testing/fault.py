"""What a fault is: a name, a sentence, what a client should make of it, and how to play it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import wraps
from types import EllipsisType
from typing import Literal, ParamSpec, TypeAlias

from modelroute.testing.exchange import Exchange
from modelroute.types.failure import Kind

__all__ = ["CATALOG", "Fault", "Play", "When", "fault", "register"]

P = ParamSpec("P")

Play: TypeAlias = Callable[[Exchange], Awaitable[None]]
"""How a behaviour answers one request."""

When: TypeAlias = Literal["before content", "after content", "none"]
"""Where in a streamed answer it goes wrong: before or after the first content, or not at all."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One behaviour of a provider, good or bad.

    - `name` selects it; `what` says in a sentence what the client will see.
    - `expect`: how a client should classify a *streamed* request that meets it, while another target remains and the
      caller is patient; `None`: it succeeds. `expect_plain`: the same for a plain request.
    - `also`: other readings that keep every promise; where two are defensible, a harness must not insist on one.
    - `when`: where in a stream it happens. `endless`: it ends only when the client leaves.
    - `before_body`: it acts before the request's body is read, so a server can only choose it by path.
    """

    name: str
    what: str
    expect: Kind | None
    expect_plain: Kind | None
    also: frozenset[Kind | None]
    when: When
    play: Play
    endless: bool = False
    before_body: bool = False

    def allows(self, kind: Kind | None, *, streamed: bool = True) -> bool:
        """Whether a client may report `kind` (`None`: an answer) when it meets this."""
        return kind == (self.expect if streamed else self.expect_plain) or kind in self.also

    def __str__(self) -> str:
        return self.name


CATALOG: dict[str, Fault] = {}
"""Every fault with its default parameters, filled by `fault` when the modules that define them are imported."""


def register(made: Fault) -> None:
    """Put a fault into the catalog. Raises `ValueError` when its name is taken."""
    if made.name in CATALOG:
        raise ValueError(f"two faults are called {made.name!r}")
    CATALOG[made.name] = made


def fault(
    name: str,
    what: str,
    expect: Kind | None = None,
    when: When = "none",
    *,
    plain: Kind | EllipsisType | None = ...,
    also: frozenset[Kind | None] = frozenset(),
    endless: bool = False,
    before_body: bool = False,
) -> Callable[[Callable[P, Play]], Callable[P, Fault]]:
    """Turn a function that builds a `Play` into one that builds the `Fault`, and register that with its defaults.

    `plain` is what a plain request should make of it, where that differs from `expect`.
    """

    def declare(build: Callable[P, Play]) -> Callable[P, Fault]:
        @wraps(build)
        def make(*args: P.args, **kwargs: P.kwargs) -> Fault:
            return Fault(
                name=name,
                what=what,
                expect=expect,
                expect_plain=expect if isinstance(plain, EllipsisType) else plain,
                also=also,
                when=when,
                play=build(*args, **kwargs),
                endless=endless,
                before_body=before_body,
            )

        register(make())  # type: ignore[call-arg]  # every fault has defaults, or this line fails
        return make

    return declare
