"""Keep the catalog's generated files up to date: `arena.toml` (ratings) and `crosswalk.toml` (estimates from them).

    python tools/crosswalk.py                            recompute the crosswalk from the files in the repository
    python tools/crosswalk.py --ratings arena.json       first take new ratings from an extract of Arena's leaderboard
    python tools/crosswalk.py --check                    change nothing; exit 1 if a file would change

The extract is JSON: ``{"fetched_at": ..., "pages": {"text/overall": [[id, rating, lower, upper, ...], ...]}}``.
Which Arena id is which model at which effort is decided by a person: in the rows of `arena.toml`, which this program
keeps, and in `EFFORT_PAIRS` below. An id that left the leaderboard is an error, not a silent gap.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from modelroute.catalog import INTELLIGENCE, Catalog, Crosswalk, Model, Score

DATA = Path(__file__).parent.parent / "src" / "modelroute" / "catalog" / "data"
ARENA, CROSSWALK = DATA / "arena.toml", DATA / "crosswalk.toml"

SCALES = {
    "arena": "text/overall",
    "arena_coding": "text/coding",
    "arena_math": "text/math",
    "arena_hard": "text/hard_prompts",
    "arena_long": "text/longer_query",
    "arena_instruction": "text/instruction_following",
    "arena_vision": "vision/overall",
}
"""Our scales and the leaderboards they are."""

EFFORT_PAIRS = (
    ("claude-opus-4-6", "claude-opus-4-6-high"),
    ("claude-opus-4-7", "claude-opus-4-7-high"),
    ("claude-opus-4-8", "claude-opus-4-8-high"),
    ("deepseek-v4-flash", "deepseek-v4-flash-high-preview"),
    ("deepseek-v4-pro", "deepseek-v4-pro-high-preview"),
    ("gpt-5.1", "gpt-5.1-high"),
    ("gpt-5.2", "gpt-5.2-high"),
    ("gpt-5.4", "gpt-5.4-high"),
    ("gpt-5.5", "gpt-5.5-high"),
)
"""Arena ids of the same weights, asked nothing and asked to reason hard: by how much does asking raise the rating?"""

Page: TypeAlias = dict[str, tuple[float, float]]


@dataclass(frozen=True, slots=True)
class Pair:
    """A model that is on both scales."""

    model: str
    id: str
    score: float
    rating: float


@dataclass(frozen=True, slots=True)
class EffortPair:
    """One model's ratings at its default effort and at a raised one."""

    id: str
    raised: str
    rating: float
    raised_rating: float


def fit(pairs: list[Pair], efforts: list[EffortPair], *, source: str, as_of: str) -> Crosswalk:
    """Return the least-squares line of score on rating, with everything rounded as it is written."""
    ratings = [pair.rating for pair in pairs]
    line = statistics.linear_regression(ratings, [pair.score for pair in pairs])
    residuals = [pair.score - (line.slope * pair.rating + line.intercept) for pair in pairs]
    centre = statistics.fmean(ratings)
    steps = [pair.raised_rating - pair.rating for pair in efforts]
    return Crosswalk(
        origin="arena",
        scale=INTELLIGENCE,
        slope=round(line.slope, 6),
        intercept=round(line.intercept, 4),
        n=len(pairs),
        error=round(math.sqrt(sum(residual**2 for residual in residuals) / (len(pairs) - 2)), 3),
        centre=round(centre, 2),
        spread=round(sum((rating - centre) ** 2 for rating in ratings), 1),
        low=min(ratings),
        high=max(ratings),
        effort_step=round(statistics.fmean(steps), 2),
        effort_error=round(statistics.stdev(steps), 2),
        effort_pairs=len(steps),
        source=source,
        as_of=as_of,
    )


def pairs_of(catalog: Catalog) -> list[Pair]:
    """Return every model with a quoted index and an Arena rating; where several efforts are rated, the default's."""
    found: list[Pair] = []
    for model in catalog.models.values():
        quoted = next((score for score in model.scores if score.scale == INTELLIGENCE and not score.estimated), None)
        rating = next(iter(sorted(ratings_of(model), key=lambda score: score.effort)), None)
        if quoted is not None and rating is not None:
            found.append(Pair(model.name, rating.basis, quoted.value, rating.value))
    return sorted(found, key=lambda pair: -pair.score)


def ratings_of(model: Model) -> list[Score]:
    """Return the model's overall Arena ratings, one for each effort."""
    return [score for score in model.scores if score.scale == "arena"]


def estimates_of(catalog: Catalog, crosswalk: Crosswalk) -> list[tuple[str, str, float, float, str]]:
    """Return (model, effort, value, error, basis) for every rated model without a quoted index.

    A rating stands for the effort it was measured at; one measured at the model's published default, or without asking,
    stands for the default. Where only raised efforts are rated, the least raised one, lowered by the effort step,
    stands for the default.
    """
    rows: list[tuple[str, str, float, float, str]] = []
    for model in catalog.models.values():
        if any(score.scale == INTELLIGENCE and not score.estimated for score in model.scores):
            continue
        ratings = ratings_of(model)
        for score in ratings:
            effort = "" if score.effort == model.default_effort else score.effort
            made = crosswalk.estimate(score.value)
            rows.append((model.name, effort, made.value, made.error, made.basis))
        if ratings and not any(score.effort in {"", model.default_effort} for score in ratings):
            least = ratings[0]
            made = crosswalk.estimate(least.value, raised_to=least.effort)
            rows.append((model.name, "", made.value, made.error, made.basis))
    return sorted(rows)


