"""What `Router` and `AsyncRouter` share: from a call to its decision, and from there to the plan that is executed."""

from __future__ import annotations

import logging
import os
import secrets
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

from modelroute.catalog.catalog import Catalog
from modelroute.engine.outcome import nothing_eligible
from modelroute.engine.plan import Leg, Legs, Plan
from modelroute.errors import RouterClosedError
from modelroute.money import Money
from modelroute.policy.cost import bill, likely
from modelroute.policy.policy import Policy
from modelroute.providers.facts import billed_by_tokens, counts, estimate_text, needs, unbounded, worst
from modelroute.resilience.backoff import Retry
from modelroute.resilience.experience import Experience
from modelroute.resilience.health import Breakers
from modelroute.resilience.limiter import Limiter
from modelroute.resilience.retry_budget import RetryBudget
from modelroute.runtime.allowances import Allowances
from modelroute.runtime.budgeting import CoveredTargets, checked_budgets, checked_content, open_books, user_of
from modelroute.runtime.conversation import affinity_of, remember
from modelroute.runtime.declared import check_declared
from modelroute.runtime.embedding import Dimensions
from modelroute.runtime.forking import renew_after_fork
from modelroute.runtime.keeping import StoreRunner
from modelroute.runtime.options import NOTHING_SAID, CallOptions
from modelroute.runtime.replay import KeyedReplies
from modelroute.runtime.sharing import Sharing
from modelroute.runtime.sink import Sink
from modelroute.runtime.targets import candidate_of, concurrency_of, endpoints_of, with_declared
from modelroute.types.facts import ANY_VOCABULARY, AUTO, RequestFacts, Snapshot
from modelroute.types.hedge import Hedge
from modelroute.types.timeouts import CHAT_DEADLINE, STREAM_DEADLINE, Timeouts
from modelroute.types.usage import Usage

if TYPE_CHECKING:
    from os import PathLike

    from modelroute.engine.plan import OnInterrupt
    from modelroute.policy.budget import Budget
    from modelroute.providers.call import Call
    from modelroute.providers.endpoint import Endpoint
    from modelroute.providers.provider import Provider
    from modelroute.resilience.experience import Hold
    from modelroute.runtime.budgeting import StoreLike
    from modelroute.runtime.clocks import Clocks
    from modelroute.runtime.sink import Listeners
    from modelroute.runtime.structured import Shape
    from modelroute.types.decision import Decision, Ranked
    from modelroute.types.notices import Tripped
    from modelroute.types.reply import Reply
    from modelroute.types.request import Request
    from modelroute.types.usage import TokenCount

__all__ = ["Prepared", "RouterCore"]

LATE_OPENING = 60.0
"""Seconds after which a stream that was not yet opened is decided anew: prices and holds have moved."""

