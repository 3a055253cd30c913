"""Budgets end to end, over scripted providers: what is set aside, refused, moved elsewhere, charged and given back.

Prices are a dollar (cheap) or ten (dear) per million tokens, in or out; a hard budget sets at most 4,096 output tokens
aside, so the dear target claims about $0.042 and the cheap one about $0.0042.
"""

from __future__ import annotations

import asyncio
import gc
import pickle
import sys
import threading
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

import pytest

from modelroute import (
    AttemptsFailedError,
    Budget,
    BudgetExceededError,
    Catalog,
    ConfigurationError,
    DeadlineExceededError,
    Hedge,
    Model,
    ModelRouteError,
    Money,
    NoEligibleTargetError,
    Policy,
    Price,
    Provider,
    Rule,
    Scenario,
    StreamInterruptedError,
    UnknownNameError,
    cheapest,
)
from modelroute.engine.route import MOST_REFUSALS
from modelroute.money import ZERO
from modelroute.resilience.latency import KNOWN
from modelroute.testing import (
    Answer,
    Cuts,
    Fails,
    Failure,
    Garbles,
    Hangs,
    Kind,
    ScriptedAsyncRouter,
    ScriptedRouter,
    Slow,
    run_simulated,
)
from modelroute.testing.checks import WatchedStore, check_m3, check_s6
from modelroute.testing.script import Step
from modelroute.testing.scripted import EPOCH, SeenCall
from modelroute.types.claims import Balance, Claim, Refused
from modelroute.types.failure import Charge
from modelroute.types.notices import BudgetRefused, Overrun, RouterEvent
from modelroute.types.usage import Usage

DEAR, CHEAP, FREE = "m@dear", "m@cheap", "m@free"
ANSWER = Answer("hello", usage=Usage(10, 1_000))
"""Costs $0.0101 at the dear target, $0.00101 at the cheap one."""

Steps: TypeAlias = Mapping[str, Sequence[Step]]

BOTH: dict[str, Sequence[Step]] = {DEAR: [ANSWER], CHEAP: [ANSWER]}
DAY = 86_400


def provider(name: str, price: Price | None, *, errors_billed: bool = True) -> Provider:
    model = Model("m", context_window=128_000, max_output=16_000)
    return Provider.compatible(f"https://{name}.scripted.test/v1", name=name, key="k", models=[model], price=price)


PRICES: dict[str, Price | None] = {
    "dear": Price(input=10, output=10),
    "cheap": Price(input=1, output=1),
    "free": Price.free(),
}


def providers(script: Steps, prices: dict[str, Price | None] | None = None) -> list[Provider]:
    known = PRICES | (prices or {})
    return [provider(name, known[name]) for name in dict.fromkeys(target.partition("@")[2] for target in script)]


def made(
    script: Steps | None = None, *, prices: dict[str, Price | None] | None = None, **said: object
) -> dict[str, Any]:
    """Arguments of a scripted router."""
    script = BOTH if script is None else script
    return {
        "script": script,
        "providers": providers(script, prices),
        "policy": Policy(default=Scenario(prefer=[name for name in (DEAR, CHEAP, FREE) if name in script])),
        "catalog": Catalog(),
        **said,
    }


def watched(router: ScriptedRouter | ScriptedAsyncRouter) -> WatchedStore:
    """Check M1 at every instant from now on."""
    store = WatchedStore(router._core.books.local)
    router._core.books.local = store  # type: ignore[assignment]
    return store


@contextmanager
def scripted(script: Steps | None = None, **said: Any) -> Iterator[ScriptedRouter]:  # noqa: ANN401
    """A sync router whose money is watched; at the end nothing is set aside."""
    with ScriptedRouter(**made(script, **said)) as router:
        store = watched(router)
        yield router
        gc.collect()
        router._reaper.collect()
        check_m3(store)
        check_s6(router.calls)


def balance(router: ScriptedRouter | ScriptedAsyncRouter, scope: str) -> Balance:
    found = router._core.books.store.balance(scope, now=router._core.clocks.wall())
    return found or Balance(ZERO, ZERO, ZERO, ZERO)


def until_refused(router: ScriptedRouter) -> BudgetExceededError:
    """Ask until a budget has no room any more."""
    for _ in range(99):
        try:
            router.chat("hi")
        except BudgetExceededError as error:
            return error
    raise AssertionError("never refused")


def spent(router: ScriptedRouter | ScriptedAsyncRouter, scope: str) -> Money:
    return balance(router, scope).spent


def truth(router: ScriptedRouter | ScriptedAsyncRouter, calls: Sequence[SeenCall] | None = None) -> Money:
    """What the providers bill."""
    total = ZERO
    for call in router.calls if calls is None else calls:
        price = router.catalog.targets[call.target].price
        rates = None if price is None or call.billed is None else price.at(EPOCH, call.billed.input_tokens)
        if rates is not None and call.billed is not None:
            total += Money.from_pico(rates.cost(call.billed))
    return total


# -------------------------------------------------------------------------------------------------- refused or granted


def test_what_was_spent_is_on_every_account_that_covers_the_request() -> None:
    budgets = [Budget("all", 1), Budget("eu", 1, tag="eu"), Budget("us", 1, tag="us"), Budget("days", 1, per="day")]
    with scripted(budgets=budgets) as router:
        cost = router.chat("hi", tags="eu").cost + router.chat("hi").cost
        assert cost == Money("0.0202")
        assert spent(router, "budget:all") == cost
        assert spent(router, "budget:days@2026-11-22") == cost
        assert spent(router, "budget:eu") == Money("0.0101")
        assert spent(router, "budget:us") == ZERO


