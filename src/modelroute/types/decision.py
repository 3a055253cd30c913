"""A decision: ranked targets and rejected targets, with reasons and estimates. The very object that is executed."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar, overload

from modelroute.money import Money

__all__ = ["ConstraintPrice", "Decision", "Lazy", "Ranked", "RankedTargets", "Reason", "Rejected", "ScoreQuote"]

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ScoreQuote:
    """A score as it counted: `value` on `scale`, `estimated` from a `basis` (``"Arena 1461"``) with an `error`."""

    value: float
    scale: str
    estimated: bool = False
    error: float | None = None
    basis: str = ""
    as_of: str = ""

    def __str__(self) -> str:
        if not self.estimated:
            return f"{self.value:g}"
        spread = f"+-{self.error:.0f}" if self.error is not None else ""
        made_from = ", ".join(part for part in (self.basis, spread) if part)
        return f"~{self.value:.0f}" + (f" ({made_from})" if made_from else "")


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a target was rejected: a stable `code` for machines (``floor``, ``ceiling``, ``needs``) and a sentence."""

    code: str
    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Rejected:
    """A target that broke at least one constraint, with *every* constraint it broke."""

    target: str
    reasons: tuple[Reason, ...]

    def __str__(self) -> str:
        return f"{self.target}: " + "; ".join(map(str, self.reasons))


@dataclass(frozen=True, slots=True)
class Ranked:
    """A target that satisfies every constraint, in the order of preference.

    `estimate` is what the request is expected to cost there (`None`: no price known), `bound` what it can cost at most
    with `output_cap` (`None`: not bounded). `output_cap` is the cap to send: lowered to fit a ceiling, the caller's
    own, or `None` for no cap. `capped_by` says what lowered it: ``max_cost``, or ``max_output`` or ``context_window``
    where the target can give no more. `held_for_fallback` is money of the ceiling left aside for the cheapest
    eligible fallback. `input_tokens` and `output_tokens` are the estimate's; `input_bound` the bound's. `score` is
    the one the scenario's floor or objective looked at. `resting_until` is set while the target is held.
    `left_out`: parameters named in ``optional=`` that it is not sent (``"effort=high"``: that effort in place of the
    one asked for).
    """

    target: str
    model: str
    provider: str
    vendor: str
    estimate: Money | None = None
    bound: Money | None = None
    output_cap: int | None = None
    capped_by: str | None = None
    held_for_fallback: Money | None = None
    input_tokens: int = 0
    input_bound: int = 0
    output_tokens: int = 0
    context_window: int | None = None
    score: ScoreQuote | None = None
    resting_until: float | None = None
    left_out: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ConstraintPrice:
    """What one constraint costs this request: the next looser value with which a cheaper target would have won.

    `constraint` is its kind (``floor``, ``jurisdiction``, ...), `change` the step (``"floor 57 -> 54"``), `target` what
    would then be chosen at which `estimate`. `saving` is the share of the present estimate that would be saved; `None`
    when nothing is eligible now, or nothing is priced.
    """

    constraint: str
    change: str
    target: str
    estimate: Money | None
    saving: float | None

    def __str__(self) -> str:
        if self.saving is None:
            price = f" (~{self.estimate})" if self.estimate is not None else ""
            return f"{self.change} would make {self.target} eligible{price}"
        return f"{self.change} would save {self.saving:.0%} (with {self.target})"


class RankedTargets(Sequence[Ranked]):
    """The ranked targets, best first: compares and behaves like a tuple, but makes each `Ranked` when it is first read.

    Of a thousand eligible targets a request reads the few that are tried.
    """

    __slots__ = ("_made", "_make")

    def __init__(self, length: int, make: Callable[[int], Ranked]) -> None:
        self._make = make
        self._made: list[Ranked | None] = [None] * length

    @classmethod
    def of(cls, ranked: Sequence[Ranked]) -> RankedTargets:
        """Return targets that are already made."""
        made = cls(len(ranked), ranked.__getitem__)
        made._made = list(ranked)
        return made

    @overload
    def __getitem__(self, index: int) -> Ranked: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Ranked, ...]: ...
    def __getitem__(self, index: int | slice) -> Ranked | tuple[Ranked, ...]:
        if isinstance(index, slice):
            return tuple(self[place] for place in range(*index.indices(len(self._made))))
        place = range(len(self._made))[index]
        made = self._made[place]
        if made is None:
            made = self._made[place] = self._make(place)
        return made

    def __iter__(self) -> Iterator[Ranked]:
        return (self[place] for place in range(len(self._made)))

    def __len__(self) -> int:
        return len(self._made)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, RankedTargets):
            return tuple(self) == tuple(other)
        return tuple(self) == other if isinstance(other, tuple) else NotImplemented

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return repr(tuple(self))

    def __reduce__(self) -> tuple[object, ...]:
        return (RankedTargets.of, (tuple(self),))


class Lazy:
    """Marks a part of a decision that is computed when it is first read."""

    __slots__ = ("compute",)

    def __init__(self, compute: Callable[[], object]) -> None:
        self.compute = compute


