"""``make bench``: every measurement as one table. Quote the ratios; the bare times are this machine's, now."""

from __future__ import annotations

import platform

from benchmarks import calls, decide, imports

__all__ = ["main"]


def main() -> None:
    """Measure everything and print it."""
    print(f"Python {platform.python_version()}, {platform.machine()}\n")
    print("Deciding")
    decide.main([25, 100, 1_000])
    print("\nCPU against the bare HTTP client (httpx) in the same run, medians of interleaved rounds")
    print(f"{'':42s}{'modelroute':>12s}{'httpx':>12s}{'ratio':>8s}")
    for row in calls.measure():
        print(f"{row.what:42s}{row.ours:9.1f} us{row.bare:9.1f} us{row.ratio:8.2f}")
    print("\nImporting, beyond an empty program")
    for statement, milliseconds in imports.measure().items():
        print(f"{statement:42s}{milliseconds:9.1f} ms")


if __name__ == "__main__":
    main()
