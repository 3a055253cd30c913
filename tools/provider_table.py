"""Make docs/reference/providers.md of the catalog's rows, the profiles, the wire samples and what `make live` found.

    python -m tools.provider_table           write the page
    python -m tools.provider_table --check   change nothing; exit 1 if the page is not what it would be

What is on the page is what the library does: nobody types a cell.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from modelroute import Catalog
from modelroute.catalog import ProviderRow
from modelroute.providers.profile import Profile, Sampling, Schemas, Tools
from modelroute.providers.profiles import profile_for, profile_named
from tools import live

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "reference" / "providers.md"
SAMPLES = ROOT / "tests" / "data" / "wire_samples" / "index.json"

SAMPLED_AS = {"gemini": "google", "dashscope": "alibaba"}
"""Providers whose samples lie under another name."""

REAL_SERVERS = {"llamacpp": "all dialects, `tests/local_model`"}
"""Rows whose software itself runs in the project's tests."""

_EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
_CHOICES = ("auto", "none", "required", "named", "allowed_tools")
_PARTS = {
    "image_url": "images", "file": "documents", "input_audio": "audio", "video_url": "video", "video": "video",
}  # fmt: skip
_RUNGS = (Schemas.NATIVE, Schemas.OBJECT, Schemas.INSTRUCTION)
_SAMPLING = frozenset(
    {
        "temperature", "top_p", "top_k", "min_p", "presence_penalty", "frequency_penalty", "repetition_penalty", "n",
        "seed", "stop", "logprobs", "top_logprobs", "logit_bias",
    }
)  # fmt: skip
_UNSAID = "-"

Cells: TypeAlias = Sequence[str]


@dataclass(frozen=True, slots=True)
class Speaker:
    """A provider with every profile its targets have: its own first, then those of models that depart from it."""

    row: ProviderRow
    profiles: tuple[Profile, ...]

    @property
    def name(self) -> str:
        """The provider's name."""
        return self.row.name


@dataclass(frozen=True, slots=True)
class Sampled:
    """How many wire samples of a provider there are, by what they prove, and how many of them are a best guess."""

    counts: Mapping[str, int]
    uncertain: int


def speakers(catalog: Catalog) -> list[Speaker]:
    """Return every provider of the catalog, by name."""
    found: list[Speaker] = []
    for name, row in sorted(catalog.providers.items()):
        own = profile_named(row.profile)
        targets = (target for target in catalog.targets.values() if target.provider == name)
        profiles = [profile_for(target, row) for target in sorted(targets, key=lambda target: target.name)]
        distinct = [one for place, one in enumerate(profiles) if one not in profiles[:place]]
        found.append(Speaker(row, tuple(distinct) or (own,)))
    return found


def render(catalog: Catalog, samples: Path = SAMPLES, kept: Mapping[str, live.Checked] | None = None) -> str:
    """Return the page."""
    known = speakers(catalog)
    sampled = read_samples(samples)
    found = live.read() if kept is None else kept
    sections = [
        _HEAD,
        _table(_REACHED, (_reached(one.row) for one in known), _REACHED_WORDS),
        _table(_ASKED, (_asked(one) for one in known), _ASKED_WORDS),
        _table(_ANSWERED, (_answered(one) for one in known), _ANSWERED_WORDS),
        _table(
            _VERIFIED,
            (_verified(one.row, sampled.get(one.name), found.get(one.name)) for one in known),
            _VERIFIED_WORDS,
        ),
    ]
    return "\n".join(sections)


# ------------------------------------------------------------------------------------------------------------ the rows


_REACHED = ("provider", "also called", "dialects", "regions", "key in", "kept", "trained on", "failed calls billed")
_ASKED = ("provider", "output cap", "sampling", "efforts", "tool choice", "schemas", "content beside text")
_ANSWERED = ("provider", "reasoning goes back", "usage in streams", "cost")
_VERIFIED = (
    "provider", "answers", "streams", "tool calls", "reasoning", "usage", "cost", "errors", "waits", "uncertain",
    "real server", "live",
)  # fmt: skip


def _reached(row: ProviderRow) -> Cells:
    regions = [
        f"{region} ({row.jurisdictions[region]})" if region in row.jurisdictions else f"{region} (?)"
        for region in row.urls
    ]
    if row.url_template:
        regions.append("any other" if "{region}" in row.url_template else "your own host")
    kept = _UNSAID if row.retention_days is None else f"{row.retention_days} days"
    return (
        f"`{row.name}`",
        _code(row.aliases),
        _code(row.dialects),
        ", ".join(regions) or _UNSAID,
        _code(row.keys) if row.needs_key or row.keys else "none needed",
        kept,
        {True: "yes", False: "no", None: _UNSAID}[row.trains],
        "may be" if row.charges_errors else "no",
    )