def arena_text(pages: dict[str, Page] | None, as_of: str) -> str:
    """Return `arena.toml` with the ratings of `pages`, or with its own when there is no new extract."""
    document = tomllib.loads(ARENA.read_text("utf-8"))
    head = ARENA.read_text("utf-8").split("\nratings = [")[0]
    rows: list[str] = []
    for row in document["ratings"]:
        scores = row.get("scores", {})
        if pages is not None:
            scores = {scale: pages[page][row["id"]] for scale, page in SCALES.items() if row["id"] in pages[page]}
            if not scores:
                sys.exit(f"{row['id']} is on no leaderboard any more; take its row out of {ARENA.name}")
        effort = f', effort = "{row["effort"]}"' if row.get("effort") else ""
        listed = ", ".join(f"{scale} = [{value:.1f}, {error:.1f}]" for scale, (value, error) in scores.items())
        rows.append(f'  {{ id = "{row["id"]}", model = "{row["model"]}"{effort}, scores = {{ {listed} }} }},')
    defaults = f'[defaults]\nsource = "{document["defaults"]["source"]}"\nas_of = "{as_of}"'
    return "\n".join([head, "ratings = [", *rows, "]", "", defaults, ""])


def crosswalk_text(crosswalk: Crosswalk, pairs: list[Pair], efforts: list[EffortPair], catalog: Catalog) -> str:
    """Return `crosswalk.toml`."""
    lines = [
        "# Written by tools/crosswalk.py from arena.toml and the quoted scores; change those and run it again.",
        "# An estimate is a rating put through the line below. docs/reference/catalog.md says how far to trust it.",
        f"# {crosswalk}",
        "",
        "estimates = [",
    ]
    for model, effort, value, error, basis in estimates_of(catalog, crosswalk):
        asked = f', effort = "{effort}"' if effort else ""
        lines += [f'  {{ model = "{model}"{asked}, value = {value}, error = {error}, basis = "{basis}" }},']
    lines += [
        "]",
        "",
        "[crosswalk]",
        f'source = "{crosswalk.source}"',
        f'as_of = "{crosswalk.as_of}"',
        f'origin = "{crosswalk.origin}"',
        f'scale = "{crosswalk.scale}"',
    ]
    numbers = ("slope", "intercept", "error", "centre", "spread", "low", "high", "effort_step", "effort_error")
    lines += [f"{name} = {getattr(crosswalk, name)}" for name in numbers]
    lines += ["", "# The models it was fitted on: their index as the article quotes it, their Arena rating, overall."]
    lines += ["pairs = ["]
    lines += [f'  {{ model = "{p.model}", id = "{p.id}", score = {p.score:g}, rating = {p.rating} }},' for p in pairs]
    lines += ["]", "", "# The same weights asked nothing and asked to reason hard: by how much the rating rises."]
    lines += ["effort_pairs = ["]
    for e in efforts:
        named = f'id = "{e.id}", raised = "{e.raised}"'
        lines += [f"  {{ {named}, rating = {e.rating}, raised_rating = {e.raised_rating} }},"]
    return "\n".join([*lines, "]", ""])


def read_pages(path: Path) -> tuple[dict[str, Page], str]:
    """Return each leaderboard as id -> (rating, half of its 95 % interval), and the day of the extract."""
    extract = json.loads(path.read_text("utf-8"))
    pages = {
        name: {row[0]: (round(row[1], 1), round((row[3] - row[2]) / 2, 1)) for row in rows}
        for name, rows in extract["pages"].items()
    }
    return pages, extract["fetched_at"][:10]


def read_effort_pairs(pages: dict[str, Page] | None) -> list[EffortPair]:
    """Return the effort pairs with new ratings, or with those of `crosswalk.toml`."""
    if pages is not None:
        overall = pages[SCALES["arena"]]
        return [EffortPair(one, other, overall[one][0], overall[other][0]) for one, other in EFFORT_PAIRS]
    document = tomllib.loads(CROSSWALK.read_text("utf-8"))
    return [EffortPair(**row) for row in document["crosswalk"]["effort_pairs"]]


def main() -> int:
    """Write, or with --check compare, both files."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("--ratings", type=Path, help="an extract of Arena's leaderboard, as JSON")
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 if a file would change")
    options = parser.parse_args()
    pages, as_of = read_pages(options.ratings) if options.ratings else (None, "")
    arena = arena_text(pages, as_of or tomllib.loads(ARENA.read_text("utf-8"))["defaults"]["as_of"])
    stale = arena != ARENA.read_text("utf-8")
    efforts = read_effort_pairs(pages)
    if stale and not options.check:
        ARENA.write_text(arena, "utf-8")
    catalog = Catalog.builtin()
    pairs = pairs_of(catalog)
    rating = next(score for model in catalog.models.values() for score in ratings_of(model))
    crosswalk = fit(pairs, efforts, source=rating.source, as_of=rating.as_of)
    text = crosswalk_text(crosswalk, pairs, efforts, catalog)
    stale |= not CROSSWALK.exists() or text != CROSSWALK.read_text("utf-8")
    if options.check:
        return int(stale)
    CROSSWALK.write_text(text, "utf-8")
    sys.stdout.write(f"{crosswalk}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
