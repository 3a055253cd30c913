"""The package's public names."""

import subprocess
import sys

import pytest

from modelroute import stores


def test_every_public_name_is_there() -> None:
    assert stores.__all__ == sorted(stores.__all__)
    for name in stores.__all__:
        assert getattr(stores, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = stores.Nothing


def test_a_store_nobody_chose_costs_no_import() -> None:
    code = (
        "import sys, modelroute.stores as s; s.MemoryStore(); print(*sorted({'sqlite3', 'redis'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""