def test_of_several_budgets_all_have_room_or_none_is_touched() -> None:
    with scripted(budgets=[Budget("all", 1), Budget("small", "0.02"), Budget("days", 1, per="day")]) as router:
        with pytest.raises(BudgetExceededError) as caught:
            router.chat("hi")
        assert caught.value.budget == "small"
        assert router._core.books.store.balances(now=EPOCH) == {}
        assert not router.calls


def test_the_error_says_what_there_was_and_what_was_wanted() -> None:
    with scripted(budgets=[Budget("team-a", "0.02", per="day", tag="a")]) as router:
        router.clock.sleep(3_600)
        with pytest.raises(BudgetExceededError, match=r"budget 'team-a' has \$0.02 of \$0.02 left") as caught:
            router.chat("hi", tags="a")
        error = caught.value
        assert (error.budget, error.scope) == ("team-a", "budget:team-a@2026-11-22")
        assert (error.limit, error.left) == (Money("0.02"), Money("0.02"))
        assert error.wanted > error.left
        assert error.wanted == error.decision.ranked[0].bound
        assert error.retry_after == pytest.approx(DAY - 3_600)
        assert (error.attempts, error.cost) == ((), ZERO)
        assert "more than the whole budget: raise its limit, cap the output (max_tokens=)" in str(error)
        assert "82800 s" not in str(error), "no wait helps"
        again = pickle.loads(pickle.dumps(error))
        assert str(again) == str(error)
        assert (again.left, again.retry_after, again.decision) == (error.left, error.retry_after, error.decision)
        assert router.chat("hi").target == DEAR  # without the tag it is nobody's budget


@pytest.mark.parametrize(
    ("said", "words"),
    [({}, "Raise its limit, cap"), ({"per": "hour", "rolling": True}, "as what was spent leaves its window")],
)
def test_a_budget_without_an_end_says_no_time(said: dict[str, Any], words: str) -> None:
    with scripted(budgets=[Budget("b", "0.05", **said)]) as router:
        router.chat("hi")
        with pytest.raises(BudgetExceededError, match=words) as caught:
            router.chat("hi")
        assert caught.value.retry_after is None


def test_after_the_wait_it_names_there_is_room() -> None:
    with scripted(budgets=[Budget("b", "0.05", per="hour", zone="Asia/Kolkata")]) as router:
        router.clock.sleep(1_000.5)
        router.chat("hi")
        with pytest.raises(BudgetExceededError) as caught:
            router.chat("hi")
        wait = caught.value.retry_after
        assert wait == pytest.approx(2_599.5)
        assert "Its window ends in 2600 s. Retry then, cap the output (max_tokens=), or raise its limit." in str(
            caught.value
        )
        assert wait is not None
        router.clock.sleep(wait)
        assert router.chat("hi").cost == Money("0.0101")


def test_a_rolling_budget_has_room_as_spend_leaves_its_window() -> None:
    with scripted(budgets=[Budget("b", "0.05", per="hour", rolling=True)]) as router:
        router.chat("hi")
        router.clock.sleep(1_800)
        with pytest.raises(BudgetExceededError):
            router.chat("hi")
        router.clock.sleep(1_800 + 60)
        assert router.chat("hi").cost == Money("0.0101")


def test_a_limit_of_nothing_leaves_what_costs_nothing() -> None:
    with scripted(BOTH | {FREE: [ANSWER]}, budgets=[Budget("b", 0, on_exceeded="cheaper")]) as router:
        reply = router.chat("hi")
        assert (reply.target, reply.cost) == (FREE, ZERO)


def test_each_user_has_the_whole_limit() -> None:
    with scripted(budgets=[Budget("b", "0.05", each="user")]) as router:
        for user in ("ada", "bob", None):
            router.chat("hi", user=user)  # type: ignore[call-arg]
            with pytest.raises(BudgetExceededError) as caught:
                router.chat("hi", user=user)  # type: ignore[call-arg]
            assert caught.value.scope == f"budget:b[user={user or '(none)'}]"


def test_a_budget_of_one_user_is_not_anothers() -> None:
    with scripted(budgets=[Budget("b", 0, user="ada")]) as router:
        assert router.chat("hi", user="bob").target == DEAR  # type: ignore[call-arg]
        with pytest.raises(BudgetExceededError):
            router.chat("hi", user="ada")  # type: ignore[call-arg]


def test_each_tag_is_charged_and_any_of_them_refuses() -> None:
    with scripted(budgets=[Budget("b", "0.06", each="tag")]) as router:
        router.chat("hi", tags={"x", "y"})
        router.chat("hi", tags={"x"})
        assert spent(router, "budget:b[tag=x]") == Money("0.0202")
        assert spent(router, "budget:b[tag=y]") == Money("0.0101")
        with pytest.raises(BudgetExceededError) as caught:
            router.chat("hi", tags={"x", "y"})
        assert caught.value.scope == "budget:b[tag=x]"
        assert balance(router, "budget:b[tag=y]").reserved == ZERO


def test_a_scenarios_budget_is_that_scenarios() -> None:
    policy = Policy(scenarios=[Scenario("coding", task="coding", prefer=cheapest)], default=Scenario(prefer=cheapest))
    with scripted(policy=policy, budgets=[Budget("b", 0, scenario="coding")]) as router:
        assert router.chat("hi").cost > ZERO
        with pytest.raises(BudgetExceededError):
            router.chat("hi", task="coding")


