"""README.md and docs/ as values: pages, their fenced blocks, and what HTML comments say about them.

A comment on a line of its own directs the runner and is unseen by readers:

- `<!-- setup: name -->` anywhere in a page: the page runs inside that setup (tests/docs/setups.py);
- `<!-- skip: reason -->` before a block: it does not run; the reason must stand in the table of test_pages.py;
- `<!-- exit: 2 -->` before a block of commands: its last command ends with that status.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from markdown_it import MarkdownIt

ROOT = Path(__file__).parents[2]
_COMMENT = re.compile(r"<!--\s*(?P<word>setup|skip|exit):\s*(?P<value>.*?)\s*-->")


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block; `line` is where its text starts in the page, counted from 1."""

    page: Path
    line: int
    language: str
    text: str
    skip: str | None = None
    status: int = 0

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


@dataclass(frozen=True, slots=True)
class Page:
    """A page: its blocks in order, the setups it asks for, the targets of its links."""

    path: Path
    blocks: tuple[Block, ...]
    setups: tuple[str, ...]
    links: tuple[str, ...]


def read_page(path: Path) -> Page:
    """Parse one page as CommonMark, so that fences in lists, tildes and longer fences are what a reader sees."""
    blocks: list[Block] = []
    setups: list[str] = []
    links: list[str] = []
    pending: dict[str, str] = {}
    for token in MarkdownIt("commonmark").parse(path.read_text(encoding="utf-8")):
        if token.type == "html_block":
            for word, value in _COMMENT.findall(token.content):
                if word == "setup":
                    setups.append(value)
                else:
                    pending[word] = value
        elif token.type == "fence":
            start = token.map[0] if token.map else 0
            language = (token.info.split() or [""])[0]
            status = int(pending.get("exit", "0"))
            blocks.append(Block(path, start + 2, language, token.content, pending.get("skip"), status))
            pending.clear()
        inline = [child for child in token.children or () if child.type in {"link_open", "image"}]
        links.extend(str(child.attrGet("href") or child.attrGet("src")) for child in inline)
    return Page(path, tuple(blocks), tuple(setups), tuple(links))


def page_paths() -> Iterator[Path]:
    """Yield README.md and every page under docs/."""
    yield ROOT / "README.md"
    yield from sorted((ROOT / "docs").rglob("*.md"))
