"""Every relative link of README.md and docs/ leads to a file, and to a heading of it where it names one."""

import re
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from tests.docs.pages import ROOT, page_paths, read_page

PATHS = list(page_paths())


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings as GitHub makes them: words in lower case, spaces as dashes."""
    found: set[str] = set()
    tokens = MarkdownIt("commonmark").parse(text)
    for token, following in pairwise(tokens):
        if token.type == "heading_open":
            words = "".join(child.content for child in following.children or ())
            base = anchor = re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-")
            twin = 0
            while anchor in found:
                twin += 1
                anchor = f"{base}-{twin}"
            found.add(anchor)
    return found


def broken(path: Path, links: Iterator[str]) -> list[str]:
    """Return the links that lead nowhere."""
    wrong: list[str] = []
    for link in links:
        file, _, anchor = link.partition("#")
        target = (path.parent / file).resolve() if file else path
        known = target.exists() and target.is_relative_to(ROOT)
        if not known or (anchor and anchor not in anchors(target.read_text(encoding="utf-8"))):
            wrong.append(link)
    return wrong


@pytest.mark.parametrize("path", PATHS, ids=name)
def test_relative_links_and_anchors_resolve(path: Path) -> None:
    links = (link for link in read_page(path).links if "://" not in link and not link.startswith("mailto:"))
    assert broken(path, links) == []


def test_every_page_is_linked_from_the_index() -> None:
    index = ROOT / "docs/index.md"
    linked = {(index.parent / link.partition("#")[0]).resolve() for link in read_page(index).links}
    unlinked = [name(path) for path in PATHS if path not in linked and path.parent != ROOT and path != index]
    assert unlinked == []


def test_what_leads_nowhere_is_found() -> None:
    index = ROOT / "docs/index.md"
    links = ["index.md#learn", "index.md#teach", "nowhere.md", "#learn", "#teach"]
    assert broken(index, iter(links)) == ["index.md#teach", "nowhere.md", "#teach"]


def test_anchors_are_those_of_the_headings() -> None:
    text = "# The flow\n\n## `Policy(a=)`, and more!\n\n```python\n# a remark\n```\n\n## The flow\n"
    assert anchors(text) == {"the-flow", "policya-and-more", "the-flow-1"}
