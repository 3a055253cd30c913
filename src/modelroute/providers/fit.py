"""Whether a target can carry a request as it was written, and if not, why: asked before any call.

A parameter the caller set is never dropped: a target that refuses it is passed over with the reason. The exceptions are
`HINTS`, which change no answer and cost nothing to leave out, `NEUTRAL` values, and what the caller named in
``optional=``: `lightened` leaves these out where they are refused, and says which of the last it was.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from modelroute.providers.parts import called_names, fields, image_url, parts_of, stops_of, text
from modelroute.providers.profile import Profile, Schemas, Tools

if TYPE_CHECKING:
    from modelroute.catalog.model import Target
    from modelroute.types.request import Request

__all__ = [
    "EFFORTS", "HINTS", "NEUTRAL", "NO_EFFORT", "OURS", "choice_word", "effort_of", "is_reasoning", "lightened",
    "obstacle", "other_dialect",
]  # fmt: skip

NO_EFFORT = "none"
"""The effort that asks a model not to reason."""

EFFORTS = (NO_EFFORT, "minimal", "low", "medium", "high", "xhigh", "max")
"""The words for an effort, least first."""

OURS = frozenset(
    {"model", "messages", "stream", "stream_options", "max_tokens", "max_completion_tokens", "tools", "tool_choice",
     "reasoning_effort"}
)  # fmt: skip
"""Parameters that the request carries in fields of its own; under `Request.parameters` they are not sent."""

HINTS = frozenset(
    {
        "metadata",
        "store",
        "user",
        "safety_identifier",
        "prompt_cache_key",
        "prompt_cache_retention",
        "prompt_cache_options",
    }
)
"""Parameters that say something about a request and nothing to the model: left out where there is no word for them."""

NEUTRAL: Mapping[str, tuple[object, ...]] = {
    "n": (1,),
    "presence_penalty": (0,),
    "frequency_penalty": (0,),
    "logit_bias": ({},),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "temperature": (1,),
    "top_p": (1,),
    "parallel_tool_calls": (True,),
    "store": (False,),
    "stop": ([], ()),
}
"""Values that ask for what is done anyway: left out where the parameter is refused."""

_PROBE: tuple[Mapping[str, object], ...] = ({"role": "user", "content": "?"},)


def effort_of(request: Request) -> str | None:
    """Return how hard the caller asks the model to reason, by either name."""
    if request.effort is not None:
        return request.effort
    stated = request.parameters.get("reasoning_effort")
    return stated if isinstance(stated, str) else None


def is_reasoning(request: Request, target: Target, profile: Profile) -> bool:
    """Return whether the model will reason on this request."""
    effort = effort_of(request)
    if effort is None:
        return profile.reasons_by_default or target.model.reasons_by_default
    return effort != NO_EFFORT


def choice_word(choice: str | Mapping[str, object] | None) -> str:
    """Return which kind of `tool_choice` is asked for: auto, none, required, named, allowed_tools; ``""`` for none."""
    if choice is None or isinstance(choice, str):
        return choice or ""
    kind = text(choice.get("type"))
    return "named" if kind in {"function", "custom", ""} else kind


def other_dialect(request: Request, target: Target, profile: Profile) -> str:
    """Return the dialect in which the model takes the tools of `request`, ``""`` where its usual one does."""
    if not profile.tools_dialect or profile.tools is Tools.ALWAYS:
        return ""
    if not (request.tools or called_names(request.messages)):
        return ""
    rests = profile.tools is Tools.AT_REST and not is_reasoning(request, target, profile)
    return "" if rests else profile.tools_dialect


def lightened(
    request: Request,
    target: Target,
    profile: Profile,
    unsaid: Callable[[Request], str | None],
    missing: frozenset[str] = frozenset(),
) -> tuple[Request, tuple[str, ...]]:
    """Return `request` without what `target` refuses and may be left out, and the names of the optional among these.

    `unsaid(request)` is why the dialect cannot say a request; `missing` is what the target was seen not to take. An
    optional effort that it does not know becomes the nearest that it knows, ties upward, and is named with the word
    that is sent (``"effort=high"``); it is left out only where none is known.
    """
    if not request.parameters and not request.optional:
        return request, ()
    request = _without(request, [name for name in request.parameters if _is_needless(request, name, target, profile)])
    if not request.optional:
        return request, ()
    left_out: list[str] = []
    if not request.optional.isdisjoint({"effort", "reasoning_effort"}):
        request, told = _with_nearest_effort(request, target, profile, missing)
        left_out += told
    if "tool_choice" in request.optional and request.tool_choice is not None:
        reasoning = is_reasoning(request, target, profile)
        if "tool_choice" in missing or _choice(request, profile, reasoning=reasoning) is not None:
            request = replace(request, tool_choice=None)
            left_out.append("tool_choice")
    refused: list[str] = []
    for name in request.parameters:
        if name in request.optional:
            alone = replace(request, messages=_PROBE, tools=(), parameters={name: request.parameters[name]})
            if name in missing or obstacle(alone, target, profile) is not None or unsaid(alone) is not None:
                refused.append(name)
    return _without(request, refused), tuple(sorted([*left_out, *refused]))


def _without(request: Request, names: list[str]) -> Request:
    if not names:
        return request
    kept = {name: value for name, value in request.parameters.items() if name not in names}
    return replace(request, parameters=kept)


def _is_needless(request: Request, name: str, target: Target, profile: Profile) -> bool:
    """Whether a parameter is refused, or means nothing here, and its absence changes nothing."""
    if name == "parallel_tool_calls" and not request.tools:
        return True  # OpenAI refuses it where there is nothing to call
    rules = profile.sampling if is_reasoning(request, target, profile) else profile.sampling_at_rest
    if name not in profile.refuses and name not in rules.refused:
        return False
    return name in HINTS or _is_neutral(name, request.parameters[name])


def _is_neutral(name: str, value: object) -> bool:
    return value is None or value in NEUTRAL.get(name, ())


def _with_nearest_effort(
    request: Request, target: Target, profile: Profile, missing: frozenset[str]
) -> tuple[Request, list[str]]:
    effort = effort_of(request)
    seen = not missing.isdisjoint({"effort", "reasoning_effort"})
    if effort is None or not (seen or _effort(request, target, profile) is not None):
        return request, []
    taken = [] if seen else _known_efforts(target, profile)
    chosen = None
    if effort in EFFORTS:
        place = EFFORTS.index(effort)
        levels = [EFFORTS.index(word) for word in taken if word in EFFORTS]
        if levels:
            chosen = EFFORTS[min(levels, key=lambda level: (abs(level - place), -level))]
    if chosen is not None and _effort(replace(request, effort=chosen), target, profile) is not None:
        chosen = None
    request = _without(replace(request, effort=chosen), ["reasoning_effort"])
    return request, ["effort" if chosen is None else f"effort={chosen}"]


def obstacle(request: Request, target: Target, profile: Profile) -> str | None:
    """Return why `target` cannot carry `request`, a clause about it ("does not take ..."), or `None` if it can."""
    reasoning = is_reasoning(request, target, profile)
    return (
        _effort(request, target, profile)
        or _sampling(request, profile, reasoning=reasoning)
        or _tools(request, profile, reasoning=reasoning)
        or _format(request, profile)
        or _messages(request, profile)
    )


def _effort(request: Request, target: Target, profile: Profile) -> str | None:
    effort = effort_of(request)
    if effort is None:
        return None
    model = target.model
    if effort == NO_EFFORT and not (model.efforts or model.reasons_by_default or profile.reasons_by_default):
        return None  # it does not reason in the first place
    if not model.efforts and not (profile.any_effort or (profile.reasons_by_default and effort in profile.efforts)):
        return f"is not known to take a reasoning effort ({effort!r} was asked for)"
    known = _known_efforts(target, profile)
    if effort not in known:
        return f"does not take the effort {effort!r} (it takes {', '.join(known) or 'none at all'})"
    return None


def _known_efforts(target: Target, profile: Profile) -> list[str]:
    listed = target.model.efforts
    known = [word for word in profile.efforts if not listed or word in listed or word == NO_EFFORT]
    reasons = target.model.reasons_by_default or profile.reasons_by_default
    if reasons and NO_EFFORT in known and not profile.efforts[NO_EFFORT]:
        known.remove(NO_EFFORT)  # to say nothing would let it think, and be billed
    return known


def _sampling(request: Request, profile: Profile, *, reasoning: bool) -> str | None:
    parameters = request.parameters
    if not parameters:
        return None
    rules = profile.sampling if reasoning else profile.sampling_at_rest
    when = " while it reasons" if reasoning and profile.sampling != profile.sampling_at_rest else ""
    for name, value in parameters.items():
        if value is None:
            continue
        if name in HINTS or (value in NEUTRAL.get(name, ()) and name not in rules.fixed):
            continue
        if name in profile.refuses:
            return f"does not take {name}"
        if name in rules.refused:
            return f"does not take {name}{when}"
        if name in rules.fixed and value != rules.fixed[name]:
            return f"takes {name} only as {rules.fixed[name]:g}{when}"
        if name in rules.ranges and not _within(value, rules.ranges[name]):
            low, high = rules.ranges[name]
            return f"takes {name} only from {low:g} to {high:g}"
    return _stops(stops_of(parameters.get("stop")), profile)


def _stops(stops: Sequence[object], profile: Profile) -> str | None:
    if profile.most_stops is not None and len(stops) > profile.most_stops:
        return f"takes at most {profile.most_stops} stop sequences"
    longest = profile.longest_stop
    if longest is not None and any(len(text(stop).encode(errors="replace")) > longest for stop in stops):
        return f"takes stop sequences of at most {longest} bytes"
    if not profile.blank_stops and any(not text(stop).strip() for stop in stops):
        return "takes no stop sequence that is only white space"
    return None


def _within(value: object, limits: tuple[float, float]) -> bool:
    return isinstance(value, int | float) and limits[0] <= value <= limits[1]


def _tools(request: Request, profile: Profile, *, reasoning: bool) -> str | None:
    if not request.tools:
        return None
    if profile.tools is Tools.NEVER and not profile.tools_dialect:
        return "takes tools only on an API that is not spoken here (Responses)"
    if profile.tools is Tools.AT_REST and reasoning and not profile.tools_dialect:
        return f"takes tools on this API only with effort={NO_EFFORT!r}"
    return _choice(request, profile, reasoning=reasoning)


def _choice(request: Request, profile: Profile, *, reasoning: bool) -> str | None:
    word = choice_word(request.tool_choice)
    if word == "none":
        return None  # where there is no word for it, no tools are sent
    allowed = profile.reasoning_tool_choices if reasoning else profile.tool_choices
    if word and word not in allowed:
        return f"does not take tool_choice {word!r}" + (" while it reasons" if word in profile.tool_choices else "")
    return None


def _format(request: Request, profile: Profile) -> str | None:
    """A schema given to the router goes down the ladder; a ``response_format`` the caller wrote is meant as written."""
    wanted = text(fields(request.parameters.get("response_format")).get("type"))
    if wanted == "json_schema" and profile.schemas is not Schemas.NATIVE:
        return "does not enforce a JSON Schema"
    if wanted == "json_object" and profile.schemas is Schemas.INSTRUCTION:
        return "does not enforce JSON"
    return None


def _messages(request: Request, profile: Profile) -> str | None:
    if not profile.prefill and request.messages[-1].get("role") == "assistant":
        return "does not go on with an assistant message: the last one must be the user's or a tool's"
    for message in request.messages:
        if isinstance(message.get("content"), str):
            continue
        for part in parts_of(message):
            problem = _part(part, profile)
            if problem:
                return problem
    return None


def _part(part: Mapping[str, object], profile: Profile) -> str | None:
    kind = text(part.get("type"))
    if profile.parts is not None and kind not in profile.parts:
        return f"does not take content of type {kind!r}"
    if kind == "image_url":
        scheme = image_url(part).partition(":")[0].lower()
        if scheme not in profile.image_schemes:
            return "takes images only inline, as data: URLs"
    return None
