"""Time and chance in one value, handed to everything that must not read them itself; a simulation hands its own."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Clocks"]


@dataclass(frozen=True, slots=True)
class Clocks:
    """Two clocks, a die and a way to wait.

    `monotonic`: seconds that never go back; `wall`: Unix seconds; `draw`: uniform in [0, 1); `sleep`: blocks.
    """

    monotonic: Callable[[], float] = time.monotonic
    wall: Callable[[], float] = time.time
    draw: Callable[[], float] = random.random
    sleep: Callable[[float], None] = time.sleep
