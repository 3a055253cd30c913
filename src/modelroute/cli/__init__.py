"""The command line: `modelroute models`, `explain`, `ask`, `demo`, `spend`, `ledger`.

They need the `cli` extra; this module does not.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

__all__ = ["main"]

_EXTRA = frozenset({"typer", "rich", "click"})
_NOT_INSTALLED = 'modelroute: the command line is not installed. Install it with: pip install "modelroute[cli]"'


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code: 0 done, 1 the request failed, 2 wrong usage, 130 interrupted."""
    words = sys.argv[1:] if arguments is None else list(arguments)
    if words == ["--version"]:
        from modelroute import __version__

        print(f"modelroute {__version__}")
        return 0
    try:
        from modelroute.cli.app import run
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] not in _EXTRA:
            raise
        print(_NOT_INSTALLED, file=sys.stderr)
        return 2
    return run(words)
