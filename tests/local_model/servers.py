"""Servers of the local model that differ from the usual one in how they are started."""

from __future__ import annotations

from pathlib import Path

import pytest

from modelroute.testing import local_model
from modelroute.testing.local_model import LocalModelServer

__all__ = ["tool_calling_server"]


def tool_calling_server() -> LocalModelServer:
    """Start the model under a template of ours that knows tools: shown two calls, it makes a third."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(local_model, "_CHILD", Path(__file__).with_name("tool_calling.py"))
        return LocalModelServer(n_ctx=1024)