def _asked(one: Speaker) -> Cells:
    return (
        f"`{one.name}`",
        _joined(one, _output_cap),
        _sampling(one.profiles),
        _words(one, lambda profile: profile.efforts, _EFFORTS),
        _words(one, _tool_choices, _CHOICES) + _tools_elsewhere(one),
        _joined(one, lambda profile: profile.schemas.value),
        _joined(one, _parts),
    )


def _answered(one: Speaker) -> Cells:
    return (
        f"`{one.name}`",
        _joined(one, lambda profile: profile.echo.value.replace("_", " ")),
        _joined(one, lambda profile: _usage(profile, one.row.dialect)),
        _joined(one, lambda profile: f"told in `{profile.cost_field}`" if profile.cost_field else "from prices"),
    )


def _verified(row: ProviderRow, sampled: Sampled | None, checked: live.Checked | None) -> Cells:
    counts = sampled.counts if sampled else {}
    numbers = [str(counts[column]) if counts.get(column) else _UNSAID for column in _VERIFIED[1:9]]
    uncertain = str(sampled.uncertain) if sampled and sampled.uncertain else _UNSAID
    return (f"`{row.name}`", *numbers, uncertain, REAL_SERVERS.get(row.name, _UNSAID), _live(checked))


def _live(checked: live.Checked | None) -> str:
    if checked is None:
        return _UNSAID
    if checked.holds:
        return f"{checked.day}: all {len(checked.checks)} well, `{checked.target}`"
    wrong = "; ".join(f"{check}: {outcome}" for check, outcome in checked.checks.items() if outcome != live.OK)
    return f"{checked.day}: {wrong}"


# ----------------------------------------------------------------------------------------------------------- the cells


def _code(words: Iterable[str]) -> str:
    return ", ".join(f"`{word}`" for word in words) or _UNSAID


def _joined(one: Speaker, told: Callable[[Profile], str]) -> str:
    """Return what all its profiles say; where they differ, each of it, with a star."""
    said = list(dict.fromkeys(map(told, one.profiles)))
    return said[0] if len(said) == 1 else " or ".join(said) + " \\*"


def _words(one: Speaker, told: Callable[[Profile], Iterable[str]], order: Sequence[str]) -> str:
    """Return all words any profile takes; with a star where not all of them take each."""
    sets = [frozenset(told(profile)) for profile in one.profiles]
    every = frozenset[str]().union(*sets)
    known = [word for word in order if word in every] + sorted(every - set(order))
    return (", ".join(known) or "none") + (" \\*" if len(set(sets)) > 1 else "")


def _output_cap(profile: Profile) -> str:
    return f"`{profile.output_cap}`" + ("" if profile.honours_output_cap else ", not honoured")


def _tool_choices(profile: Profile) -> frozenset[str]:
    return frozenset() if profile.tools is Tools.NEVER and not profile.tools_dialect else profile.tool_choices


def _tools_elsewhere(one: Speaker) -> str:
    elsewhere = sorted({profile.tools_dialect for profile in one.profiles if profile.tools_dialect})
    return f"; tools of some by {_code(elsewhere)}" if elsewhere else ""


def _parts(profile: Profile) -> str:
    if profile.parts is None:
        return "all is passed on"
    kinds = list(dict.fromkeys(_PARTS[part] for part in _PARTS if part in profile.parts))
    if "images" in kinds and not {"http", "https"} & profile.image_schemes:
        kinds[kinds.index("images")] = "images (no URLs)"
    return ", ".join(kinds) or "none"


def _usage(profile: Profile, dialect: str) -> str:
    if profile.streaming_loses:
        return "plain calls do not stream"
    if dialect != "openai-chat":
        return "always there"
    return "asked for" if profile.stream_usage else "unasked"


def _sampling(profiles: Sequence[Profile]) -> str:
    """Return what is limited, by parameter; with a star where some model, in some state, takes more."""
    states = [
        (state, profile.refuses) for profile in profiles for state in (profile.sampling, profile.sampling_at_rest)
    ]
    named = {name for state, _ in states for name in (*state.fixed, *state.ranges, *state.refused)}
    refused = {name for _, refuses in states for name in refuses}
    told: list[str] = []
    for name in sorted(named | (refused & _SAMPLING)):
        limits = [_limit(name, state, refuses) for state, refuses in states]
        said = [limit for limit in dict.fromkeys(limits) if limit]
        told.append(f"`{name}` {' or '.join(said)}" + (" \\*" if len(set(limits)) > 1 else ""))
    return "; ".join(told) or "all is taken"