def test_names_nobody_knows_are_refused_when_the_router_is_made() -> None:
    misspelt: list[dict[str, Any]] = [{"target": "m@daer"}, {"scenario": "codign"}, {"task": "codign"}]
    for said in misspelt:
        with pytest.raises(UnknownNameError, match="It stands in Budget"):
            ScriptedRouter(**made(budgets=[Budget("b", 1, **said)]))
    for wrong in (Budget("b", 1), ["b"], [1], "b", None):
        with pytest.raises(ConfigurationError, match="budgets="):
            ScriptedRouter(**made(budgets=wrong))
    with pytest.raises(ConfigurationError, match="two budgets are named 'b'"):
        ScriptedRouter(**made(budgets=[Budget("b", 1), Budget("b", 2)]))


# ---------------------------------------------------------------------------------------- moving on to what still fits


def test_cheaper_routes_to_what_still_fits() -> None:
    """Less is left than the dear target's forecast needs: the cheap one is asked, with its own whole cap."""
    with scripted(budgets=[Budget("b", "0.0049", on_exceeded="cheaper")]) as router:
        reply = router.chat("hi")
        assert (reply.target, reply.attempts[0].why) == (CHEAP, "first")
        assert router.calls[0].sent["max_tokens"] == 4_096


def test_cheaper_lowers_the_cap_and_says_that_a_budget_did() -> None:
    with scripted({DEAR: [ANSWER]}, budgets=[Budget("b", "0.02", on_exceeded="cheaper")]) as router:
        reply = router.chat("hi")
        cap = router.calls[0].sent["max_tokens"]
        assert isinstance(cap, int)
        assert 1_000 < cap < 2_000
        assert reply.capped_by == "budget"
        assert reply.attempts[0].reserved <= Money("0.02")
        assert router.chat("hi", max_tokens=500).capped_by is None
        with pytest.raises(BudgetExceededError, match=r"of \$0.02 left"):
            router.chat("hi")


def test_a_ceiling_below_what_is_left_is_what_lowered_the_cap() -> None:
    with scripted({DEAR: [ANSWER]}, budgets=[Budget("b", "0.03", on_exceeded="cheaper")]) as router:
        assert router.chat("hi", max_cost="0.02").capped_by == "max_cost"
        assert router.chat("hi", max_cost="0.04").capped_by == "budget"


def test_cheaper_never_asks_for_ever() -> None:
    """A store that always says there is plenty left and never grants: others may spend it in between."""
    asked: list[str] = []

    class Liar(WatchedStore):
        def reserve(self, reservation: str, claims: Sequence[Claim], **said: Any) -> Any:  # noqa: ANN401
            asked.append(reservation)
            return Refused(claims[0].scope, claims[0].amount, claims[0].amount)

    with ScriptedRouter(**made(budgets=[Budget("b", 1, on_exceeded="cheaper")])) as router:
        router._core.books.local = Liar(router._core.books.local)  # type: ignore[assignment]
        with pytest.raises(BudgetExceededError):
            router.chat("hi")
        assert len(asked) <= MOST_REFUSALS + 2
        assert len(set(asked)) == len(asked)
        assert not router.calls


def test_a_soft_budget_that_routes_cheaper_does_so_at_once() -> None:
    """A low cap lowers what is likely, too: else the same refusal would come again and again."""
    heard: list[RouterEvent] = []
    with scripted(
        {DEAR: [ANSWER]}, budgets=[Budget("b", "0.008", hard=False, on_exceeded="cheaper")], on_event=heard.append
    ) as router:
        reply = router.chat("hi")
        assert router.calls[0].sent["max_tokens"]
        assert reply.capped_by == "budget"
        assert reply.cost <= Money("0.008")
    assert len([event for event in heard if isinstance(event, BudgetRefused)]) == 1


def test_a_targets_budget_moves_on_to_another_target() -> None:
    heard: list[RouterEvent] = []
    with scripted(budgets=[Budget("b", "0.05", target="dear")], on_event=heard.append) as router:
        assert [router.chat("hi").target for _ in range(3)] == [DEAR, CHEAP, CHEAP]
        assert spent(router, "budget:b") == Money("0.0101")
    refused = [event for event in heard if isinstance(event, BudgetRefused)]
    assert len(refused) == 2
    assert all((event.budget, event.scope, event.moved_on) == ("b", "budget:b", True) for event in refused)
    assert all(event.wanted > event.left == Money("0.0399") for event in refused)


def test_when_every_targets_budget_is_spent_the_error_names_one() -> None:
    with scripted(budgets=[Budget("b", "0.045", each="target")]) as router:
        assert [router.chat("hi").target for _ in range(2)] == [DEAR, CHEAP]
        router.chat("hi", max_tokens=3_000)
        assert until_refused(router).scope in {"budget:b[target=m@dear]", "budget:b[target=m@cheap]"}
        assert {call.target for call in router.calls} == {DEAR, CHEAP}


def test_what_one_target_has_left_does_not_narrow_another() -> None:
    """Each target has an account of its own: the dear one's is nearly spent, the cheap one's is not."""
    with scripted(budgets=[Budget("b", "0.012", each="target", on_exceeded="cheaper")]) as router:
        router.chat("hi", model=DEAR, max_tokens=1_100)
        reply = router.chat("hi")
        assert (reply.target, reply.capped_by) == (CHEAP, "budget")
        assert router.calls[-1].sent["max_tokens"] == 4_096
        assert reply.attempts[0].reserved > Money("0.004")


# ---------------------------------------------------------------------------------------------------- several attempts


