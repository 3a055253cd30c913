"""From what a caller types to a checked `Request` and its `CallOptions`: one reading for both routers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, TypedDict, cast

from modelroute.errors import RequestError, shown
from modelroute.resilience.backoff import Retry
from modelroute.runtime.options import CallOptions, constraints_from, names
from modelroute.runtime.parameters import (
    checked,
    one_choice,
    optional_from,
    output_cap_of,
    taken_schema,
    tool_choice_of,
    tools_of,
)
from modelroute.runtime.words import refuse_misspelled
from modelroute.types.hedge import HedgeLike
from modelroute.types.messages import as_messages
from modelroute.types.request import JsonSchema, Request
from modelroute.types.timeouts import Timeouts

if TYPE_CHECKING:
    from typing import Unpack

    from modelroute.engine.plan import OnInterrupt
    from modelroute.money import MoneyLike
    from modelroute.policy.demands import FloorLike
    from modelroute.policy.objective import Prefer
    from modelroute.runtime.options import Names
    from modelroute.types.messages import Messages

__all__ = ["Asking", "Routing", "options_from", "request_from"]


class Routing(TypedDict, total=False):
    """How to route: the keywords of `with_options` and of every call."""

    task: str | None
    tags: Names
    optional: Names
    model: str
    max_cost: MoneyLike | None
    floor: FloorLike
    needs: Names
    jurisdictions: Names | None
    licences: Names | None
    vendors: Names | None
    providers: Names | None
    without: Names
    allow_unbounded: bool
    prefer: Prefer | None
    deadline: float | None
    timeouts: Timeouts | None
    max_attempts: int | None
    retry: Retry | None
    on_interrupt: OnInterrupt | None
    hedge: HedgeLike
    conversation: str | None


class Asking(Routing, total=False):
    """A call's keywords: how to route, what to send by OpenAI's names, and the key under which its reply is kept."""

    idempotency_key: str | None
    tools: Iterable[Mapping[str, object]] | None
    tool_choice: str | Mapping[str, object] | None
    max_tokens: int | None
    max_completion_tokens: int | None
    effort: str | None
    response_format: Mapping[str, object] | None
    temperature: float | None
    top_p: float | None
    stop: str | Iterable[str] | None
    seed: int | None
    n: int | None
    logprobs: bool | None
    top_logprobs: int | None
    parallel_tool_calls: bool | None
    extra_body: Mapping[str, object] | None


_ROUTING = frozenset(Routing.__annotations__)
_OUR_FIELDS = frozenset({"model", "messages", "stream", "stream_options"})
_NAMED = frozenset(
    {"tools", "tool_choice", "max_tokens", "max_completion_tokens", "effort", "extra_body", "idempotency_key"}
)


def options_from(**routing: Unpack[Routing]) -> CallOptions:
    """Return the options that `routing` states. Raises `RequestError` for what cannot be meant."""
    unknown = set(routing) - _ROUTING
    if unknown:
        if "idempotency_key" in unknown:
            raise RequestError("idempotency_key= names one request: pass it to chat() or parse() itself")
        refuse_misspelled(unknown)
        raise RequestError(f"unknown option {min(unknown)!r}; parameters for the model belong to the call itself")
    task, conversation = routing.get("task"), routing.get("conversation")
    for name, value in (("task", task), ("conversation", conversation)):
        if value is not None and (not isinstance(value, str) or not value):
            raise RequestError(f"{name}= must be a non-empty string, not {shown(value)}")
    model = routing.get("model")
    if model is not None and (not isinstance(model, str) or not model):
        raise RequestError(f"model= must be 'auto', a model or a target (model@provider), not {shown(model)}")
    return CallOptions(
        task=task,
        tags=names(routing.get("tags", ()), "tags"),
        optional=optional_from(routing["optional"]) if "optional" in routing else frozenset(),
        model=model,
        constraints=constraints_from(
            max_cost=routing.get("max_cost"),
            floor=routing.get("floor"),
            needs=routing.get("needs", ()),
            jurisdictions=routing.get("jurisdictions"),
            licences=routing.get("licences"),
            vendors=routing.get("vendors"),
            providers=routing.get("providers"),
            without=routing.get("without", ()),
            allow_unbounded=routing.get("allow_unbounded", False),
        ),
        prefer=routing.get("prefer"),
        deadline=routing.get("deadline"),
        timeouts=routing.get("timeouts"),
        retry=_retry(routing.get("retry"), routing.get("max_attempts")),
        on_interrupt=routing.get("on_interrupt"),
        hedge=routing.get("hedge"),
        conversation=conversation,
    )


def _retry(retry: Retry | None, max_attempts: int | None) -> Retry | None:
    if max_attempts is None or not (retry is None or isinstance(retry, Retry)):
        return retry  # `CallOptions` refuses what is no Retry
    if isinstance(max_attempts, bool) or not isinstance(max_attempts, int) or max_attempts < 1:
        raise RequestError(f"max_attempts= must be a whole number of at least 1, not {shown(max_attempts)}")
    return Retry(max_attempts, None if retry is None else retry.wait)


def request_from(
    messages: Messages, asking: Mapping[str, object], *, schema: JsonSchema | None = None
) -> tuple[Request, CallOptions]:
    """Return the request and the options that a call's keywords state. Raises `RequestError`, and sends nothing."""
    routing = {name: value for name, value in asking.items() if name in _ROUTING}
    sent = {name: value for name, value in asking.items() if name not in _ROUTING and name not in _NAMED}
    refuse_misspelled(sent)
    sent = checked(sent)
    extra = asking.get("extra_body")
    if extra is not None:
        if not isinstance(extra, Mapping) or not all(isinstance(name, str) for name in cast(Iterable[object], extra)):
            raise RequestError("extra_body= must be a mapping of parameters to send as they are, by name")
        _refuse_ours(cast(Mapping[str, object], extra))
        sent.update(cast(Mapping[str, object], extra))
    one_choice(sent)
    if schema is not None and "response_format" in sent:
        raise RequestError("response_format= is not for parse(): the type you pass says what the answer must be")
    tools = tools_of(asking.get("tools"))
    if schema is not None and tools:
        raise RequestError("tools= is not for parse(): a tool call is no answer of the type; call chat() for the tools")
    worded = sent.pop("reasoning_effort", None)
    effort = asking.get("effort")
    request = Request(
        messages=as_messages(messages),
        output_cap=output_cap_of(asking),
        tools=tools,
        tool_choice=tool_choice_of(asking.get("tool_choice"), tools),
        schema=schema if schema is not None else taken_schema(sent),
        effort=_effort(worded if effort is None else effort),
        parameters={name: value for name, value in sent.items() if value is not None},
    )
    options = options_from(**routing)  # type: ignore[arg-type]
    key = asking.get("idempotency_key")
    return request, options if key is None else replace(options, idempotency_key=cast(str, key))


def _refuse_ours(extra: Mapping[str, object]) -> None:
    """Refuse what has a keyword of its own: sent behind the router's back, it would be neither counted nor capped."""
    for name in extra:
        if name in _NAMED or name in _OUR_FIELDS:
            hint = f"pass {name}= itself" if name in _NAMED or name in _ROUTING else "the router says that itself"
            raise RequestError(f"extra_body= cannot hold {name!r}: {hint}")


def _effort(value: object) -> str | None:
    if value is None or (isinstance(value, str) and value):
        return value
    raise RequestError(f"effort= must be a word such as 'low', 'medium' or 'high', not {shown(value)}")
