"""What a checker raises when an invariant does not hold."""

from __future__ import annotations

from modelroute.errors import ModelRouteError

__all__ = ["InvariantViolatedError", "require"]


class InvariantViolatedError(ModelRouteError, AssertionError):
    """An invariant does not hold. The message begins with its name."""


def require(holds: bool, name: str, text: str) -> None:
    """Raise `InvariantViolatedError` unless `holds`."""
    if not holds:
        raise InvariantViolatedError(f"{name}: {text}")
