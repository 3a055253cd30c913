"""What a policy may know about a request, and what it may know about the world: two values, so that deciding is pure.

Same facts, same snapshot, same compiled policy: same decision.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from modelroute.types.constraints import Constraints
from modelroute.types.usage import TokenCount

__all__ = ["ANY_VOCABULARY", "AUTO", "Affinity", "RequestFacts", "Snapshot"]

AUTO = "auto"
"""The selector that leaves the choice to the policy."""

ANY_VOCABULARY = ""
"""Key in `RequestFacts.tokens` for targets whose vocabulary is not known."""


def _no_tokens() -> Mapping[str, TokenCount]:
    return {ANY_VOCABULARY: TokenCount(0, 0)}


@dataclass(frozen=True, slots=True)
class RequestFacts:
    """What a decision needs to know of a request; never its text.

    - `task`, `tags`: as the caller declared them. `selector`: ``"auto"``, a model or a target (``model@provider``).
    - `constraints`: the call's own (with `with_options`'), which intersect with rule, scenario and policy.
    - `needs`: features inferred from the request: ``tools``, ``vision``, ``json_schema``, ``audio``, ``pdf``, ...
    - `tokens`: prompt tokens by the models' vocabulary name; key `ANY_VOCABULARY` always exists.
    - `output_cap`: the caller's limit on output tokens; `choices`: how many answers are asked for (`n`), 0 where
      vectors are.
    - `unbounded`: parameters not known to be price-neutral and server-side tools: refused under a ceiling.
    - `barred`: targets that cannot carry this history or these parameters, with the reason.
    - `left_out`: by target, optional parameters that it is not sent.
    - `seconds`: from now to the deadline, for the dearest price window.
    - `effort`: how hard the caller asks the model to reason, `None` for its default.
    - `hard_budget`: targets at which a hard budget may cover it, so that what an attempt can cost there must be
      bounded, as under a ceiling.
    """

    task: str | None = None
    tags: frozenset[str] = frozenset()
    selector: str = AUTO
    constraints: Constraints = field(default_factory=Constraints)
    needs: frozenset[str] = frozenset()
    tokens: Mapping[str, TokenCount] = field(default_factory=_no_tokens)
    output_cap: int | None = None
    choices: int = 1
    unbounded: tuple[str, ...] = ()
    barred: Mapping[str, str] = field(default_factory=dict[str, str])
    left_out: Mapping[str, tuple[str, ...]] = field(default_factory=dict[str, tuple[str, ...]])
    seconds: float = 600.0
    effort: str | None = None
    hard_budget: frozenset[str] = frozenset()

    def count(self, vocabulary: str) -> TokenCount:
        """Return the prompt's tokens in `vocabulary`, or in none known."""
        return self.tokens.get(vocabulary) or self.tokens[ANY_VOCABULARY]


@dataclass(frozen=True, slots=True)
class Affinity:
    """A conversation's target so far: `target`, the prompt tokens presumably in its cache, and whether it must stay.

    `bound_by_tools`: the last message is a tool result, so the conversation stays unless the target fails.
    """

    target: str
    cached_tokens: int
    bound_by_tools: bool = False


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a decision may know of the world at one moment.

    - `now`: Unix seconds. `draw`: a number in [0, 1) for shares of traffic.
    - `holds`: target to the Unix second until which it rests. `missing`: target to features it has been seen to lack.
    - `outputs`: target to the forecast of output tokens; `default_output` where nothing is learned for it.
    - `likely`, `longest`: target to the output tokens that 95 % and 99.9 % of its answers do not exceed, where known.
    - `latency`: target to the usual seconds to the first token from own traffic.
    - `affinity`: where this conversation has been.
    """

    now: float
    draw: float = 0.0
    holds: Mapping[str, float] = field(default_factory=dict[str, float])
    missing: Mapping[str, frozenset[str]] = field(default_factory=dict[str, frozenset[str]])
    outputs: Mapping[str, float] = field(default_factory=dict[str, float])
    default_output: int = 500
    likely: Mapping[str, int] = field(default_factory=dict[str, int])
    longest: Mapping[str, int] = field(default_factory=dict[str, int])
    latency: Mapping[str, float] = field(default_factory=dict[str, float])
    affinity: Affinity | None = None
