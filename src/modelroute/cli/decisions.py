"""A decision as a person takes it in at a glance: the choice, who comes next, all rejections grouped by their reasons.

`Decision.table()` says more, one line per target; here forty targets take ten lines, and still every one is named with
every reason against it.
"""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.padding import Padding
from rich.text import Text

if TYPE_CHECKING:
    from rich.console import RenderableType

    from modelroute.types.decision import Decision, Ranked, Rejected

__all__ = ["Group", "allocation", "grouped"]

_RUNNERS_UP = 3
_INDENT = 8

# A number as it stands in a sentence ($0.02, ~48.9, 131072), with what explains it in parentheses; none within a name.
_NUMBER = re.compile(r"(?<![\w.@-])([~$]*\d+(?:,\d{3})*(?:\.\d+)?)(?: \([^)]*\))?(?![\w@-])")
_VARIES = "..."
_HARD_SPACE = "\N{NO-BREAK SPACE}"


@dataclass(frozen=True, slots=True)
class Group:
    """Targets with the same reasons against them.

    `reasons`: in words, ``...`` where `members` have figures of their own. `members`: (target, its figures or ``""``).
    """

    reasons: str
    members: tuple[tuple[str, str], ...]


def grouped(rejected: Iterable[Rejected]) -> tuple[Group, ...]:
    """Return all of `rejected` in groups, the largest first; each target is in exactly one, with all its reasons."""
    alike: dict[str, list[tuple[str, list[str]]]] = {}
    for entry in rejected:
        words = "; ".join(reason.text for reason in entry.reasons)
        alike.setdefault(_NUMBER.sub("\0", words), []).append((entry.target, _NUMBER.findall(words)))
    groups = [_group(pattern, members) for pattern, members in alike.items()]
    return tuple(sorted(groups, key=lambda group: (-len(group.members), group.reasons)))


def _group(pattern: str, members: Sequence[tuple[str, list[str]]]) -> Group:
    columns = list(zip(*(figures for _, figures in members), strict=True))
    varies = [len(set(column)) > 1 for column in columns]
    first, *pieces = pattern.split("\0")
    words = [_VARIES if own else column[0] for column, own in zip(columns, varies, strict=True)]
    reasons = first + "".join(word + piece for word, piece in zip(words, pieces, strict=True))
    named = (
        (target, "/".join(figure for figure, own in zip(figures, varies, strict=True) if own))
        for target, figures in members
    )
    return Group(reasons, tuple(sorted(named)))


def allocation(decision: Decision, width: int) -> Iterator[RenderableType]:
    """Yield a decision's parts, for `width` columns: the choice, its terms, the runners-up, the rejections."""
    yield Padding(_choice(decision), (0, 0, 0, 3))
    yield Padding(_terms(decision), (0, 0, 0, 6))
    if len(decision.ranked) > 1:
        yield Padding(_runners_up(decision.ranked), (0, 0, 0, 6))
    groups = grouped(decision.rejected)
    if groups:
        yield Padding(Text(f"rejected, {len(decision.rejected)}:", style="dim"), (0, 0, 0, 6))
    for group in groups:
        yield Padding(_rejections(group, width - _INDENT), (0, 0, 0, _INDENT))


def _choice(decision: Decision) -> Text:
    if not decision.ranked:
        return Text("-> nobody: no target of the catalog satisfies it", style="bold red")
    first = decision.ranked[0]
    figures = f"   {_money(first)}, score {_score(first)}"
    if first.capped_by is not None:
        figures += f", output capped at {first.output_cap} tokens by {first.capped_by}"
    return Text.assemble(("-> ", "green"), (first.target, "bold green"), figures)


def _terms(decision: Decision) -> Text:
    chosen = f"{decision.objective} of {len(decision.ranked)} eligible; " if decision.ranked else ""
    rules = f", rule {', '.join(decision.rules)}" if decision.rules else ""
    asked = decision.constraints or "no constraint"
    return Text(f"{chosen}scenario {decision.scenario}{rules}: {asked}", style="dim")


def _runners_up(ranked: Sequence[Ranked]) -> Text:
    shown = ranked[1 : 1 + _RUNNERS_UP]
    more = len(ranked) - 1 - len(shown)
    text = Text("then ", style="dim")
    text.append(", ".join(f"{each.target} {_estimate(each)}" for each in shown), style="not dim")
    return text.append(f", and {more} more" if more else "")


def _rejections(group: Group, width: int) -> Text:
    named = (f"{target}{_HARD_SPACE}{figures}" if figures else target for target, figures in group.members)
    lines = textwrap.fill(f"{group.reasons}: {', '.join(named)}", width, break_long_words=False, break_on_hyphens=False)
    text = Text(lines.replace(_HARD_SPACE, " "))
    text.stylize("yellow", 0, len(group.reasons) + 1)
    return text


def _money(ranked: Ranked) -> str:
    return f"{_estimate(ranked)}, " + ("not bounded" if ranked.bound is None else f"at most {ranked.bound}")


def _estimate(ranked: Ranked) -> str:
    return "price unknown" if ranked.estimate is None else f"~{ranked.estimate}"


def _score(ranked: Ranked) -> str:
    if ranked.score is None:
        return "unknown"
    return f"~{ranked.score.value:.1f}" if ranked.score.estimated else f"{ranked.score.value:g}"
