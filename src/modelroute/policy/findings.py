"""What a linter would say about a policy: nothing here is an error, all of it is worth reading once."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Finding"]


@dataclass(frozen=True, slots=True)
class Finding:
    """A remark on a policy: a stable `code`, what was found, and what would mend it."""

    code: str
    text: str
    fix: str

    def __str__(self) -> str:
        return f"{self.code}: {self.text} {self.fix}"
