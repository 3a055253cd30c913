"""Which tasks a call may name: the usual ones, and those that the policy's rules and scenarios name."""

from __future__ import annotations

from collections.abc import Collection

from modelroute.errors import RequestError, did_you_mean

__all__ = ["STANDARD_TASKS", "check_task"]

STANDARD_TASKS = frozenset(
    {
        "agent",
        "chat",
        "classification",
        "coding",
        "creative",
        "extraction",
        "long-document",
        "math",
        "reasoning",
        "summarization",
        "translation",
        "vision",
    }
)
"""Tasks every policy knows."""


def check_task(task: str | None, tasks: Collection[str]) -> None:
    """Raise `RequestError` for a task that nothing declares: a misspelt one would silently fall to the default."""
    if task is None or task in tasks:
        return
    raise RequestError(
        f"task {task!r} is not declared.{did_you_mean(task, tasks)} Known: {', '.join(sorted(tasks))}. "
        "Naming it in a Scenario or Rule of the policy declares it."
    )
