"""Ask every provider whose key is set four small things, for a few cents in all, and note what came of it.

    python -m tools.live                       every provider whose key is in the environment
    python -m tools.live --only deepseek xai   these of them
    python -m tools.live --budget 0.02         spend at most this, in dollars, for all of it

A plain answer, a streamed one, a tool call, and a model that does not exist. Each goes to the cheapest model of the
provider that takes tools. A hard budget bounds the whole, a ceiling each call. What came of it is kept by provider,
with the day, in docs/reference/live.json, which docs/reference/providers.md is made from. It costs real money and needs
the network, so it refuses to run where CI is set. No key is ever shown, nor what a provider says.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TextIO

from modelroute import (
    AttemptsFailedError,
    Catalog,
    Model,
    ModelRouteError,
    Money,
    NoEligibleTargetError,
    NoProviderError,
    Policy,
    Price,
    Provider,
    Reply,
    Router,
    Scenario,
    cheapest,
)
from modelroute.runtime.environment import providers_from

RESULTS = Path(__file__).parent.parent / "docs" / "reference" / "live.json"
CHECKS = ("plain", "streamed", "tool call", "wrong model")
OK = "ok"

_NO_SUCH_MODEL = "modelroute-no-such-model"
_PROMPT = "What is the capital of France? Answer with one word."
_TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Look up the weather in a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
_POLICY = Policy(default=Scenario(prefer=cheapest))
# Enough for a model that thinks before it says one word.
_MOST_TOKENS = 512


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of one provider: by check, ``"ok"`` or in a few words what else. `cost` is in dollars."""

    day: str
    target: str
    dialect: str
    cost: str
    checks: Mapping[str, str]

    @property
    def holds(self) -> bool:
        """Whether every check went well."""
        return all(outcome == OK for outcome in self.checks.values())


def check_all(
    environ: Mapping[str, str],
    *,
    today: date,
    budget: Money,
    each: Money,
    only: Sequence[str] = (),
    urls: Mapping[str, str] | None = None,
) -> Iterator[tuple[str, Checked]]:
    """Yield (provider, what came of it) for every provider whose key is in `environ`, at `urls` where it names one.

    All calls together cost at most `budget`, and one at most `each`. Raises `NoProviderError` when no key is set.
    """
    left = budget
    for found in providers_from(Catalog.builtin(), environ):
        if only and found.name not in only:
            continue
        url = (urls or {}).get(found.name)
        place = {"url": [url]} if url else {"url": list(found.urls)} if found.urls else {"region": found.region}
        checked, spent = _check(found, place, today=today, budget=left, each=each)
        left = left - spent
        yield found.name, checked


def unasked(environ: Mapping[str, str], asked: Iterable[str]) -> list[str]:
    """Return the providers whose key is set and which were not `asked`: no model of theirs is listed, or no place."""
    rows = Catalog.builtin().providers.values()
    with_key = {row.name for row in rows if row.needs_key and any(environ.get(key, "").strip() for key in row.keys)}
    return sorted(with_key - set(asked))


def _check(
    found: Provider, place: Mapping[str, object], *, today: date, budget: Money, each: Money
) -> tuple[Checked, Money]:
    day = today.isoformat()
    if budget <= Money(0):
        return Checked(day, "", "", "0", {"plain": "the budget was used up"}), Money(0)
    options = {"max_cost": min(each, budget), "max_tokens": _MOST_TOKENS, "max_attempts": 2}
    with Router([Provider(found.name, key=list(found.keys), **place)], policy=_POLICY) as router:  # type: ignore[arg-type]
        try:
            target = router.explain(_PROMPT, tools=[_TOOL], **options).ranked[0].target  # type: ignore[arg-type]
        except (NoEligibleTargetError, IndexError):
            return Checked(day, "", "", "0", {"plain": "no model fits the ceiling"}), Money(0)
    model = target.rpartition("@")[0]
    missing = Model(_NO_SUCH_MODEL, features=frozenset({"tools"}))
    provider = Provider(
        found.name,
        key=list(found.keys),
        models=[model, missing],
        prices={_NO_SUCH_MODEL: Price(input=1, output=1)},
        **place,  # type: ignore[arg-type]
    )
    with Router([provider], policy=_POLICY) as whole:
        capped = whole.budget(budget)

        def ask(said: str = _PROMPT, *, stream: bool = False, asked: str = target, **more: object) -> Reply:
            if not stream:
                return capped.chat(said, model=asked, **options, **more)  # type: ignore[arg-type]
            with capped.stream(said, model=asked, **options, **more) as streamed:  # type: ignore[arg-type]
                for _ in streamed:
                    pass
                return streamed.reply

        checks = {
            "plain": _outcome(lambda: _answered(ask())),
            "streamed": _outcome(lambda: _answered(ask(stream=True))),
            "tool call": _outcome(lambda: _called(ask("What is the weather in Paris?", tools=[_TOOL]))),
            "wrong model": _refused(lambda: ask(asked=f"{_NO_SUCH_MODEL}@{found.name}")),
        }
        dialect = whole.catalog.provider(found.name).dialect
        return Checked(day, target, dialect, _dollars(capped.spent), checks), capped.spent