def test_a_fallback_is_booked_too() -> None:
    script: Steps = {DEAR: [Fails(Failure(Kind.SILENT), billed=Usage(10, 1_000))], CHEAP: [ANSWER]}
    with scripted(script, budgets=[Budget("b", 1), Budget("cheap", 1, target="cheap")]) as router:
        reply = router.chat("hi")
        assert [attempt.target for attempt in reply.attempts] == [DEAR, CHEAP]
        assert reply.cost == spent(router, "budget:b") > truth(router)
        assert spent(router, "budget:cheap") == reply.attempts[1].cost == Money("0.00101")


def test_a_fallback_the_budget_has_no_room_for_is_refused_and_what_was_made_is_kept() -> None:
    script: Steps = {DEAR: [Fails(Failure(Kind.SILENT))], CHEAP: [ANSWER]}
    with scripted(script, budgets=[Budget("b", "0.045")]) as router:
        with pytest.raises(BudgetExceededError, match="After 1 attempt") as caught:
            router.chat("hi")
        error = caught.value
        assert [attempt.target for attempt in error.attempts] == [DEAR]
        assert error.cost == error.attempts[0].cost == spent(router, "budget:b")
        assert error.cost > Money("0.04")
        assert pickle.loads(pickle.dumps(error)).attempts == error.attempts


def test_cheaper_lowers_the_cap_of_a_fallback() -> None:
    script: Steps = {DEAR: [Fails(Failure(Kind.SILENT))], CHEAP: [ANSWER]}
    with scripted(script, budgets=[Budget("b", "0.0445", on_exceeded="cheaper")]) as router:
        reply = router.chat("hi")
        assert (reply.target, reply.capped_by) == (CHEAP, "budget")
        assert 500 < int(str(router.calls[-1].sent["max_tokens"])) < 4_096
        assert spent(router, "budget:b") == reply.cost


def test_a_budget_that_refuses_a_restart_loses_nothing_the_caller_has() -> None:
    script: Steps = {
        DEAR: [Cuts(3, Answer("one two three", pieces=3, usage=Usage(10, 9), between=0.1))],
        CHEAP: [ANSWER],
    }
    with scripted(script, budgets=[Budget("b", "0.045")]) as router:
        got: list[str] = []
        with router.stream("hi", on_interrupt="restart") as stream, pytest.raises(StreamInterruptedError) as caught:
            got.extend(event.text for event in stream)  # type: ignore[union-attr]
        assert caught.value.partial.text == "".join(got) != ""
        assert caught.value.cost == spent(router, "budget:b")


def test_a_window_may_end_in_the_middle_of_a_request() -> None:
    """Each attempt is charged to the window it was sent in."""
    script: Steps = {DEAR: [Fails(Failure(Kind.SILENT), delay=2.0)], CHEAP: [ANSWER]}
    with scripted(script, budgets=[Budget("b", "0.045", per="day")]) as router:
        router.clock.sleep(DAY - 1)
        reply = router.chat("hi")
        assert [attempt.target for attempt in reply.attempts] == [DEAR, CHEAP]
        assert spent(router, "budget:b@2026-11-22") == reply.attempts[0].cost > Money("0.04")
        assert spent(router, "budget:b@2026-11-23") == reply.attempts[1].cost == Money("0.00101")


def test_ceiling_and_budgets_together() -> None:
    with scripted(budgets=[Budget("b", "0.05")]) as router:
        reply = router.chat("hi", max_cost="0.02")
        assert reply.attempts[0].reserved <= Money("0.02")
        assert reply.cost == spent(router, "budget:b")
        assert router.chat("hi", max_cost="0.02").cost == reply.cost
        with pytest.raises(NoEligibleTargetError):
            router.chat("hi", max_cost="0.0001")


# --------------------------------------------------------------------------------- what a hard budget demands (M4, M6)


def test_without_a_price_a_hard_budget_sends_nothing() -> None:
    with scripted({DEAR: [ANSWER]}, prices={"dear": None}, budgets=[Budget("b", 100)]) as router:
        assert "price" in str(router.explain("hi").rejected[0].reasons[0])
        with pytest.raises(NoEligibleTargetError, match="price"):
            router.chat("hi")
        assert not router.calls


def test_what_has_no_price_is_passed_over_for_what_has_one() -> None:
    with scripted(prices={"dear": None}, budgets=[Budget("b", 100)]) as router:
        assert router.chat("hi").target == CHEAP


def test_a_soft_budget_takes_what_has_no_price() -> None:
    with scripted({DEAR: [ANSWER]}, prices={"dear": None}, budgets=[Budget("b", 1, hard=False)]) as router:
        reply = router.chat("hi")
        assert (reply.cost, reply.cost_basis) == (ZERO, "unpriced")


def test_targets_a_hard_budget_does_not_cover_need_no_price_and_get_no_cap() -> None:
    with scripted(prices={"dear": None}, budgets=[Budget("b", 100, target="cheap")]) as router:
        reply = router.chat("hi")
        assert (reply.target, reply.capped_by) == (DEAR, None)
        assert "max_tokens" not in router.calls[0].sent
        assert router.chat("hi", model="m@cheap").capped_by == "budget"
        assert router.calls[1].sent["max_tokens"] == 4_096


def test_requests_a_hard_budget_does_not_cover_are_as_free_as_ever() -> None:
    with scripted({DEAR: [ANSWER]}, prices={"dear": None}, budgets=[Budget("b", 100, tag="x")]) as router:
        assert router.chat("hi").capped_by is None
        with pytest.raises(NoEligibleTargetError):
            router.chat("hi", tags="x")


