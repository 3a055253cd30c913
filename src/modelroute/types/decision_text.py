"""A decision in words: a sentence, a table for people, versioned JSON. Internal; `Decision` has the methods."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import ROUND_CEILING, Decimal
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from modelroute.money import Money
    from modelroute.types.decision import Decision, Ranked, Rejected, ScoreQuote

__all__ = ["NOT_SET_UP", "VERSION", "at_most", "exactly", "sentence", "table", "to_json"]

VERSION = 1
"""Version of the JSON form: raised when a key changes its meaning or goes."""

NOT_SET_UP = "not_set_up"
"""Code of a catalog target whose provider this router does not have; tables fold these into one line per provider."""


def sentence(decision: Decision) -> str:
    """Return e.g. ``deepseek-v4-pro@deepseek: cheapest of 7 that meet floor 50; ~$0.0011, at most $0.012``."""
    if not decision.ranked:
        return _nothing_eligible(decision)
    first = decision.ranked[0]
    count = len(decision.ranked)
    meeting = f" that meet {decision.constraints}" if decision.constraints else " eligible"
    if count == 1:
        choice = f"the only one that meets {decision.constraints}" if decision.constraints else "the only one eligible"
    else:
        choice = f"{decision.objective} of {count}{meeting}"
    text = f"{first.target}: {choice}; {_money_line(first)}."
    if decision.kept is not None:
        text += f" {decision.kept}."
    return text


def table(decision: Decision, *, prices: bool) -> str:
    """Return the sentence, the ranked targets, the rejected ones with every reason, and the prices if asked."""
    lines = [sentence(decision), _heading(decision)]
    if decision.ranked:
        rows: list[tuple[str, ...]] = [("rank", "target", "estimate", "at most", "score", "why")]
        rows += [_row(place, ranked, decision) for place, ranked in enumerate(decision.ranked, 1)]
        lines += ["", *_aligned(rows)]
    offered = [rejected for rejected in decision.rejected if not _is_not_set_up(rejected)]
    if offered:
        because = [(entry.target, "; ".join(map(str, entry.reasons))) for entry in offered]
        lines += ["", *_aligned([("rejected", "because"), *because])]
    absent = Counter(entry.target.rpartition("@")[2] for entry in decision.rejected if _is_not_set_up(entry))
    if absent:
        listed = ", ".join(f"{provider} ({count})" for provider, count in sorted(absent.items()))
        lines += ["", f"not set up in this router: {listed}"]
    if prices and decision.prices:
        lines += ["", "what the constraints cost", *(f"  {price}" for price in decision.prices)]
    return "\n".join(lines)


def to_json(decision: Decision) -> dict[str, object]:
    """Return the decision as dicts, lists, text, numbers and None."""
    return {
        "version": VERSION,
        "scenario": decision.scenario,
        "rules": list(decision.rules),
        "task": decision.task,
        "selector": decision.selector,
        "objective": decision.objective,
        "constraints": decision.constraints,
        "max_cost": _dollars(decision.max_cost),
        "policy": decision.policy,
        "catalog": decision.catalog,
        "snapshot": decision.snapshot,
        "now": decision.now,
        "kept": decision.kept,
        "ranked": [_ranked_json(place, ranked) for place, ranked in enumerate(decision.ranked, 1)],
        "rejected": [
            {
                "target": rejected.target,
                "reasons": [{"code": reason.code, "text": reason.text} for reason in rejected.reasons],
            }
            for rejected in decision.rejected
        ],
    }


def _nothing_eligible(decision: Decision) -> str:
    counts = Counter(
        code for rejected in decision.rejected for code in sorted({reason.code for reason in rejected.reasons})
    )
    broken = ", ".join(
        f"{code} {count}" for code, count in sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    )
    constraints = f" meets {decision.constraints}" if decision.constraints else " is eligible"
    return f"no target{constraints}: {len(decision.rejected)} rejected" + (f" ({broken})." if broken else ".")


def _heading(decision: Decision) -> str:
    parts = [f"scenario {decision.scenario}"]
    if decision.rules:
        parts.append("rules " + ", ".join(decision.rules))
    if decision.task is not None:
        parts.append(f"task {decision.task}")
    if decision.selector != "auto":
        parts.append(f"model {decision.selector}")
    if decision.max_cost is not None:
        parts.append(f"ceiling {decision.max_cost}")
    if decision.catalog:
        parts.append(f"catalog {decision.catalog}")
    return "; ".join(parts)


def _money_line(ranked: Ranked) -> str:
    estimate = "price unknown" if ranked.estimate is None else f"~{ranked.estimate}"
    return estimate + (", not bounded" if ranked.bound is None else f", at most {at_most(ranked.bound)}")


def _row(place: int, ranked: Ranked, decision: Decision) -> tuple[str, ...]:
    return (
        str(place),
        ranked.target,
        "unknown" if ranked.estimate is None else str(ranked.estimate),
        "unbounded" if ranked.bound is None else at_most(ranked.bound),
        "" if ranked.score is None else str(ranked.score),
        "; ".join(_why(place, ranked, decision)),
    )


def _why(place: int, ranked: Ranked, decision: Decision) -> Iterable[str]:
    if ranked.resting_until is not None:
        until = datetime.fromtimestamp(ranked.resting_until, UTC)
        yield f"resting until {until:%Y-%m-%d %H:%M:%S}Z"
    elif place == 1:
        yield "stays with its conversation" if decision.kept is not None else decision.objective
    if ranked.capped_by is not None:
        yield f"output capped at {ranked.output_cap} tokens by {ranked.capped_by}"
    if ranked.held_for_fallback is not None:
        yield f"{at_most(ranked.held_for_fallback)} held for fallback"
    yield from (f"with {name}" if "=" in name else f"without {name}" for name in ranked.left_out)


def _is_not_set_up(rejected: Rejected) -> bool:
    return any(reason.code == NOT_SET_UP for reason in rejected.reasons)


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def _ranked_json(place: int, ranked: Ranked) -> dict[str, object]:
    return {
        "rank": place,
        "target": ranked.target,
        "model": ranked.model,
        "provider": ranked.provider,
        "vendor": ranked.vendor,
        "estimate": _dollars(ranked.estimate),
        "bound": _dollars(ranked.bound),
        "output_cap": ranked.output_cap,
        "capped_by": ranked.capped_by,
        "held_for_fallback": _dollars(ranked.held_for_fallback),
        "input_tokens": ranked.input_tokens,
        "input_bound": ranked.input_bound,
        "output_tokens": ranked.output_tokens,
        "context_window": ranked.context_window,
        "score": _score_json(ranked.score),
        "resting_until": ranked.resting_until,
        "left_out": list(ranked.left_out),
    }


def _score_json(score: ScoreQuote | None) -> dict[str, object] | None:
    if score is None:
        return None
    return {
        "value": score.value,
        "scale": score.scale,
        "estimated": score.estimated,
        "error": score.error,
        "basis": score.basis,
        "as_of": score.as_of,
    }


def at_most(money: Money) -> str:
    """Return an amount in at most three digits, rounded up: a promise must not be understated."""
    if not money:
        return "$0"
    exact = money.dollars
    shown = max(exact.quantize(Decimal(1).scaleb(min(exact.adjusted() - 2, -2)), ROUND_CEILING), exact)
    return "$" + (f"{shown:.2f}" if shown == round(shown, 2) else f"{shown.normalize():f}")


def exactly(money: Money) -> str:
    """Return an amount with every digit, for amounts whose comparison must be seen."""
    return f"${money.dollars.normalize():f}"


def _dollars(money: Money | None) -> str | None:
    return None if money is None else f"{money.dollars.normalize():f}"
