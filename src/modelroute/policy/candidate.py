"""What the policy sees of an endpoint: the target, and the few facts of how it is reached that a decision needs."""

from __future__ import annotations

from dataclasses import dataclass

from modelroute.catalog.model import SELF_HOSTED, Target

__all__ = ["Candidate"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A target this router could call.

    `jurisdiction`: where the prompt would go, `None` when unknown. `honours_output_cap`: whether an output cap that is
    sent also binds. `always_capped`: the output limit its dialect sends when nobody asks for one, `None` for no limit.
    """

    target: Target
    jurisdiction: str | None = None
    self_hosted: bool = False
    honours_output_cap: bool = True
    always_capped: int | None = None

    @property
    def name(self) -> str:
        """The target's name."""
        return self.target.name

    def is_within(self, jurisdictions: frozenset[str]) -> bool:
        """Whether a prompt sent here stays within `jurisdictions`: own machines always, an unknown place never."""
        if self.self_hosted or self.jurisdiction == SELF_HOSTED:
            return True
        return self.jurisdiction is not None and self.jurisdiction in jurisdictions