def _limit(name: str, state: Sampling, refuses: frozenset[str]) -> str:
    if name in refuses or name in state.refused:
        return "refused"
    if name in state.fixed:
        return f"{_number(state.fixed[name])} only"
    if name in state.ranges:
        least, most = state.ranges[name]
        return f"{_number(least)} to {_number(most)}"
    return ""


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) else f"{value:g}"


# --------------------------------------------------------------------------------------------------------- the samples


def read_samples(path: Path = SAMPLES) -> dict[str, Sampled]:
    """Return what the wire samples prove, by provider."""
    counts: dict[str, dict[str, int]] = {}
    uncertain: dict[str, int] = {}
    for sample in json.loads(path.read_text(encoding="utf-8"))["samples"]:
        name = SAMPLED_AS.get(sample["provider"], sample["provider"])
        own = counts.setdefault(name, {})
        for column in _proved(sample["kind"], sample["expect"]):
            own[column] = own.get(column, 0) + 1
        uncertain[name] = uncertain.get(name, 0) + ("uncertain" in sample["confidence"])
    return {name: Sampled(own, uncertain[name]) for name, own in counts.items()}


def _proved(kind: str, expect: Mapping[str, object]) -> Iterator[str]:
    error = expect.get("error")
    if isinstance(error, dict):
        yield "errors"
        if "retry_after_s" in error:
            yield "waits"
        return
    yield "streams" if kind == "stream" else "answers"
    for column, field in (
        ("tool calls", "tool_calls"),
        ("reasoning", "reasoning"),
        ("usage", "input_tokens"),
        ("cost", "provider_cost_usd"),
    ):
        if expect.get(field):
            yield column


# ------------------------------------------------------------------------------------------------------------ the page

_HEAD = """\
# Providers

What the library knows of every provider, and how it knows. This page is written by `python -m tools.provider_table`
from the catalog's rows, the profiles, the wire samples and the results of `make live`; a test compares it with them. To
add a provider, see [how to](../how-to/add-a-provider.md). A star (\\*) says: it depends on the model, or on whether it
is reasoning. A dash says: not known, or not there; the unknown never satisfies a constraint.
"""

_REACHED_WORDS = """\
## Where they are

The first dialect is the usual one; `Provider(name, dialect=...)` takes another. A region's jurisdiction stands behind
it, `?` where it is not known.
"""

_ASKED_WORDS = """\
## What may be asked

What a target does not take bars it from a request that insists on it; `optional=` names what may be left out. An answer
is held to its schema on every rung: `json_schema` is enforced by the provider, below that it is checked here.
"""

_ANSWERED_WORDS = """\
## What comes back

Reasoning of earlier turns goes back only to the provider it came from: `never`, `optional`, `with tools` (a turn that
called tools must carry it), or `always`.
"""

_VERIFIED_WORDS = """\
## How it is verified

Numbers count wire samples, bytes with what they must decode to, that prove it: whole, event by event and one byte at a
time; `uncertain` of them are a best guess of an undocumented shape. The official `openai` and `anthropic` SDKs decode
the same bytes as judges. A real server is software nobody here wrote, run in the project's tests; beside those below,
`make compat` runs a LiteLLM proxy. Live is the last `make live`. A row with none of them rests on the catalog's sources
alone.
"""


def _table(columns: Cells, rows: Iterable[Cells], words: str) -> str:
    lines = [columns, ["---"] * len(columns), *rows]
    return words + "\n" + "".join("| " + " | ".join(cells) + " |\n" for cells in lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page, or check it; 1 when it is not what it would be."""
    parser = argparse.ArgumentParser(
        prog="python -m tools.provider_table", description=(__doc__ or "").partition("\n")[0]
    )
    parser.add_argument("--check", action="store_true", help="compare, and write nothing")
    parser.add_argument("--page", type=Path, default=PAGE, help="the page")
    chosen = parser.parse_args(arguments)
    page = render(Catalog.builtin())
    if not chosen.check:
        chosen.page.write_text(page, encoding="utf-8")
    elif not chosen.page.exists() or chosen.page.read_text(encoding="utf-8") != page:
        sys.stdout.write(f"{chosen.page.name} is not what it would be: run this without --check\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