def test_a_hard_budget_sends_a_cap_and_sets_its_price_aside() -> None:
    with scripted({DEAR: [ANSWER]}, budgets=[Budget("b", 10)]) as router:
        (ranked,) = router.explain("hi").ranked
        assert ranked.bound is not None
        assert ranked.bound >= Money("0.04096")
        reply = router.chat("hi")
        assert router.calls[0].sent["max_tokens"] == 4_096
        assert reply.capped_by == "budget"
        assert reply.attempts[0].reserved == ranked.bound


def test_an_explicit_cap_wins() -> None:
    with scripted({DEAR: [ANSWER]}, budgets=[Budget("b", 10)]) as router:
        for cap, finish in ((16, "length"), (9_000, "stop")):
            reply = router.chat("hi", max_tokens=cap)
            assert router.calls[-1].sent["max_tokens"] == cap
            assert (reply.capped_by, reply.finish) == (None, finish)
            assert reply.attempts[0].reserved >= Money("0.00001") * cap


def test_where_longer_answers_were_seen_the_cap_is_higher() -> None:
    with scripted({DEAR: [ANSWER]}, budgets=[Budget("b", 10)]) as router:
        for _ in range(2 * KNOWN):
            router._core.experience.answered(DEAR, EPOCH, 7_000, None)
        router.chat("hi")
        assert 7_000 <= int(str(router.calls[0].sent["max_tokens"])) <= 16_000


def test_a_soft_budget_sends_no_cap() -> None:
    with scripted({DEAR: [ANSWER]}, budgets=[Budget("b", 10, hard=False)]) as router:
        assert router.chat("hi").capped_by is None
        assert "max_tokens" not in router.calls[0].sent


def test_an_answer_that_is_cut_by_the_cap_says_who_cut_it() -> None:
    long = Answer("x" * 9_000, usage=Usage(10, 9_000))
    with scripted({DEAR: [long]}, budgets=[Budget("b", 10)]) as router:
        reply = router.chat("hi")
        assert (reply.finish, reply.capped_by) == ("length", "budget")
        assert reply.cost <= reply.attempts[0].reserved


def test_what_makes_a_bound_impossible_is_refused_under_a_hard_budget() -> None:
    server_side = [{"type": "web_search_preview"}]
    for budgets, refused in (([Budget("b", 10)], True), ([Budget("b", 10, hard=False)], False)):
        with scripted({DEAR: [ANSWER]}, budgets=budgets) as router:
            assert bool(router.explain("hi", extra_body={"service_tier": "priority"}).rejected) is refused
            with_tools = router.explain("hi", extra_body={"plugins": server_side})
            assert bool(with_tools.rejected) is refused


def test_a_soft_budget_sets_less_aside_and_may_go_over_once() -> None:
    with scripted({DEAR: [ANSWER]}, budgets=[Budget("b", "0.011", hard=False)]) as router:
        reply = router.chat("hi")
        assert reply.attempts[0].basis == "declared by you"
        assert reply.cost == spent(router, "budget:b") == Money("0.0101")
    long = Answer("x" * 50, usage=Usage(10, 9_000))
    with scripted({DEAR: [long]}, budgets=[Budget("b", "0.02", hard=False)]) as router:
        assert router.chat("hi").cost == spent(router, "budget:b") == Money("0.0901")
        with pytest.raises(BudgetExceededError, match=r"has \$0 of \$0.02 left"):
            router.chat("hi")


def test_a_soft_and_a_hard_budget_each_claim_their_own() -> None:
    """Within one request the hard one sets the bound aside, the soft one what is likely."""
    held: list[dict[str, Money]] = []

    class Looking(WatchedStore):
        def reserve(self, reservation: str, claims: Sequence[Claim], **said: Any) -> Any:  # noqa: ANN401
            held.append({claim.scope: claim.amount for claim in claims})
            return super().reserve(reservation, claims, **said)

    budgets = [Budget("hard", 1), Budget("soft", 1, hard=False)]
    with ScriptedRouter(**made({DEAR: [ANSWER]}, budgets=budgets)) as router:
        router._core.books.local = Looking(router._core.books.local)  # type: ignore[assignment]
        router.chat("hi")
    assert held[0]["budget:hard"] > Money("0.04")
    assert ZERO < held[0]["budget:soft"] < Money("0.02")


# ----------------------------------------------------------------------------------------------------- what is charged


def test_zero_usage_is_zero() -> None:
    with scripted({DEAR: [Answer("", usage=Usage(0, 0), finish="stop")]}, budgets=[Budget("b", "0.05")]) as router:
        for _ in range(3):
            reply = router.chat("hi")
            assert (reply.cost, reply.cost_basis) == (ZERO, "declared by you")
        assert spent(router, "budget:b") == ZERO


def test_an_answer_without_usage_is_charged_whole_under_a_promise() -> None:
    silent = Answer("hello", usage=Usage(10, 1_000), reports=False)
    with scripted({DEAR: [silent]}, budgets=[Budget("b", 1)]) as router:
        reply = router.chat("hi")
        assert (reply.cost, reply.cost_basis) == (reply.attempts[0].reserved, "reservation")
        assert reply.cost >= truth(router)
    with scripted({DEAR: [silent]}, budgets=[Budget("b", 1, hard=False)]) as router:
        reply = router.chat("hi")
        assert reply.cost_basis == "estimate"
        assert ZERO < reply.cost == spent(router, "budget:b") < Money("0.04")


