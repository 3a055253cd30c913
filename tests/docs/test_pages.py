"""Every code block of README.md and docs/ runs; every link of theirs leads somewhere."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, page_paths, read_page
from tests.docs.run import run_page

# Blocks that cannot run here: the page, then the reasons its skip comments give. Empty is the aim.
SKIPPED: Mapping[str, tuple[str, ...]] = {}

PATHS = list(page_paths())


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


# What a real local model is needed for; it may have to be fetched first.
LOCAL = [path for path in PATHS if "local" in read_page(path).setups]


@pytest.mark.parametrize("path", [path for path in PATHS if path not in LOCAL], ids=name)
def test_every_block_runs(path: Path, tmp_path: Path) -> None:
    run_page(read_page(path), tmp_path)


@pytest.mark.local_llm
@pytest.mark.timeout(600)
@pytest.mark.parametrize("path", LOCAL, ids=name)
def test_every_block_runs_on_a_local_model(path: Path, tmp_path: Path) -> None:
    run_page(read_page(path), tmp_path)


def test_nothing_is_skipped_unseen() -> None:
    """The skip comments of the pages and the table above say the same; a stale row fails too."""
    found = Counter(
        (name(page), block.skip) for page in PATHS for block in read_page(page).blocks if block.skip is not None
    )
    listed = Counter((page, reason) for page, reasons in SKIPPED.items() for reason in reasons)
    assert found == listed


def test_the_readme_shows_code() -> None:
    """A parser that finds no block would make every page pass."""
    languages = Counter(block.language for block in read_page(ROOT / "README.md").blocks)
    assert languages["python"] >= 1
    assert languages["sh"] + languages["console"] >= 1


@pytest.mark.parametrize("path", PATHS, ids=name)
def test_links_lead_somewhere(path: Path) -> None:
    targets = [
        link.partition("#")[0] for link in read_page(path).links if "://" not in link and not link.startswith("mailto:")
    ]
    missing = [target for target in targets if target and not (path.parent / target).exists()]
    assert not missing, f"{name(path)} links to {missing}"