def _outcome(check: Callable[[], str]) -> str:
    """Return what came of a check in our own words only: a provider's may hold anything."""
    try:
        return check()
    except AttemptsFailedError as error:
        failure = error.failure
        status = f" (HTTP {failure.status})" if failure.status else ""
        return f"failed: {failure.kind.value}{status}"
    except ModelRouteError as error:
        return f"failed: {type(error).__name__}"


def _answered(reply: Reply) -> str:
    if reply.usage is None or reply.cost_basis == "estimate":
        return "answered without usage"
    return OK if reply.text or reply.finish == "length" else f"no text, finish {reply.finish}"


def _called(reply: Reply) -> str:
    names = [call.name for call in reply.tool_calls]
    return OK if names == ["get_weather"] else f"called {len(names)} tools, finish {reply.finish}"


def _refused(ask: Callable[[], Reply]) -> str:
    try:
        ask()
    except AttemptsFailedError as error:
        failure = error.failure
        said = f"told as {failure.kind.value}" + (f" (HTTP {failure.status})" if failure.status else "")
        return OK if failure.kind.value == "not_served" else said
    except ModelRouteError as error:
        return f"failed: {type(error).__name__}"
    return "was answered"


def _dollars(money: Money) -> str:
    return f"{float(money):.6f}"


# ------------------------------------------------------------------------------------------------------- kept and shown


def read(path: Path = RESULTS) -> dict[str, Checked]:
    """Return what is kept at `path` by provider; nothing where there is no file."""
    if not path.exists():
        return {}
    kept = json.loads(path.read_text(encoding="utf-8"))["providers"]
    return {name: Checked(**fields) for name, fields in kept.items()}


def write(checked: Mapping[str, Checked], path: Path = RESULTS) -> None:
    """Keep `checked` at `path`; providers that it does not name stay as they are."""
    kept = {name: asdict(one) for name, one in sorted((read(path) | dict(checked)).items())}
    path.write_text(json.dumps({"command": "make live", "providers": kept}, indent=2) + "\n", encoding="utf-8")


def _line(name: str, one: Checked) -> str:
    told = "; ".join(f"{check}: {one.checks[check]}" for check in CHECKS if check in one.checks)
    return f"{name:<12} {one.target or '-':<44} ${one.cost:<10} {told}\n"


def main(
    arguments: Sequence[str] | None = None, *, environ: Mapping[str, str] | None = None, out: TextIO = sys.stdout
) -> int:
    """Run the checks and print them; 1 when one did not go well, 2 where it may not run."""
    values = os.environ if environ is None else environ  # noqa: TID251 - a program's border
    parser = argparse.ArgumentParser(prog="make live", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", nargs="+", default=[], metavar="NAME", help="these providers of the catalog")
    parser.add_argument("--budget", default="0.05", help="dollars that all calls together may cost (default 0.05)")
    parser.add_argument("--each", default="0.01", help="dollars that one call may cost (default 0.01)")
    parser.add_argument(
        "--url", action="append", default=[], metavar="NAME=URL", help="ask a provider at this base URL"
    )
    parser.add_argument("--results", type=Path, default=RESULTS, help="where results are kept")
    chosen = parser.parse_args(arguments)
    if str(values.get("CI", "")).strip().lower() not in ("", "0", "false"):
        out.write("make live spends real money, so it does not run in CI: run it by hand, with keys of your own.\n")
        return 2
    done: dict[str, Checked] = {}
    today = datetime.now(UTC).date()  # noqa: TID251 - a program's border
    budget, each = Money(chosen.budget), Money(chosen.each)
    urls = dict(pair.split("=", 1) for pair in chosen.url)
    try:
        for name, one in check_all(values, today=today, budget=budget, each=each, only=chosen.only, urls=urls):
            out.write(_line(name, one))
            done[name] = one
    except NoProviderError as error:
        out.write(f"Nothing was asked: {error}\n")
        return 0
    finally:
        if done:
            write(done, chosen.results)
    for name in [] if chosen.only else unasked(values, done):
        out.write(f"{name:<12} not asked: the catalog lists no model of it, or nothing says where it is\n")
    spent = sum(float(one.cost) for one in done.values())
    out.write(f"{len(done)} providers asked, ${spent:.6f} of ${chosen.budget} spent\n")
    return 0 if all(one.holds for one in done.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