def test_a_bill_beyond_the_bound_is_told_and_leaves_less_for_the_next() -> None:
    heard: list[RouterEvent] = []
    wrong = Answer("hello", usage=Usage(1_000_000, 1))
    with ScriptedRouter(**made({DEAR: [wrong]}, budgets=[Budget("b", 9)], on_event=heard.append)) as router:
        reply = router.chat("hi")
        assert spent(router, "budget:b") == reply.cost > Money(9)
        with pytest.raises(BudgetExceededError) as caught:
            router.chat("hi")
        assert caught.value.left == ZERO
    (overrun,) = [event for event in heard if isinstance(event, Overrun)]
    assert (overrun.target, overrun.cost) == (DEAR, reply.cost)
    assert overrun.reserved == reply.attempts[0].reserved < overrun.cost


def test_explaining_sets_nothing_aside() -> None:
    with scripted(budgets=[Budget("b", "0.05"), Budget("days", 1, per="day")]) as router:
        for _ in range(9):
            assert router.explain("hi").ranked
        assert router._core.books.store.balances(now=EPOCH) == {}
        router.chat("hi")
        before = router._core.books.store.balances(now=EPOCH)
        router.explain("hi")
        assert router._core.books.store.balances(now=EPOCH) == before


STEPS: dict[str, Step] = {
    **{f"fails {kind.value}": Fails(Failure(kind)) for kind in Kind},
    **{
        f"fails {kind.value} and bills": Fails(Failure(kind), delay=0.2, billed=Usage(10, 900))
        for kind in Kind
        if Failure(kind).row.charge is not Charge.NOTHING
    },
    "hangs at once": Hangs(0, ANSWER),
    "hangs in the middle": Hangs(3, ANSWER),
    "cuts at once": Cuts(0, ANSWER),
    "cuts in the middle": Cuts(3, ANSWER),
    "means nothing": Garbles(2, True, ANSWER),
    "skips one": Garbles(2, False, ANSWER),
    "is slow": Slow(50.0, 0.5, ANSWER),
    "is too late": Slow(500.0, 0.5, ANSWER),
    "reports nothing": Answer("hello", usage=Usage(10, 900), reports=False),
}


@pytest.mark.parametrize("step", STEPS.values(), ids=STEPS.keys())
@pytest.mark.parametrize("streamed", [False, True], ids=["chat", "stream"])
def test_whatever_happens_nothing_stays_set_aside_and_nothing_is_missing(step: Step, streamed: bool) -> None:
    """M2, M3, M5: the counter is the sum of the attempts' costs, and no less than the providers bill."""
    with scripted({DEAR: [step], CHEAP: [step, ANSWER]}, budgets=[Budget("b", 1), Budget("d", 1, per="day")]) as router:
        attempts: Sequence[Any] = ()
        try:
            if streamed:
                with router.stream("hi", deadline=100) as stream:
                    for _ in stream:
                        pass
                    attempts = stream.reply.attempts
            else:
                attempts = router.chat("hi", deadline=100).attempts
        except AttemptsFailedError as error:
            attempts = error.attempts
        assert len(attempts) == len(router.calls)
        recorded = sum((attempt.cost for attempt in attempts), ZERO)
        assert recorded == spent(router, "budget:b") == spent(router, "budget:d@2026-11-22")
        assert recorded >= truth(router)


# -------------------------------------------------------------------------------------------- cancelled, left, dropped


async def all_over(router: ScriptedAsyncRouter, store: WatchedStore) -> None:
    await router.aclose()
    check_m3(store)
    check_s6(router.calls)
    scopes = store.balances(now=router._core.clocks.wall())
    assert sum((found.spent for found in scopes.values()), ZERO) >= truth(router)


@pytest.mark.parametrize("after", [0.0, 0.05, 1.0, 2.0, 2.5, 3.0, 7.0])
@pytest.mark.parametrize("again", [None, 0.0, 0.01])
def test_a_cancelled_request_is_charged_for_what_it_began(after: float, again: float | None) -> None:
    async def main() -> None:
        script: Steps = {
            DEAR: [Fails(Failure(Kind.SILENT), delay=2.0, billed=Usage(5, 9))],
            CHEAP: [Slow(3.0, 1.0, ANSWER)],
        }
        router = ScriptedAsyncRouter(**made(script, budgets=[Budget("b", 1)]))
        store = watched(router)
        task = asyncio.ensure_future(router.chat("hi"))
        await asyncio.sleep(after)
        task.cancel()
        if again is not None:
            await asyncio.sleep(again)
            task.cancel()
        await asyncio.wait((task,))
        assert task.cancelled()
        await all_over(router, store)

    run_simulated(main, seed=3)


@pytest.mark.parametrize("taken", [0, 1, 2])
@pytest.mark.parametrize("how", ["left", "dropped"])
def test_streams_that_are_not_read_to_the_end(taken: int, how: str) -> None:
    async def main() -> None:
        slow = Answer("one two three four", pieces=4, usage=Usage(10, 1_000), between=0.5)
        router = ScriptedAsyncRouter(**made({DEAR: [slow]}, budgets=[Budget("b", 1)]))
        store = watched(router)
        stream = router.stream("hi")
        for _ in range(taken):
            await anext(stream)
        if how == "left":
            await stream.aclose()
            check_m3(store)
        else:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ResourceWarning)
                del stream
                gc.collect()
        await all_over(router, store)

    run_simulated(main, seed=4)


