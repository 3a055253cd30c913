"""Usage of Gemini in one arithmetic: its answer leaves out the thoughts, its prompt what tools brought in."""

from __future__ import annotations

from collections.abc import Mapping

from modelroute.types.usage import Usage
from modelroute.wire.fields import MOST_TOKENS, as_count

__all__ = ["read_usage"]


def read_usage(raw: Mapping[str, object], *, spoken: bool) -> Usage | None:
    """Return the usage that `usageMetadata` reports, or `None` when it does not say how long prompt and answer were.

    The prompt is ``promptTokenCount``, which includes what was cached, and ``toolUsePromptTokenCount``; the output is
    ``candidatesTokenCount`` and ``thoughtsTokenCount``. A count of the answer that is absent is what the total leaves
    for it; without a total it is nothing only while nothing was `spoken`.
    """
    prompt = as_count(raw.get("promptTokenCount"))
    if prompt is None:
        return None
    whole = prompt + (as_count(raw.get("toolUsePromptTokenCount")) or 0)
    thoughts = as_count(raw.get("thoughtsTokenCount")) or 0
    answer = as_count(raw.get("candidatesTokenCount"))
    if answer is None:
        total = as_count(raw.get("totalTokenCount"))
        if total is None and spoken:
            return None
        answer = 0 if total is None else max(0, total - whole - thoughts)
    cached = as_count(raw.get("cachedContentTokenCount")) or 0
    if cached > whole:
        whole += cached  # a part cannot be larger than the whole, so it was left out of it
    if whole > MOST_TOKENS or answer + thoughts > MOST_TOKENS:
        return None
    return Usage(whole, answer + thoughts, cached, 0, thoughts)
