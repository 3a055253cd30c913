"""When a rule or scenario applies: one value with what it looks for in a request."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TypeAlias

from modelroute.catalog.declared import is_count
from modelroute.errors import ConfigurationError, shown
from modelroute.policy.naming import label, shown_names
from modelroute.types.facts import RequestFacts

__all__ = ["Conditions", "When"]

When: TypeAlias = Callable[[RequestFacts], bool]
"""A condition of your own: it sees the facts of a request, never its text."""


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a request must look like; everything given must hold. Nothing given: every request.

    `tasks`, `tags`: any one of them. `min_input_tokens`, `max_input_tokens`: estimated prompt tokens, inclusive.
    `needs`: features the request needs, all of them. `when`: any callable of the facts.
    """

    tasks: frozenset[str] | None = None
    tags: frozenset[str] | None = None
    min_input_tokens: int | None = None
    max_input_tokens: int | None = None
    needs: frozenset[str] = frozenset()
    when: When | None = None

    def __post_init__(self) -> None:
        for name in ("min_input_tokens", "max_input_tokens"):
            tokens = getattr(self, name)
            if tokens is not None and not is_count(tokens):
                raise ConfigurationError(f"{name} must be a whole number of tokens, not {shown(tokens)}")
        low, high = self.min_input_tokens, self.max_input_tokens
        if low is not None and high is not None and low > high:
            raise ConfigurationError(f"min_input_tokens={low} is above max_input_tokens={high}: no request matches")
        if self.when is not None and not callable(self.when):
            raise ConfigurationError(f"when must be a callable of RequestFacts, not {type(self.when).__name__}")

    @property
    def always(self) -> bool:
        """Whether every request matches."""
        return self == _ALWAYS

    def match(self, facts: RequestFacts, tokens: int) -> bool:
        """Whether a request with these facts and estimated prompt `tokens` matches.

        Raises `ConfigurationError` when the callable fails, naming it.
        """
        if self.tasks is not None and facts.task not in self.tasks:
            return False
        if self.tags is not None and self.tags.isdisjoint(facts.tags):
            return False
        if self.min_input_tokens is not None and tokens < self.min_input_tokens:
            return False
        if self.max_input_tokens is not None and tokens > self.max_input_tokens:
            return False
        if self.needs and not self.needs <= facts.needs:
            return False
        return self.when is None or _ask(self.when, facts)

    def covers(self, other: Conditions) -> bool:
        """Whether every request that matches `other` is known to match this one too."""
        low, high = self.min_input_tokens or 0, self.max_input_tokens
        return (
            (self.tasks is None or (other.tasks is not None and other.tasks <= self.tasks))
            and (self.tags is None or (other.tags is not None and other.tags <= self.tags))
            and low <= (other.min_input_tokens or 0)
            and (high is None or (other.max_input_tokens is not None and other.max_input_tokens <= high))
            and self.needs <= other.needs
            and (self.when is None or self.when is other.when)
        )

    def arguments(self) -> Iterable[str]:
        """Yield the keyword arguments that state these conditions, for a repr one can read."""
        if self.tasks is not None:
            yield f"task={shown_names(self.tasks, single=True)}"
        if self.tags is not None:
            yield f"tag={shown_names(self.tags, single=True)}"
        if self.min_input_tokens is not None:
            yield f"min_input_tokens={self.min_input_tokens}"
        if self.max_input_tokens is not None:
            yield f"max_input_tokens={self.max_input_tokens}"
        if self.needs:
            yield f"when_needs={shown_names(self.needs)}"
        if self.when is not None:
            yield f"when={label(self.when)}"


_ALWAYS = Conditions()


def _ask(when: When, facts: RequestFacts) -> bool:
    try:
        return bool(when(facts))
    except Exception as error:
        raise ConfigurationError(
            f"the policy's when={label(when)} failed with {type(error).__name__}: {error}. "
            "It must return a bool for any request."
        ) from error