class Decision:
    """Which targets may serve a request, in which order, and why not the others. Immutable.

    - `ranked`: the targets to try as `Ranked`, best first, made as they are read; empty when nothing is eligible.
    - `rejected`: tuple of `Rejected`, by name; computed when first read; pickling and comparing read it.
    - `prices`: what each constraint costs this request (`ConstraintPrice`); computed when first read.
    - `scenario`: name of the scenario that was used (``"default"`` for the default); `rules`: names of those that
      applied.
    - `max_cost`: the least ceiling over all that applied, `None` for none.
    - `objective`: what ordered `ranked`, in words. `constraints`: what had to hold, in words (``"floor 50; needs
      tools"``).
    - `task`, `selector`: as asked.
    - `policy`, `catalog`: digest and date of what decided; `snapshot`: digest of what was known; `now`: the moment it
      was for, Unix seconds.
    - `kept`: why a conversation stayed on its target, else `None`.

    `str` is the table for people, `sentence` its first line, `to_json` the versioned form for machines.
    """

    __slots__ = (
        "_catalog", "_prices", "_ranked", "_rejected", "_snapshot", "constraints", "kept", "max_cost", "now",
        "objective", "policy", "rules", "scenario", "selector", "task",
    )  # fmt: skip

    scenario: str
    rules: tuple[str, ...]
    max_cost: Money | None
    objective: str
    constraints: str
    task: str | None
    selector: str
    policy: str
    now: float
    kept: str | None
    _ranked: RankedTargets
    _rejected: tuple[Rejected, ...] | Lazy
    _prices: tuple[ConstraintPrice, ...] | Lazy
    _snapshot: str | Lazy
    _catalog: str | Lazy

    def __init__(
        self,
        *,
        ranked: RankedTargets | Sequence[Ranked],
        reject: Callable[[], tuple[Rejected, ...]] | tuple[Rejected, ...],
        scenario: str,
        rules: tuple[str, ...] = (),
        max_cost: Money | None = None,
        objective: str = "",
        constraints: str = "",
        task: str | None = None,
        selector: str = "auto",
        policy: str = "",
        catalog: Callable[[], str] | str = "",
        snapshot: Callable[[], str] | str = "",
        now: float = 0.0,
        kept: str | None = None,
        prices: Callable[[], tuple[ConstraintPrice, ...]] | tuple[ConstraintPrice, ...] = (),
    ) -> None:
        put = object.__setattr__
        put(self, "_ranked", ranked if isinstance(ranked, RankedTargets) else RankedTargets.of(ranked))
        put(self, "_rejected", reject if isinstance(reject, tuple) else Lazy(reject))
        put(self, "_prices", prices if isinstance(prices, tuple) else Lazy(prices))
        put(self, "_snapshot", snapshot if isinstance(snapshot, str) else Lazy(snapshot))
        put(self, "_catalog", catalog if isinstance(catalog, str) else Lazy(catalog))
        put(self, "scenario", scenario)
        put(self, "rules", rules)
        put(self, "max_cost", max_cost)
        put(self, "objective", objective)
        put(self, "constraints", constraints)
        put(self, "task", task)
        put(self, "selector", selector)
        put(self, "policy", policy)
        put(self, "now", now)
        put(self, "kept", kept)

    @property
    def ranked(self) -> RankedTargets:
        """The targets to try, best first."""
        return self._ranked

    @property
    def rejected(self) -> tuple[Rejected, ...]:
        """Every target that is not ranked, with every reason, by name."""
        return self._read("_rejected", self._rejected)

    @property
    def prices(self) -> tuple[ConstraintPrice, ...]:
        """What each constraint costs this request, the dearest first."""
        return self._read("_prices", self._prices)

    @property
    def snapshot(self) -> str:
        """Digest of what was known of the world."""
        return self._read("_snapshot", self._snapshot)

    @property
    def catalog(self) -> str:
        """Date and digest of the catalog that was decided with."""
        return self._read("_catalog", self._catalog)

    @property
    def target(self) -> str | None:
        """Name of the target that is tried first, `None` when nothing is eligible."""
        return self._ranked[0].target if len(self._ranked) else None

    def sentence(self) -> str:
        """Return the choice in one sentence."""
        from modelroute.types import decision_text

        return decision_text.sentence(self)

    def table(self, *, prices: bool = False) -> str:
        """Return the whole decision as aligned plain text; `prices` adds what each constraint costs."""
        from modelroute.types import decision_text

        return decision_text.table(self, prices=prices)

    def to_json(self) -> dict[str, object]:
        """Return the whole decision as JSON-serialisable values; ``"version"`` names the form, money is text."""
        from modelroute.types import decision_text

        return decision_text.to_json(self)

    def __str__(self) -> str:
        return self.table()

    def __repr__(self) -> str:
        chosen = self.target
        more = f" and {len(self._ranked) - 1} more" if len(self._ranked) > 1 else ""
        shown = "nothing eligible" if chosen is None else f"{chosen}{more}"
        return f"<Decision {shown}, scenario {self.scenario!r}, {self.objective or 'unordered'}>"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Decision):
            return NotImplemented
        return self is other or self._state() == other._state()

    def __hash__(self) -> int:
        return hash((self.scenario, self.target, len(self._ranked), self.now, self.max_cost))

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("a Decision is immutable: what is explained is what acts")

    def __delattr__(self, name: str) -> None:
        raise AttributeError("a Decision is immutable: what is explained is what acts")

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle what it says, everything computed: the catalog and policy that made it stay behind."""
        return (_rebuild, (self._state(),))

    def _state(self) -> Mapping[str, object]:
        return {
            "ranked": tuple(self._ranked),
            "reject": self.rejected,
            "prices": self.prices,
            "snapshot": self.snapshot,
            "scenario": self.scenario,
            "rules": self.rules,
            "max_cost": self.max_cost,
            "objective": self.objective,
            "constraints": self.constraints,
            "task": self.task,
            "selector": self.selector,
            "policy": self.policy,
            "catalog": self.catalog,
            "now": self.now,
            "kept": self.kept,
        }

    def _read(self, slot: str, part: T | Lazy) -> T:
        if not isinstance(part, Lazy):
            return part
        computed: T = part.compute()  # type: ignore[assignment]  # pyright: ignore[reportAssignmentType]
        object.__setattr__(self, slot, computed)
        return computed


def _rebuild(state: Mapping[str, object]) -> Decision:
    return Decision(**state)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