_LOGGER = logging.getLogger("modelroute")


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request with all that was worked out before anything is sent."""

    request: Request
    options: CallOptions
    facts: RequestFacts
    snapshot: Snapshot
    decision: Decision


class RouterCore:
    """Everything of a router but its sockets: catalog, endpoints, compiled policy, money, experience, notices."""

    def __init__(
        self,
        providers: Sequence[Provider],
        *,
        policy: Policy | None,
        catalog: Catalog | None,
        retry: Retry | None,
        timeouts: Timeouts | None,
        on_event: Listeners,
        clocks: Clocks,
        budgets: Sequence[Budget],
        store: StoreLike,
        ledger: str | PathLike[str] | None,
        record_content: bool,
    ) -> None:
        check_declared(policy=policy, catalog=catalog, retry=retry, timeouts=timeouts, on_event=on_event)
        self.catalog = Catalog.builtin() if catalog is None else catalog
        self.clocks = clocks
        self.endpoints = endpoints_of(providers, self.catalog)
        self.catalog = with_declared(self.catalog, self.endpoints.values())
        self.policy = Policy.default() if policy is None else policy
        if policy is None:
            _LOGGER.info("no policy given, using %r", self.policy)
        self.candidates = {name: candidate_of(endpoint) for name, endpoint in self.endpoints.items()}
        self.compiled = self.policy.compile(tuple(self.candidates.values()), self.catalog)
        self.retry = Retry() if retry is None else retry
        self.timeouts = Timeouts() if timeouts is None else timeouts
        self.experience = Experience()
        self.dimensions = Dimensions()
        self.retry_budget = RetryBudget()
        self.limiter = Limiter(each=concurrency_of(self.endpoints.values()))
        self.sink = Sink(on_event)
        self.budgets = checked_budgets(budgets, self.endpoints, self.policy, self.catalog)
        self.breakers: Breakers = Breakers(
            {name: len(endpoint.urls) for name, endpoint in self.endpoints.items()}, listener=self._tripped
        )
        self.books = open_books(clocks, self.sink.emit, store=store, ledger=ledger)
        self.sharing = None if store is None else Sharing(self.books.store, clocks, self.experience, self.breakers)
        self.replies = KeyedReplies(self.books.runner or StoreRunner(self.books.local, clocks), clocks)
        self._covered = CoveredTargets(self.candidates.values())
        self._records = self.books.keeps_ledger
        self._content = checked_content(record_content, self.books)
        self.closed = False
        self._lanes = {name: endpoint.lanes for name, endpoint in self.endpoints.items()}
        self._vocabularies = frozenset(candidate.target.model.vocabulary for candidate in self.candidates.values())
        self._overhead = worst(endpoint.profile.overhead for endpoint in self.endpoints.values())
        self._numbers = count(1)
        self._prefix = secrets.token_hex(8)  # never of a seeded generator: two processes must not share numbers
        self._closing = threading.Lock()
        renew_after_fork(self)

    def after_fork(self) -> None:
        """Renew in a forked child what a thread of the parent may have held, and what no two processes may share."""
        self._prefix = secrets.token_hex(8)  # a child of a later fork may get the number of one that has ended
        self._closing = threading.Lock()
        self.books.after_fork()
        self.experience.after_fork()
        self.breakers.after_fork()
        if self.sharing is not None:
            self.sharing.after_fork()
        self.limiter.after_fork()
        self.retry_budget.after_fork()

    def close(self) -> bool:
        """Mark the router closed and hand on its notices; say whether it was open."""
        with self._closing:
            if self.closed:
                return False
            self.closed = True
        if self.sharing is not None:
            self.sharing.close()
        self.books.close()
        self.sink.close()
        return True

    def refuse_when_closed(self) -> None:
        """Raise `RouterClosedError` on a closed router."""
        if self.closed:
            raise RouterClosedError("this router is closed; make a new one")

    def prepare(self, request: Request, options: CallOptions, *, streaming: bool) -> Prepared:
        """Work out facts, snapshot and decision. Sends nothing; raises what the policy refuses."""
        self.refuse_when_closed()
        options = NOTHING_SAID | options
        if options.optional != request.optional:
            request = replace(request, optional=options.optional)
        now = self.clocks.wall()
        affinity = affinity_of(request.messages, options.conversation, self.experience)
        ejected = self.breakers.ejected(now)
        snapshot = self.experience.snapshot(
            now, draw=self.clocks.draw(), lanes=self._lanes, affinity=affinity, ejected=ejected
        )
        facts = self.facts(request, options, streaming=streaming, missing=snapshot.missing)
        if facts.hard_budget:
            facts = self._with_budgets_of_scenario(facts, request, options, now)
        decision = self.compiled.decide(facts, snapshot, prefer=options.prefer)
        return Prepared(request, options, facts, snapshot, decision)

    def facts(
        self, request: Request, options: CallOptions, *, streaming: bool, missing: Mapping[str, frozenset[str]]
    ) -> RequestFacts:
        """Return what a policy may know of the request. `missing`: what each target was seen not to take."""
        seconds = CHAT_DEADLINE if options.deadline is None else options.deadline
        choices = request.parameters.get("n")
        return RequestFacts(
            task=options.task,
            tags=options.tags,
            selector=AUTO if options.model is None else options.model,
            constraints=options.constraints,
            needs=needs(request),
            tokens=self.tokens(request),
            output_cap=request.output_cap,
            choices=0 if request.embedding else choices if isinstance(choices, int) and choices > 0 else 1,
            unbounded=unbounded(request),
            barred=self._barred(request, missing),
            left_out=self._left_out(request, missing),
            seconds=seconds + LATE_OPENING if streaming else seconds,
            effort=request.effort,
            hard_budget=self._covered.by(self.applicable(request, options)),
        )

    def _with_budgets_of_scenario(
        self, facts: RequestFacts, request: Request, options: CallOptions, now: float
    ) -> RequestFacts:
        """Return `facts` without the demands of budgets that cover other scenarios only."""
        budgets = self.applicable(request, options)
        if all(budget.scenario is None for budget in budgets):
            return facts
        name = self.compiled.scenario_of(facts, now)
        covering = [budget for budget in budgets if budget.scenario is None or name in budget.scenario]
        return replace(facts, hard_budget=self._covered.by(covering))

    def listen(self, *, wait: bool) -> None:
        """Begin to hear what other processes tell; the first time, `wait` a moment for what they know."""
        if self.sharing is not None:
            self.sharing.begin(wait=wait)

    def applicable(self, request: Request, options: CallOptions) -> tuple[Budget, ...]:
        """Return the budgets that may cover the request, whatever scenario and target it gets."""
        if not self.budgets and not options.budgets:
            return ()
        user = user_of(request)
        every = (*self.budgets, *options.budgets)
        return tuple(budget for budget in every if budget.may_cover(options.task, options.tags, user))

    def tokens(self, request: Request) -> Mapping[str, TokenCount]:
        """Return the request's prompt tokens in the vocabularies of the targets at hand."""
        return counts(request, self._vocabularies, self._overhead)

    def plan_stream(self, prepared: Prepared) -> Plan:
        """Return the plan of a stream that is opened now; one opened long after it was decided is decided anew."""
        if self.clocks.wall() - prepared.snapshot.now > LATE_OPENING:
            options = replace(prepared.options, on_interrupt=self.on_interrupt(prepared))  # the caller counts on it
            prepared = self.prepare(prepared.request, options, streaming=True)
        return self.plan(prepared, streaming=True)

    def on_interrupt(self, prepared: Prepared) -> OnInterrupt:
        """Return what a stream of the request does when it breaks after content."""
        preferences = self.compiled.preferences(prepared.decision.scenario)
        return prepared.options.on_interrupt or _on_interrupt(preferences.on_interrupt)

    def plan(
        self,
        prepared: Prepared,
        *,
        streaming: bool,
        shape: Shape[Any] | None = None,
    ) -> Plan:
        """Return the plan of a prepared request; its deadline runs from now.

        Raises when nothing is eligible, and when the router was closed since.
        """
        self.refuse_when_closed()
        decision, options = prepared.decision, prepared.options
        number = self.number()
        preferences = self.compiled.preferences(decision.scenario)
        self.require_eligible(prepared)
        started = self.clocks.monotonic()
        on_interrupt = self.on_interrupt(prepared)
        hedge = preferences.hedge if options.hedge is None else options.hedge
        usual = STREAM_DEADLINE if streaming and on_interrupt != "buffer" else CHAT_DEADLINE
        retry = (options.retry or Retry()).over(Retry(preferences.max_attempts)).over(self.retry)
        return Plan(
            id=number,
            request=prepared.request,
            decision=decision,
            legs=Legs(decision.ranked, lambda ranked: self._leg(ranked, prepared)),
            streaming=streaming,
            on_interrupt=on_interrupt,
            clock=self.clocks.monotonic,
            wall=self.clocks.wall,
            draw=self.clocks.draw,
            started=started,
            deadline=started + (usual if options.deadline is None else options.deadline),
            explicit=options.deadline is not None,
            timeouts=options.timeouts or preferences.timeouts or self.timeouts,
            retry=retry,
            experience=self.experience,
            retry_budget=self.retry_budget,
            allow=Allowances(self, prepared),
            bill=partial(self._bill, billed_by_tokens(prepared.facts.unbounded)),
            presume=self._presume,
            emit=self.sink.emit,
            answered=lambda reply: self._answered(prepared, reply),
            check=None if shape is None else lambda answer: shape.check(answer.text, answer.finish),
            repair=None if shape is None else shape.repair,
            conversation=options.conversation or "",
            refusal_moves_on=preferences.on_refusal == "fallback",
            hedge=hedge if isinstance(hedge, Hedge) else None,
            breakers=self.breakers,
            held=self._held,
            is_closed=lambda: self.closed,
            least_loaded=self.limiter.least_loaded,
            budgets=self.applicable(prepared.request, options),
            tags=options.tags,
            user=user_of(prepared.request),
            likely=lambda ranked: likely(self.candidates[ranked.target], prepared.facts, prepared.snapshot),
            strict=prepared.facts.hard_budget,
            records=self._records,
            content=self._content,
        )

    def _held(self, target: str, lane: int, hold: Hold) -> None:
        if self.sharing is not None:
            self.sharing.held(target, lane, hold)

    def _tripped(self, notice: Tripped) -> None:
        """Pass on that a target's health changed; one that is well again starts slowly."""
        if notice.state == "closed":
            self.limiter.recovering(notice.target)
        if self.sharing is not None:
            self.sharing.tripped()
        self.sink.emit(replace(notice, at=self.clocks.wall()))

    def number(self) -> str:
        """Return a name nothing else has, in any process on any machine."""
        return f"{os.getpid():x}-{self._prefix}-{next(self._numbers)}"

    @staticmethod
    def require_eligible(prepared: Prepared) -> None:
        """Raise `NoEligibleTargetError` when no target may serve the request."""
        if not prepared.decision.ranked:
            raise nothing_eligible(prepared.decision)

    def _barred(self, request: Request, missing: Mapping[str, frozenset[str]]) -> dict[str, str]:
        found: dict[str, str] = {}
        for name, endpoint in self.endpoints.items():
            reason = endpoint.carries(request)
            if reason is not None:
                found[name] = reason
        for name, features in missing.items():
            used = sorted((features & _asked_for(request)) - _dispensable(request))
            if used and name not in found:
                found[name] = f"was seen not to take {', '.join(used)}"
        return found

    def _left_out(self, request: Request, missing: Mapping[str, frozenset[str]]) -> dict[str, tuple[str, ...]]:
        if not request.optional:
            return {}
        said = {
            name: endpoint.left_out(request, missing.get(name, frozenset()))
            for name, endpoint in self.endpoints.items()
        }
        return {name: names for name, names in said.items() if names}

    def _leg(self, ranked: Ranked, prepared: Prepared) -> Leg:
        endpoint = self.endpoints[ranked.target]
        stream = endpoint.streams
        missing = prepared.snapshot.missing.get(ranked.target, frozenset())
        promised = prepared.decision.max_cost is not None or ranked.target in prepared.facts.hard_budget

        def prepare(asked: Request, output_cap: int | None) -> Call:
            return endpoint.call(asked, output_cap=output_cap, stream=stream, missing=missing, promised=promised)

        return Leg(
            ranked=ranked,
            prepare=prepare,
            provenance=endpoint.provenance(prepared.request, missing),
            lanes=self._lanes[ranked.target],
            places=len(endpoint.urls),
            rpm=endpoint.rpm,
            tpm=endpoint.tpm,
            charges_errors=endpoint.charges_errors,
            silent=_reasons_unseen(endpoint, prepared.request),
        )

    def _bill(self, by_tokens: bool, target: str, usage: Usage, moment: float) -> tuple[Money, str]:
        return bill(self.endpoints[target].target, usage, moment, by_tokens=by_tokens)

    def _presume(self, target: str, text: str, request: Request, moment: float) -> Money:
        """The cost of the estimated prompt and of what was seen of the answer, where the provider reported nothing."""
        endpoint = self.endpoints[target]
        vocabulary = endpoint.target.model.vocabulary
        prompt = counts(request, (vocabulary,), self._overhead)
        known = prompt.get(vocabulary) or prompt[ANY_VOCABULARY]
        usage = Usage(known.estimate, estimate_text(text, vocabulary) if text else 0)
        cost, _ = bill(endpoint.target, usage, moment)
        return cost

    def _answered(self, prepared: Prepared, reply: Reply) -> None:
        key, affinity = remember(prepared.request, reply, prepared.options.conversation, self.experience)
        if self.sharing is not None:
            self.sharing.remembered(key, affinity)


def _asked_for(request: Request) -> set[str]:
    """Return the parameters a request uses, by the names in which providers refuse them."""
    asked = set(request.parameters)
    if request.tools:
        asked.add("tools")
    if request.tool_choice is not None:
        asked.add("tool_choice")
    if request.effort is not None:
        asked.update(("effort", "reasoning_effort"))
    if request.embedding is not None and request.embedding.dimensions is not None:
        asked.add("dimensions")
    return asked


def _dispensable(request: Request) -> frozenset[str]:
    """Return the names under which a provider may refuse what the caller does not insist on."""
    efforts = frozenset({"effort", "reasoning_effort"})
    return request.optional | efforts if request.optional & efforts else request.optional


def _reasons_unseen(endpoint: Endpoint, request: Request) -> bool:
    """Whether the model may think for long without showing it, so that its first token comes late."""
    model = endpoint.target.model
    thinks = model.reasons_by_default or endpoint.profile.reasons_by_default or request.effort is not None
    return thinks and "reasoning" in model.features and not model.shows_reasoning


def _on_interrupt(said: str | None) -> OnInterrupt:
    known: Mapping[str | None, OnInterrupt] = {"buffer": "buffer", "restart": "restart"}
    return known.get(said, "raise")
