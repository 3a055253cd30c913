"""Golden decisions: where an application's requests go, kept in a file, so that whoever changes it must say so.

```python
assert_decisions(
    router,
    "tests/decisions.json",
    {
        "nightly summary": GoldenRequest("Summarise ...", task="summarization", max_cost=0.01),
        "hard question": GoldenRequest("Is this safe under clock drift?", task="reasoning"),
    },
    update="UPDATE_GOLDEN" in os.environ,
)
```

Upgrade the catalog or edit the policy, and the test shows which requests now go elsewhere. Kept is what a team reviews:
the scenario and rules that applied, what had to hold, the targets in their order, and who was rejected and why. Not
kept: digests and estimates, which move without consequence, and targets that the router does not have.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, cast

from modelroute.errors import ConfigurationError, shown
from modelroute.runtime.calls import request_from
from modelroute.runtime.options import NOTHING_SAID
from modelroute.testing.scripted import EPOCH
from modelroute.types.decision_text import NOT_SET_UP, at_most
from modelroute.types.facts import Snapshot

if TYPE_CHECKING:
    from typing import TypeAlias, Unpack

    from modelroute.runtime.calls import Asking
    from modelroute.runtime.facade import Facade
    from modelroute.types.decision import Decision, Ranked
    from modelroute.types.messages import Messages

    Record: TypeAlias = Mapping[str, object]
    """What is kept of one decision, as the file's JSON has it."""

__all__ = ["GoldenRequest", "assert_decisions"]

_VERSION = 1


class GoldenRequest:
    """A request whose decision is kept: messages and keywords as for `chat`.

    `at`: the moment it is decided for, where prices change by the hour; by default that of `assert_decisions`.
    """

    __slots__ = ("asking", "at", "messages")

    def __init__(self, messages: Messages, *, at: datetime | None = None, **asking: Unpack[Asking]) -> None:
        self.messages = messages
        self.at = at
        self.asking = asking

    def __repr__(self) -> str:
        return f"<GoldenRequest {', '.join(sorted(self.asking)) or 'without options'}>"


def assert_decisions(
    router: Facade,
    golden: Path | str,
    requests: Mapping[str, GoldenRequest],
    *,
    update: bool = False,
    money: bool = False,
    at: datetime | None = None,
) -> Mapping[str, Decision]:
    """Assert that `router` decides the named requests as the file `golden` says; return the decisions. Sends nothing.

    `update` writes the file instead of comparing. `money` also keeps what each ranked target is expected to cost and
    costs at most. `at` is the moment that is decided for (with a time zone), by default the one at which scripted time
    begins: never today, so that a price window or a retirement does not fail a test overnight. What the router has
    learned from traffic plays no part either.

    Raises `AssertionError` with the differences and how to accept them, `ConfigurationError` for a file that is none.
    """
    path = Path(golden)
    moment = _moment(at, "at", EPOCH)
    decisions = {name: _decide(router, name, request, moment) for name, request in requests.items()}
    now = {name: _record(decision, money=money) for name, decision in decisions.items()}
    catalog = next((decision.catalog for decision in decisions.values()), "")
    if update:
        content = {"version": _VERSION, "catalog": catalog, "decisions": now}
        path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        return decisions
    told, recorded = _read(path)
    changes = list(_changes(recorded, now))
    if changes:
        head = f"{len(changes)} of {len(recorded.keys() | now.keys())} decisions are not as {path} has them"
        catalogs = (
            "" if told in {"", catalog} else f"\nIt was written with the catalog {told}; this router has {catalog}."
        )
        raise AssertionError(f"{head} (there -> now):\n\n" + "\n\n".join(changes) + f"\n{catalogs}\n{_HOW}")
    return decisions


_HOW = "If that is meant, run it once with update=True and commit the file."


def _moment(at: datetime | None, name: str, default: float) -> float:
    if at is None:
        return default
    if not isinstance(at, datetime) or at.tzinfo is None:
        raise ConfigurationError(f"{name}= must be a datetime with a time zone, not {shown(at)}")
    return at.timestamp()


def _decide(router: Facade, name: str, request: GoldenRequest, moment: float) -> Decision:
    if not isinstance(request, GoldenRequest):
        raise ConfigurationError(
            f"the request {name!r} must be GoldenRequest(messages, task=..., ...), not {shown(request)}"
        )
    core = router._core
    asked, options = request_from(request.messages, request.asking)
    options = NOTHING_SAID | (router._options | options)
    facts = core.facts(asked, options, streaming=False, missing={})
    snapshot = Snapshot(_moment(request.at, f"{name!r}: at", moment))
    return core.compiled.decide(facts, snapshot, prefer=options.prefer)