def test_sync_streams_that_are_left_or_dropped() -> None:
    slow = Answer("one two three four", pieces=4, usage=Usage(10, 1_000), between=0.5)
    with scripted({DEAR: [slow]}, budgets=[Budget("b", 1)]) as router:
        with router.stream("hi") as stream:
            next(stream)
        assert balance(router, "budget:b").reserved == ZERO
        assert spent(router, "budget:b") >= truth(router)
        unread = router.stream("hi")
        next(unread)
        assert balance(router, "budget:b").reserved > ZERO
        with pytest.warns(ResourceWarning, match="dropped before its end"):
            del unread
        gc.collect()
        router.chat("hi")
        assert balance(router, "budget:b").reserved == ZERO
        assert spent(router, "budget:b") >= truth(router)


def test_both_of_a_race_are_booked() -> None:
    async def main() -> None:
        router = ScriptedAsyncRouter(
            **made({DEAR: [Slow(9.0, 0.1, ANSWER)], CHEAP: [Slow(1.0, 0.1, ANSWER)]}, budgets=[Budget("b", 1)])
        )
        store = watched(router)
        reply = await router.chat("hi", hedge=Hedge(after=0.5))
        assert reply.target == CHEAP
        assert reply.cost == spent(router, "budget:b") > Money("0.04")
        await all_over(router, store)

    run_simulated(main, seed=5)


def test_a_race_a_budget_has_no_room_for_is_not_run() -> None:
    async def main() -> None:
        script: Steps = {DEAR: [Slow(9.0, 0.1, ANSWER)], CHEAP: [Slow(1.0, 0.1, ANSWER)]}
        router = ScriptedAsyncRouter(**made(script, budgets=[Budget("b", "0.045")]))
        store = watched(router)
        reply = await router.chat("hi", hedge=Hedge(after=0.5))
        assert reply.target == DEAR
        assert [call.target for call in router.calls] == [DEAR]
        await all_over(router, store)

    run_simulated(main, seed=5)


# --------------------------------------------------------------------------------------------------------- concurrency


