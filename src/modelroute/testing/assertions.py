"""What a test says about decisions: which target a request must go to."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Unpack

    from modelroute.runtime.calls import Asking
    from modelroute.runtime.facade import Facade
    from modelroute.types.decision import Decision
    from modelroute.types.messages import Messages

__all__ = ["assert_routes"]


def assert_routes(router: Facade, messages: Messages, *, to: str | None, **asking: Unpack[Asking]) -> Decision:
    """Assert that `router` would send `messages` to `to` first, and return the decision. Sends nothing.

    `to`: a target (``model@provider``), a model, or `None` for "nowhere". The failure prints the whole decision.
    """
    decision = router.explain(messages, **asking)
    first = decision.ranked[0] if decision.ranked else None
    chosen = {first.target, first.model} if first is not None else {None}
    if to not in chosen:
        found = first.target if first is not None else "nowhere"
        raise AssertionError(f"expected the request to go to {to or 'nowhere'}, it goes to {found}\n{decision}")
    return decision
