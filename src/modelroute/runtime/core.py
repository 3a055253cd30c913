"""What `Router` and `AsyncRouter` share: from a call to its decision, and from there to the plan that is executed."""

from __future__ import annotations

import logging
import os
import random
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import count
from typing import TYPE_CHECKING, Any, Literal

from modelroute.catalog.catalog import Catalog
from modelroute.engine.outcome import nothing_eligible
from modelroute.engine.plan import Allowance, Leg, Legs, Plan
from modelroute.errors import ConfigurationError, RouterClosedError
from modelroute.money import Money
from modelroute.policy.candidate import Candidate
from modelroute.policy.cost import attempt_budget, bill, terms
from modelroute.policy.policy import Policy
from modelroute.providers.facts import counts, estimate_text, needs, unbounded, worst
from modelroute.resilience.backoff import Retry
from modelroute.resilience.experience import Experience
from modelroute.resilience.retry_budget import RetryBudget
from modelroute.runtime.conversation import affinity_of, remember
from modelroute.runtime.declared import check_declared
from modelroute.runtime.forking import renew_after_fork
from modelroute.runtime.options import NOTHING_SAID, CallOptions
from modelroute.runtime.sink import Sink
from modelroute.stores.memory import MemoryStore
from modelroute.types.facts import ANY_VOCABULARY, AUTO, RequestFacts, Snapshot
from modelroute.types.timeouts import CHAT_DEADLINE, STREAM_DEADLINE, Timeouts
from modelroute.types.usage import Usage

if TYPE_CHECKING:
    from modelroute.engine.plan import OnInterrupt
    from modelroute.providers.call import Call
    from modelroute.providers.endpoint import Endpoint
    from modelroute.providers.provider import Provider
    from modelroute.runtime.clocks import Clocks
    from modelroute.runtime.structured import Shape
    from modelroute.types.decision import Decision, Ranked
    from modelroute.types.notices import RouterEvent
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
        on_event: Callable[[RouterEvent], object] | None,
        clocks: Clocks,
    ) -> None:
        check_declared(policy=policy, catalog=catalog, retry=retry, timeouts=timeouts, on_event=on_event)
        self.catalog = Catalog.builtin() if catalog is None else catalog
        self.clocks = clocks
        self.endpoints = _endpoints(providers, self.catalog)
        self.catalog = _with_declared(self.catalog, self.endpoints.values())
        self.policy = Policy.default() if policy is None else policy
        if policy is None:
            _LOGGER.info("no policy given, using %r", self.policy)
        self.candidates = {name: _candidate(endpoint) for name, endpoint in self.endpoints.items()}
        self.compiled = self.policy.compile(tuple(self.candidates.values()), self.catalog)
        self.retry = Retry() if retry is None else retry
        self.timeouts = Timeouts() if timeouts is None else timeouts
        self.store = MemoryStore()
        self.experience = Experience()
        self.retry_budget = RetryBudget()
        self.sink = Sink(on_event)
        self.closed = False
        self._lanes = {name: max(1, len(endpoint.keys)) for name, endpoint in self.endpoints.items()}
        self._vocabularies = frozenset(candidate.target.model.vocabulary for candidate in self.candidates.values())
        self._overhead = worst(endpoint.profile.overhead for endpoint in self.endpoints.values())
        self._numbers = count(1)
        self._prefix = f"{random.getrandbits(32):08x}"
        self._closing = threading.Lock()
        renew_after_fork(self)

    def after_fork(self) -> None:
        """Renew in a forked child what a thread of the parent may have held."""
        self._closing = threading.Lock()
        self.store.after_fork()
        self.experience.after_fork()
        self.retry_budget.after_fork()

    def close(self) -> bool:
        """Mark the router closed and hand on its notices; say whether it was open."""
        with self._closing:
            if self.closed:
                return False
            self.closed = True
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
        now = self.clocks.wall()
        affinity = affinity_of(request.messages, options.conversation, self.experience)
        snapshot = self.experience.snapshot(now, draw=self.clocks.draw(), lanes=self._lanes, affinity=affinity)
        facts = self.facts(request, options, streaming=streaming, missing=snapshot.missing)
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
            choices=choices if isinstance(choices, int) and choices > 0 else 1,
            unbounded=unbounded(request),
            barred=self._barred(request, missing),
            seconds=seconds + LATE_OPENING if streaming else seconds,
            effort=request.effort,
        )

    def tokens(self, request: Request) -> Mapping[str, TokenCount]:
        """Return the request's prompt tokens in the vocabularies of the targets at hand."""
        return counts(request, self._vocabularies, self._overhead)

    def plan_stream(self, prepared: Prepared) -> Plan:
        """Return the plan of a stream that is opened now; one opened long after it was decided is decided anew."""
        if self.clocks.wall() - prepared.snapshot.now > LATE_OPENING:
            prepared = self.prepare(prepared.request, prepared.options, streaming=True)
        return self.plan(prepared, streaming=True)

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
        number = f"{os.getpid():x}-{self._prefix}-{next(self._numbers)}"
        preferences = self.compiled.preferences(decision.scenario)
        self.require_eligible(prepared)
        started = self.clocks.monotonic()
        on_interrupt = options.on_interrupt or _on_interrupt(preferences.on_interrupt)
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
            allow=_Allowances(self, prepared),
            bill=lambda target, usage, moment: bill(self.endpoints[target].target, usage, moment),
            presume=self._presume,
            emit=self.sink.emit,
            answered=lambda reply: self._answered(prepared, reply),
            check=None if shape is None else shape.check,
            repair=None if shape is None else shape.repair,
            conversation=options.conversation or "",
            refusal_moves_on=preferences.on_refusal == "fallback",
        )

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
            used = sorted(features & _asked_for(request))
            if used and name not in found:
                found[name] = f"was seen not to take {', '.join(used)}"
        return found

    def _leg(self, ranked: Ranked, prepared: Prepared) -> Leg:
        endpoint = self.endpoints[ranked.target]
        stream = endpoint.streams

        def prepare(asked: Request, output_cap: int | None) -> Call:
            return endpoint.call(asked, output_cap=output_cap, stream=stream)

        return Leg(
            ranked=ranked,
            prepare=prepare,
            provenance=endpoint.provenance,
            lanes=self._lanes[ranked.target],
            charges_errors=endpoint.charges_errors,
            silent=_reasons_unseen(endpoint, prepared.request),
        )

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
        remember(prepared.request, reply, prepared.options.conversation, self.experience)