def test_threads_at_once_never_overspend() -> None:
    """M1: 32 threads meet at a barrier and ask as one, again and again; what they are billed stays within the limit."""
    limit = Money("0.5")
    budgets = [Budget("b", limit), Budget("u", "0.09", each="user"), Budget("d", 1, per="day")]
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with scripted({DEAR: [ANSWER]}, budgets=budgets) as router:
            barrier = threading.Barrier(32)
            outcomes: list[str] = []

            def ask(number: int) -> None:
                for turn in range(4):
                    barrier.wait(30)
                    try:
                        router.chat(f"hi {number}", user=f"user {number % 9}")  # type: ignore[call-arg]
                        outcomes.append("answered")
                    except BudgetExceededError as error:
                        outcomes.append(error.budget)
                    except ModelRouteError as error:  # pragma: no cover
                        outcomes.append(f"{turn} {error}")

            threads = [threading.Thread(target=ask, args=(number,)) for number in range(32)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(60)
            assert set(outcomes) <= {"answered", "b", "u"}
            assert len(outcomes) == 128
            assert ZERO < truth(router) == spent(router, "budget:b") <= limit
            assert outcomes.count("answered") == len(router.calls)
    finally:
        sys.setswitchinterval(before)


@pytest.mark.parametrize("seed", range(3))
def test_tasks_at_once_never_overspend(seed: int) -> None:
    async def main() -> None:
        limit = Money("0.5")
        script: Steps = {
            DEAR: [Slow(1.0, 0.1, ANSWER), Cuts(3, ANSWER), ANSWER],
            CHEAP: [ANSWER, Hangs(1, ANSWER), ANSWER],
        }
        router = ScriptedAsyncRouter(**made(script, budgets=[Budget("b", limit, on_exceeded="cheaper")]), seed=seed)
        store = watched(router)

        async def ask(number: int) -> bool:
            try:
                await router.chat(f"hi {number}", deadline=30)
            except (BudgetExceededError, AttemptsFailedError, NoEligibleTargetError):
                return False
            return True

        answered = await asyncio.gather(*(ask(number) for number in range(200)))
        assert any(answered)
        assert not all(answered)
        assert truth(router) <= spent(router, "budget:b") <= limit
        await all_over(router, store)

    run_simulated(main, seed)


# --------------------------------------------------------------------------------------------------------------- views


def test_a_view_knows_what_it_cost() -> None:
    spaced = Answer("one two", pieces=2, usage=Usage(10, 1_000), between=0.1)
    with ScriptedRouter(**made({DEAR: [spaced]})) as router:
        with router.budget("0.1") as capped:
            assert (capped.spent, capped.remaining) == (ZERO, Money("0.1"))
            cost = capped.chat("hi").cost
            assert (capped.spent, capped.remaining) == (cost, Money("0.1") - cost)
            router.chat("hi")
            assert capped.spent == cost
            with capped.stream("hi") as stream:
                next(stream)
                assert capped.spent == cost
                assert capped.remaining < Money("0.1") - cost - Money("0.04")
            assert capped.remaining == Money("0.1") - capped.spent
            assert "the budget of this view has" in str(until_refused(capped))
            assert capped.spent <= Money("0.1")
        assert router.chat("hi").target == DEAR


def test_a_view_used_after_its_block_is_the_same() -> None:
    with ScriptedRouter(**made()) as router:
        with router.budget("0.06") as capped:
            capped.chat("hi")
        capped.chat("hi")
        assert capped.spent == Money("0.0202")
        with pytest.raises(BudgetExceededError):
            capped.chat("hi")
        with capped:
            assert capped.spent == Money("0.0202")


def test_views_in_views_draw_on_each() -> None:
    with ScriptedRouter(**made()) as router, router.budget("0.2") as outer:
        inner, other = outer.budget("0.06"), outer.budget("0.06")
        inner.chat("hi")
        other.chat("hi")
        assert (inner.spent, other.spent, outer.spent) == (Money("0.0101"), Money("0.0101"), Money("0.0202"))
        assert outer.remaining == Money("0.1798")
        wide = outer.budget(50)
        assert until_refused(wide).scope == outer._budget.name  # type: ignore[union-attr]
        assert wide.spent + Money("0.0202") == outer.spent


def test_views_with_options_share_the_budget_they_were_made_of() -> None:
    with ScriptedRouter(**made()) as router:
        capped = router.with_options(max_attempts=1).budget("0.1")
        tagged = capped.with_options(tags="x", model=CHEAP)
        assert tagged.chat("hi").target == CHEAP
        assert tagged.spent == capped.spent == Money("0.00101")
        with tagged:
            pass
        assert capped.chat("hi").target == DEAR
        with pytest.raises(ConfigurationError, match="view"):
            capped.close()


def test_a_view_comes_on_top_of_the_routers_budgets() -> None:
    with ScriptedRouter(**made(budgets=[Budget("b", "0.045")])) as router, router.budget(5) as capped:
        capped.chat("hi")
        assert spent(router, "budget:b") == capped.spent == Money("0.0101")
        with pytest.raises(BudgetExceededError) as caught:
            capped.chat("hi")
        assert caught.value.budget == "b"
        assert capped.remaining == Money(5) - capped.spent


def test_views_are_soft_or_move_on_as_asked() -> None:
    with ScriptedRouter(**made()) as router:
        soft = router.budget("0.0108", hard=False)
        assert soft.chat("hi").cost == soft.spent == Money("0.0101")
        assert "max_tokens" not in router.calls[-1].sent
        with pytest.raises(BudgetExceededError):
            soft.chat("hi")
        assert router.budget("0.005", on_exceeded="cheaper").chat("hi").target == CHEAP
        for wrong in ({"limit": -1}, {"limit": "x"}, {"limit": 1, "hard": 1}, {"limit": 1, "on_exceeded": "chaeper"}):
            with pytest.raises(ConfigurationError):
                router.budget(**wrong)


def test_only_a_view_of_a_budget_has_something_spent() -> None:
    with ScriptedRouter(**made(budgets=[Budget("b", 1)])) as router:
        for made_of in (router, router.with_options(tags="x")):
            with pytest.raises(ConfigurationError, match=r"with router\.budget"):
                _ = made_of.spent
            with pytest.raises(ConfigurationError, match=r"with router\.budget"):
                _ = made_of.remaining


def test_what_runs_when_the_view_dies_is_still_charged_to_the_rest() -> None:
    """The account of a view that is gone is forgotten once nothing is set aside on it, and no sooner."""
    with ScriptedRouter(**made(budgets=[Budget("b", 1)])) as router:
        store = router._core.books.local
        stream = router.budget(1).stream("hi")
        next(stream)
        gc.collect()
        for _ in stream:
            pass
        assert stream.reply.cost == spent(router, "budget:b")
        del stream
        gc.collect()
        assert store.reserved == ZERO
        assert list(store.balances(now=EPOCH)) == ["budget:b"]


def test_a_hundred_thousand_views_leave_nothing_behind() -> None:
    with ScriptedRouter(**made({FREE: [Answer("x")]})) as router:
        store = router._core.books.local
        view, most = router.budget(1), 0
        for number in range(100_000):
            view = router.budget(1)
            if number % 500 == 0:
                view.chat("hi")
                most = max(most, store.open_accounts)
        del view
        assert most <= 2
        assert store.open_accounts == 0
        assert not store._accounts._unwanted
        assert len(router._core._covered._known) < 9


def test_views_of_an_async_router() -> None:
    async def main() -> None:
        async with ScriptedAsyncRouter(**made()) as router:
            async with router.budget("0.5") as capped:
                costs = [reply.cost for reply in await asyncio.gather(*(capped.chat(f"hi {n}") for n in range(5)))]
                assert capped.spent == sum(costs, ZERO) == Money("0.0505")
                outcomes = await asyncio.gather(*(capped.chat("hi") for _ in range(50)), return_exceptions=True)
                assert any(isinstance(outcome, BudgetExceededError) for outcome in outcomes)
                assert capped.spent <= Money("0.5")
                assert capped.remaining == Money("0.5") - capped.spent
            assert (await router.chat("hi")).target == DEAR
            assert router._core.books.local.reserved == ZERO

    run_simulated(main, seed=1)


def test_a_rule_and_a_budget_do_not_disturb_each_other() -> None:
    policy = Policy(rules=[Rule(tag="cheap", providers={"cheap"})], default=Scenario(prefer=cheapest))
    with scripted(policy=policy, budgets=[Budget("b", 1, tag="cheap", target="dear")]) as router:
        assert router.chat("hi", tags="cheap").target == CHEAP
        assert router._core.books.store.balances(now=EPOCH) == {}


def test_a_deadline_that_passes_keeps_the_promise() -> None:
    with scripted({DEAR: [Hangs(0, ANSWER)]}, budgets=[Budget("b", "0.045")]) as router:
        with pytest.raises(DeadlineExceededError) as caught:
            router.chat("hi", deadline=5)
        assert caught.value.cost == spent(router, "budget:b") >= truth(router)
        with pytest.raises(BudgetExceededError):
            router.chat("hi", deadline=5)
