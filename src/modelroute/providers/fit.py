"""Whether a target can carry a request as it was written, and if not, why: asked before any call.

A parameter the caller set is never dropped: a target that refuses it is passed over with the reason. The exceptions are
`HINTS`, which change no answer and cost nothing to leave out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from modelroute.providers.parts import called_names, fields, image_url, parts_of, text
from modelroute.providers.profile import Profile, Schemas, Tools

if TYPE_CHECKING:
    from modelroute.catalog.model import Target
    from modelroute.types.request import Request

__all__ = ["HINTS", "NO_EFFORT", "OURS", "choice_word", "effort_of", "is_reasoning", "obstacle", "other_dialect"]

NO_EFFORT = "none"
"""The effort that asks a model not to reason."""

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
    known = [word for word in profile.efforts if not model.efforts or word in model.efforts or word == NO_EFFORT]
    if effort not in known:
        return f"does not take the effort {effort!r} (it takes {', '.join(known) or 'none at all'})"
    return None


def _sampling(request: Request, profile: Profile, *, reasoning: bool) -> str | None:
    parameters = request.parameters
    if not parameters:
        return None
    rules = profile.sampling if reasoning else profile.sampling_at_rest
    when = " while it reasons" if reasoning and profile.sampling != profile.sampling_at_rest else ""
    for name, value in parameters.items():
        if value is None:
            continue
        if name in rules.refused and value is not False:
            return f"does not take {name}{when}"
        if name in rules.fixed and value != rules.fixed[name]:
            return f"takes {name} only as {rules.fixed[name]:g}{when}"
        if name in rules.ranges and not _within(value, rules.ranges[name]):
            low, high = rules.ranges[name]
            return f"takes {name} only from {low:g} to {high:g}"
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
    word = choice_word(request.tool_choice)
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