def _record(decision: Decision, *, money: bool) -> Record:
    kept: dict[str, object] = {
        "at": datetime.fromtimestamp(decision.now, UTC).isoformat().replace("+00:00", "Z"),
        "scenario": decision.scenario,
        "rules": ", ".join(decision.rules),
        "constraints": decision.constraints,
        "objective": decision.objective,
        "chosen": decision.target,
    }
    if money:
        kept["ranked"] = {ranked.target: _money(ranked) for ranked in decision.ranked}
    else:
        kept["ranked"] = [ranked.target for ranked in decision.ranked]
    kept["rejected"] = {
        rejected.target: ", ".join(sorted({reason.code for reason in rejected.reasons}))
        for rejected in decision.rejected
        if all(reason.code != NOT_SET_UP for reason in rejected.reasons)
    }
    return kept


def _money(ranked: Ranked) -> str:
    estimate = "price unknown" if ranked.estimate is None else f"~{ranked.estimate}"
    return f"{estimate}, " + ("not bounded" if ranked.bound is None else f"at most {at_most(ranked.bound)}")


def _read(path: Path) -> tuple[str, Mapping[str, Record]]:
    """Return the catalog and the decisions of the file."""
    if not path.exists():
        raise AssertionError(f"{path} does not exist yet: run this once with update=True and commit the file")
    try:
        content: object = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ConfigurationError(f"{path} is no JSON ({error}); write it anew with update=True") from None
    content = cast("Mapping[str, object]", content) if isinstance(content, dict) else {}
    decisions = content.get("decisions")
    whole = isinstance(decisions, dict) and all(isinstance(one, dict) for one in cast("Record", decisions).values())
    if content.get("version") != _VERSION or not whole:
        raise ConfigurationError(f"{path} holds no golden decisions of version {_VERSION}; write it with update=True")
    return str(content.get("catalog", "")), cast("Mapping[str, Record]", decisions)


def _changes(recorded: Mapping[str, Record], now: Mapping[str, Record]) -> Iterable[str]:
    """Yield one paragraph for each request that is decided otherwise, new, or no longer there."""
    for name, record in now.items():
        if name not in recorded:
            yield f"{name}: not in the file; goes to {record['chosen'] or 'nowhere'}"
            continue
        lines = list(_differences(recorded[name], record))
        if lines:
            yield "\n".join([f"{name}: {_choice(recorded[name], record)}", *(f"  {line}" for line in lines)])
    for name in recorded:
        if name not in now:
            yield f"{name}: in the file, but no longer asked"


def _choice(then: Record, now: Record) -> str:
    before, after = (one.get("chosen") or "nowhere" for one in (then, now))
    return f"still {after}" if before == after else f"{before} -> {after}"


def _differences(then: Record, now: Record) -> Iterable[str]:
    """Yield what differs: facts, then targets that now stand otherwise, then the order of those ranked both times."""
    for field in dict.fromkeys([*then, *now]):
        was, is_now = (one.get(field) or "none" for one in (then, now))
        if field not in _STANDINGS and field != "chosen" and was != is_now:
            yield f"- {field}: {was}"
            yield f"+ {field}: {is_now}"
    before, after = _standings(then), _standings(now)
    for target in sorted(before.keys() | after.keys()):
        stood, stands = (found.get(target, "not there") for found in (before, after))
        if stood != stands:
            yield f"{target}: {stood} -> {stands}"
    stayed = set(_order(then)) & set(_order(now))
    orders = [[target for target in _order(one) if target in stayed] for one in (then, now)]
    if orders[0] != orders[1]:
        yield f"- order: {', '.join(orders[0])}"
        yield f"+ order: {', '.join(orders[1])}"


_STANDINGS = ("ranked", "rejected")


def _order(record: Record) -> Sequence[str]:
    ranked = record.get("ranked", ())
    return [str(target) for target in cast("Iterable[object]", ranked)] if isinstance(ranked, list | dict) else []


def _standings(record: Record) -> Mapping[str, str]:
    """Return how each target stands: ranked, at what cost if that is kept, or rejected for what."""
    ranked, rejected = (record.get(field) for field in _STANDINGS)
    found = dict.fromkeys(_order(record), "ranked")
    if isinstance(ranked, dict):
        found |= {target: f"ranked ({cost})" for target, cost in cast("Record", ranked).items()}
    if isinstance(rejected, dict):
        found |= {target: f"rejected ({reasons})" for target, reasons in cast("Record", rejected).items()}
    return found
