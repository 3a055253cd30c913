"""What names a store, and what is told to write where nothing does."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelroute.errors import ConfigurationError
from modelroute.stores.memory import MemoryStore
from modelroute.stores.opening import file_of, open_store


@pytest.mark.parametrize(
    ("place", "path"),
    [
        ("spend.db", "spend.db"), ("./spend", "./spend"), ("/var/lib/spend", "/var/lib/spend"), ("a/b", "a/b"),
        ("sqlite:spend", "spend"), ("sqlite:/var/spend.db", "/var/spend.db"), ("SQLite:x.db", "x.db"),
        ("c:spend.db", "c:spend.db"), (Path("spend.db"), "spend.db"), ("my spend.db", "my spend.db"),
    ],
    ids=str,
)  # fmt: skip
def test_what_is_a_file(place: str | Path, path: str) -> None:
    assert file_of(place) == Path(path)


@pytest.mark.parametrize(
    "place", ["memory", "redis://h:6379/0", "rediss://h", "valkey://h", "REDIS://h", "unix:///run/redis.sock"]
)
def test_what_is_none(place: str) -> None:
    assert file_of(place) is None


def test_memory_is_opened() -> None:
    assert isinstance(open_store("memory"), MemoryStore)


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("", "spend.db"), ("  ", "spend.db"), (None, "spend.db"), (5, "spend.db"), (b"spend.db", "spend.db"),
        ("memry", "Did you mean 'memory'"), ("redis", r"\./redis"), ("spend", r"\./spend"),
        (":memory:", "store='memory'"),
        ("postgres://u:hunter2@h/d", "no store is written postgres:"), ("rediz://:hunter2@h", "Did you mean 'redis'"),
        ("sqlite:///spend.db", "sqlite:spend.db"), ("sqlite:", "names no file"), ("a\0.db", "names no file"),
    ],
    ids=repr,
)  # fmt: skip
def test_what_names_no_store_says_what_to_write(wrong: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=told) as caught:
        open_store(wrong)
    assert "hunter2" not in str(caught.value)


def test_a_directory_is_no_store(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"spend\.db"):
        open_store(tmp_path)


@given(st.text(max_size=12))
def test_any_text_names_a_file_or_a_server_or_nothing(text: str) -> None:
    try:
        path = file_of(text)
    except ConfigurationError:
        return
    assert path is None or str(path)
