"""The words a call may use: ours, what providers take, and what other libraries call the things we have a word for.

A word that we do not know goes to the provider as it is, since providers add parameters faster than we could list them.
So a ceiling that somebody spells `budget=` would reach the provider, mean nothing there, and hold nothing here: what
other libraries say, what speaks of money, and what is nearly a known word is refused instead, with what to write.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from functools import lru_cache

from modelroute.errors import RequestError

__all__ = ["ELSEWHERE", "OPENAI", "OURS", "THEIRS", "refuse_misspelled"]

OURS = frozenset(
    {
        "allow_unbounded", "conversation", "deadline", "effort", "floor", "hedge", "idempotency_key",
        "jurisdictions", "licences", "max_attempts", "max_completion_tokens", "max_cost", "max_tokens",
        "messages", "model", "needs", "on_interrupt", "optional", "prefer", "providers", "retry", "tags", "task",
        "timeouts", "tool_choice", "tools", "vendors", "without",
    }
)  # fmt: skip
"""The words this library gives a meaning to."""

OPENAI = frozenset(
    {
        "audio", "extra_body", "frequency_penalty", "function_call", "functions", "logit_bias", "logprobs", "metadata",
        "modalities", "moderation", "n", "parallel_tool_calls", "prediction", "presence_penalty", "prompt_cache_key",
        "prompt_cache_options", "prompt_cache_retention", "reasoning", "reasoning_effort", "response_format",
        "safety_identifier", "seed", "service_tier", "stop", "store", "stream_options", "temperature", "top_logprobs",
        "top_p", "user", "verbosity", "web_search_options",
    }
)  # fmt: skip
"""OpenAI's own names: the words that parameters carry here."""

THEIRS = OPENAI | {
    "budget_tokens", "cache_prompt", "min_p", "min_tokens", "reasoning_budget", "speed", "think", "thinking",
    "thinking_budget", "top_a", "top_k",
}  # fmt: skip
"""Names that are never taken for a misspelling: OpenAI's, and of other providers' those that look like one."""

_CEILING = "write max_cost=, the most dollars the whole request may cost"
_CAP = "write max_tokens=, the most output tokens"
_PREFER = "write prefer=, with an objective such as cheapest, or names in order"
_FALLBACKS = "the policy ranks every eligible target and the next one is the fallback; prefer=[...] sets the order"
_ATTEMPTS = "write max_attempts=, which counts the first attempt, retries and fallbacks together"
_TIME = "write deadline=, in seconds for the whole request, or timeouts=Timeouts(...) for its phases"
_PROMPT = "pass it as the first argument"
_SYSTEM = "add a message with the role 'system' in front of the others"
_KEY = "a key belongs to its provider: Provider(name, key=...)"
_URL = "an address belongs to a provider: Provider.compatible(url, ...)"
_HEADERS = "headers belong to a provider: Provider(name, headers={...})"
_FLOOR = "write floor=, the least score a model must have"

ELSEWHERE: Mapping[str, str] = {
    **dict.fromkeys(
        ("ceiling", "budget", "cost", "price", "max_price", "price_limit", "cost_limit", "max_budget", "max_spend",
         "spend_limit"),
        _CEILING,
    ),
    **dict.fromkeys(("max_output_tokens", "max_new_tokens", "max_output"), _CAP),
    **dict.fromkeys(("objective", "strategy", "optimize", "optimize_for", "optimise", "sort"), _PREFER),
    **dict.fromkeys(("fallback", "fallbacks", "fallback_models", "models"), _FALLBACKS),
    **dict.fromkeys(("max_retries", "num_retries", "retries", "attempts"), _ATTEMPTS),
    **dict.fromkeys(("timeout", "request_timeout", "time_limit"), _TIME),
    **dict.fromkeys(("prompt", "input", "message", "question", "contents"), _PROMPT),
    **dict.fromkeys(("system", "system_prompt", "system_message", "instructions"), _SYSTEM),
    **dict.fromkeys(("api_key", "key"), _KEY),
    **dict.fromkeys(("base_url", "api_base", "url"), _URL),
    **dict.fromkeys(("headers", "extra_headers", "default_headers"), _HEADERS),
    **dict.fromkeys(("min_score", "min_quality", "quality"), _FLOOR),
    "region": "a region belongs to its provider: Provider(name, region=...); jurisdictions= says which are allowed",
    "policy": "a policy belongs to the router: Router(providers, policy=...)",
    "catalog": "a catalog belongs to the router: Router(providers, catalog=...)",
    "on_event": "notices belong to the router: Router(providers, on_event=...)",
    "temp": "write temperature=",
    "exclude": "write without=, with the targets, models or providers ruled out",
    "stream": "stream= is not a parameter here: call router.stream(...) instead of router.chat(...)",
}  # fmt: skip
"""What other libraries call it, and what to write here."""

_MONEY = ("budget", "ceiling", "cost", "dollar", "price", "spend", "usd")
_NEAR = 0.75
"""Two letters swapped in a word of four still count as near."""

_VERY_NEAR = 0.85
"""Words of other libraries are many and common: `safe_prompt` is a provider's own, and no `system_prompt`."""

_LONGEST = 64


def refuse_misspelled(parameters: Iterable[str]) -> None:
    """Refuse a parameter that means something here under another name, or is nearly a name that is known.

    Raises `RequestError` saying what to write instead. What is near nothing passes.
    """
    for name in parameters:
        if name in THEIRS or name in OURS:
            continue
        advice = _advice(name)
        if advice is None:
            continue
        passed = "" if name == "stream" else (
            f" To send {name!r} to the provider as it is, pass extra_body={{{name!r}: ...}}."
        )  # fmt: skip
        raise RequestError(f"unknown parameter {name!r}. {advice[0].upper()}{advice[1:]}{passed}")


@lru_cache(maxsize=512)
def _advice(name: str) -> str | None:
    """Return what to write instead of `name`, as a sentence, or `None` when it may pass."""
    word = name.lower().replace("-", "_")
    known = ELSEWHERE.get(word)
    if known is not None:
        return f"{known}."
    if len(word) > _LONGEST:
        return None
    near = get_close_matches(word, sorted(OURS | OPENAI), n=1, cutoff=_NEAR)
    if near:
        return f"Did you mean {near[0]!r}?"
    if any(money in word for money in _MONEY):
        return f"It speaks of money and would limit nothing: {_CEILING}."
    other = get_close_matches(word, ELSEWHERE, n=1, cutoff=_VERY_NEAR)
    return f"{ELSEWHERE[other[0]]}." if other else None