class _Allowances:
    """What each attempt of one request may cost.

    The decision's own figures at first; worked out again once money is gone.
    """

    __slots__ = ("_core", "_prepared")

    def __init__(self, core: RouterCore, prepared: Prepared) -> None:
        self._core = core
        self._prepared = prepared

    def __call__(
        self,
        ranked: Ranked,
        room: Money | None,
        others: Callable[[], Sequence[str]],
        again: bool,
        request: Request,
    ) -> Allowance | None:
        prepared, candidates = self._prepared, self._core.candidates
        facts, snapshot = prepared.facts, prepared.snapshot
        if request is not prepared.request:
            facts = replace(facts, tokens=self._core.tokens(request))
            window = ranked.context_window
            if window is not None and facts.count(candidates[ranked.target].target.model.vocabulary).estimate > window:
                return None
        elif room is None or (room == prepared.decision.max_cost and ranked is prepared.decision.ranked[0]):
            return Allowance(ranked.output_cap, ranked.bound, ranked.capped_by)
        fallbacks = [candidates[other] for other in others()]
        if again and room is not None:
            room -= _least([terms(other, facts, snapshot).least for other in fallbacks], room)
            fallbacks = []
        found = attempt_budget(candidates[ranked.target], facts, snapshot, room, fallbacks=fallbacks)
        return None if found is None else Allowance(found.cap, found.bound, found.capped_by)


def _least(needed: Sequence[int | None], room: Money) -> Money:
    """Return what the cheapest fallback that fits `room` needs; nothing when none fits."""
    return Money.from_pico(min((pico for pico in needed if pico is not None and pico <= room.pico), default=0))


def _candidate(endpoint: Endpoint) -> Candidate:
    return Candidate(
        target=endpoint.target,
        jurisdiction=endpoint.jurisdiction,
        self_hosted=endpoint.self_hosted,
        honours_output_cap=endpoint.honours_output_cap,
        always_capped=endpoint.always_capped,
    )


def _asked_for(request: Request) -> set[str]:
    """Return the parameters a request uses, by the names in which providers refuse them."""
    asked = set(request.parameters)
    if request.tools:
        asked.add("tools")
    if request.tool_choice is not None:
        asked.add("tool_choice")
    if request.effort is not None:
        asked.update(("effort", "reasoning_effort"))
    return asked


def _reasons_unseen(endpoint: Endpoint, request: Request) -> bool:
    """Whether the model may think for long without showing it, so that its first token comes late."""
    model = endpoint.target.model
    thinks = model.reasons_by_default or endpoint.profile.reasons_by_default or request.effort is not None
    return thinks and "reasoning" in model.features and not model.shows_reasoning


def _on_interrupt(said: str | None) -> OnInterrupt:
    known: Mapping[str | None, Literal["raise", "buffer"]] = {"buffer": "buffer"}
    return known.get(said, "raise")


def _endpoints(providers: Sequence[Provider], catalog: Catalog) -> dict[str, Endpoint]:
    if isinstance(providers, str) or not isinstance(providers, Sequence):
        raise ConfigurationError("Router takes a list of providers: Router([Provider('deepseek'), ...])")
    if not providers:
        raise ConfigurationError("Router([]) has no provider; give it at least one, or use Router.from_env()")
    found: dict[str, Endpoint] = {}
    for provider in providers:
        if not hasattr(provider, "endpoints"):
            raise ConfigurationError(f"Router takes Provider objects, not {provider!r}; write Provider({provider!r})")
        for endpoint in provider.endpoints(catalog):
            name = endpoint.target.name
            if name in found:
                raise ConfigurationError(
                    f"the target {name!r} is declared twice; give one of the providers another name=, "
                    "or list its keys together"
                )
            found[name] = endpoint
    return found


def _with_declared(catalog: Catalog, endpoints: Iterable[Endpoint]) -> Catalog:
    """Return the catalog with the models and targets that the providers declare themselves."""
    targets = [endpoint.target for endpoint in endpoints]
    new = [target for target in targets if catalog.targets.get(target.name) is not target]
    if not new:
        return catalog
    models = {target.model.name: target.model for target in new if target.model.name not in catalog.models}
    rows = {endpoint.target.provider: endpoint.row for endpoint in endpoints}
    return catalog.with_(
        models=tuple(models.values()),
        providers=tuple(row for name, row in rows.items() if name not in catalog.providers),
        targets=tuple(new),
    )
