"""What this library is tested with, for testing yours: scripted routers, a misbehaving provider, virtual time.

`ScriptedRouter` and `ScriptedAsyncRouter` answer from a script; `FaultServer` is a real server with named faults;
`run_simulated` runs asyncio code in virtual time; `assert_routes` states which target a policy must choose, and
`assert_decisions` keeps whole decisions in a file;
`LocalModelServer` is a small real model. Names load when they are first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from modelroute.testing.assertions import assert_routes as assert_routes
    from modelroute.testing.faults import FAULTS as FAULTS
    from modelroute.testing.faults import dead_port as dead_port
    from modelroute.testing.golden import GoldenRequest as GoldenRequest
    from modelroute.testing.golden import assert_decisions as assert_decisions
    from modelroute.testing.local_model import LocalModelServer as LocalModelServer
    from modelroute.testing.loop import SimLoop as SimLoop
    from modelroute.testing.loop import VirtualClock as VirtualClock
    from modelroute.testing.loop import run_simulated as run_simulated
    from modelroute.testing.script import Answer as Answer
    from modelroute.testing.script import Cuts as Cuts
    from modelroute.testing.script import Fails as Fails
    from modelroute.testing.script import Garbles as Garbles
    from modelroute.testing.script import Hangs as Hangs
    from modelroute.testing.script import Script as Script
    from modelroute.testing.script import Slow as Slow
    from modelroute.testing.scripted import ScriptedAsyncRouter as ScriptedAsyncRouter
    from modelroute.testing.scripted import ScriptedRouter as ScriptedRouter
    from modelroute.testing.scripted import SeenCall as SeenCall
    from modelroute.testing.server import FaultServer as FaultServer
    from modelroute.types.failure import Failure as Failure
    from modelroute.types.failure import Kind as Kind

_HOME = {
    "FAULTS": "testing.faults",
    "Answer": "testing.script",
    "Cuts": "testing.script",
    "Failure": "types.failure",
    "Fails": "testing.script",
    "FaultServer": "testing.server",
    "Garbles": "testing.script",
    "GoldenRequest": "testing.golden",
    "Hangs": "testing.script",
    "Kind": "types.failure",
    "LocalModelServer": "testing.local_model",
    "Script": "testing.script",
    "ScriptedAsyncRouter": "testing.scripted",
    "ScriptedRouter": "testing.scripted",
    "SeenCall": "testing.scripted",
    "SimLoop": "testing.loop",
    "Slow": "testing.script",
    "VirtualClock": "testing.loop",
    "assert_decisions": "testing.golden",
    "assert_routes": "testing.assertions",
    "dead_port": "testing.faults",
    "run_simulated": "testing.loop",
}

__all__ = [
    "FAULTS",
    "Answer",
    "Cuts",
    "Fails",
    "Failure",
    "FaultServer",
    "Garbles",
    "GoldenRequest",
    "Hangs",
    "Kind",
    "LocalModelServer",
    "Script",
    "ScriptedAsyncRouter",
    "ScriptedRouter",
    "SeenCall",
    "SimLoop",
    "Slow",
    "VirtualClock",
    "assert_decisions",
    "assert_routes",
    "dead_port",
    "run_simulated",
]


def __getattr__(name: str) -> object:
    home = _HOME.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"modelroute.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
