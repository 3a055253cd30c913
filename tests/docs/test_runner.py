"""The runner of the pages, run on pages made up here: what it must catch, it catches."""

import os
import socket
import sys
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.docs import commands
from tests.docs.network import LeftTheMachineError, is_local, loopback_only
from tests.docs.pages import ROOT, Page, read_page
from tests.docs.run import PageError, run_page


@pytest.fixture
def page(tmp_path: Path) -> Callable[[str], Page]:
    """Return a function that writes a page and reads it back; `~~~` in the text stands for a fence."""

    def write(text: str) -> Page:
        path = tmp_path / "page.md"
        path.write_text(text.replace("~~~", "```"), encoding="utf-8")
        return read_page(path)

    return write


@pytest.fixture
def program(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let `modelroute` be a program that prints its arguments, and ends with status 2 when asked to fail."""

    def main() -> None:
        sys.stdout.write(" ".join(sys.argv[1:]) + "\n")
        if "fail" in sys.argv:
            raise SystemExit(2)

    monkeypatch.setattr(commands, "_main", lambda: main)


def test_blocks_share_one_namespace_in_order(page: Callable[[str], Page], tmp_path: Path) -> None:
    text = "~~~python\nx = 1\n~~~\n\n- in a list:\n\n  ~~~python\n  x += 1\n  ~~~\n\n~~~python\nassert x == 2\n~~~\n"
    run_page(page(text), tmp_path)


def test_a_failing_block_points_into_the_page(page: Callable[[str], Page], tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError) as caught:
        run_page(page("# Title\n\n~~~python\nfine = 1\nfine / 0\n~~~\n"), tmp_path)
    assert caught.traceback[-1].lineno + 1 == 5
    assert str(caught.traceback[-1].path).endswith("page.md")
    assert caught.value.__notes__ == [f"in the block at {tmp_path / 'page.md'}:4"]


def test_code_is_its_own_main_module(page: Callable[[str], Page], tmp_path: Path) -> None:
    """Classes of a page can be found by name, as in a script: pickling and pydantic look them up."""
    before = sys.modules["__main__"]
    text = "~~~python\nimport pickle\nclass A: pass\nassert isinstance(pickle.loads(pickle.dumps(A())), A)\n~~~\n"
    run_page(page(text), tmp_path)
    assert sys.modules["__main__"] is before


@pytest.mark.parametrize(
    ("shown", "holds"), [("1 USD", True), ("1 EUR", False), ("1 ...", True), ("... USD", True), ("", False)]
)
def test_shown_output_is_compared(page: Callable[[str], Page], tmp_path: Path, shown: str, holds: bool) -> None:
    made = page(f"~~~python\nprint('1 USD')\n~~~\n\n~~~output\n{shown}\n~~~\n")
    if holds:
        run_page(made, tmp_path)
    else:
        with pytest.raises(PageError, match=r"page\.md:6: the page shows"):
            run_page(made, tmp_path)


@pytest.mark.usefixtures("program")
@pytest.mark.parametrize(
    ("block", "wrong"),
    [
        ("~~~console\n$ modelroute ask hello\nask hello\n~~~", None),
        ("~~~console\n$ modelroute ask \\\n    hello\nask hello\n$ modelroute models\n~~~", None),
        ("~~~console\n$ modelroute ask hello\nask goodbye\n~~~", "the page shows"),
        ("~~~sh\nmodelroute ask 'one word'  # a remark\n~~~", None),
        ("~~~sh\nmodelroute fail\n~~~", "status 2, not 0"),
        ("<!-- exit: 2 -->\n~~~sh\nmodelroute fail\n~~~", None),
        ("<!-- exit: 2 -->\n~~~sh\nmodelroute ask\n~~~", "status 0, not 2"),
        ("~~~console\nmodelroute ask\n~~~", "starts with"),
        ("~~~sh\nmake test\nmake demo LIVE=1\n~~~", None),
        ("~~~sh\nmake tests\n~~~", "no target tests"),
        ('~~~sh\npip install "modelroute[cli,local]"\n~~~', None),
        ("~~~sh\npip install 'modelroute[cil]'\n~~~", "no extra cil"),
        ("~~~sh\nrm -rf /\n~~~", "cannot tell whether"),
        ("~~~\nno language\n~~~", "in no language"),
        ("~~~yaml\na: 1\n~~~", "in yaml"),
        ("~~~text\nanything\n~~~", None),
        ('~~~toml\na = 1\n~~~\n\n~~~json\n{"a": 1}\n~~~', None),
        ("~~~toml\na = \n~~~", "not toml"),
        ("~~~json\n{a: 1}\n~~~", "not json"),
        ("<!-- setup: nowhere -->", "no setup 'nowhere'"),
        ("<!-- skip: costs money -->\n\n~~~python\nraise SystemExit\n~~~", None),
    ],
)
def test_blocks_are_run_or_checked(page: Callable[[str], Page], tmp_path: Path, block: str, wrong: str | None) -> None:
    made = page(block + "\n")
    if wrong is None:
        run_page(made, tmp_path)
    else:
        with pytest.raises(PageError, match=wrong):
            run_page(made, tmp_path)


def test_a_skip_is_for_one_block_and_kept_with_its_reason(page: Callable[[str], Page]) -> None:
    made = page("<!-- skip: costs money -->\n~~~python\na\n~~~\n\n~~~python\nb\n~~~\n")
    assert [block.skip for block in made.blocks] == ["costs money", None]


def test_a_setup_prepares_and_tidies_up(page: Callable[[str], Page], tmp_path: Path) -> None:
    ended: list[str] = []

    @contextmanager
    def scripted(patch: pytest.MonkeyPatch) -> Generator[Mapping[str, object], None, None]:
        patch.setenv("SCRIPTED_URL", "loopback")
        yield {"given": 7}
        ended.append("yes")

    code = "import os\nassert os.environ['SCRIPTED_URL'] == 'loopback'\nassert given == 7"
    text = f"<!-- setup: scripted -->\n\n~~~python\n{code}\n~~~\n"
    run_page(page(text), tmp_path, {"scripted": scripted})
    assert ended == ["yes"]
    assert "SCRIPTED_URL" not in os.environ


def test_an_export_reaches_the_next_block_and_no_further(page: Callable[[str], Page], tmp_path: Path) -> None:
    text = (
        "~~~sh\nexport PAGE_KEY=made-up\n~~~\n\n~~~python\nimport os\nassert os.environ['PAGE_KEY'] == 'made-up'\n~~~\n"
    )
    run_page(page(text), tmp_path)
    assert "PAGE_KEY" not in os.environ


@pytest.mark.parametrize(
    "attempt",
    [
        "socket.create_connection(('192.0.2.1', 443), timeout=1)",
        "socket.getaddrinfo('example.com', 443)",
        "with socket.socket() as s: s.connect_ex(('192.0.2.1', 443))",
        "with socket.socket(type=socket.SOCK_DGRAM) as s: s.sendto(b'x', ('192.0.2.1', 53))",
    ],
)
def test_leaving_the_machine_fails_the_page_even_when_swallowed(
    page: Callable[[str], Page], tmp_path: Path, attempt: str
) -> None:
    text = f"~~~python\nimport contextlib, socket\nwith contextlib.suppress(OSError):\n    {attempt}\n~~~\n"
    with pytest.raises(LeftTheMachineError, match=r"192\.0\.2\.1|example\.com"):
        run_page(page(text), tmp_path)


def test_loopback_is_open_inside_the_guard(monkeypatch: pytest.MonkeyPatch) -> None:
    with loopback_only(monkeypatch), socket.create_server(("127.0.0.1", 0)) as server:
        with socket.create_connection(("localhost", server.getsockname()[1]), timeout=5) as client:
            client.sendall(b"x")
        server.accept()[0].close()


@pytest.mark.parametrize(
    ("host", "local"),
    [
        ("127.0.0.1", True),
        ("127.8.9.1", True),
        ("::1", True),
        (b"localhost", True),
        (None, True),
        ("0.0.0.0", True),
        ("10.0.0.1", False),
        ("192.168.1.1", False),
        ("fe80::1%eth0", False),
        ("localhost.example", False),
    ],
)
def test_what_counts_as_this_machine(host: object, local: bool) -> None:
    assert is_local(host) is local


def test_the_project_declares_its_command() -> None:
    """Pages run the command through its entry point, so the entry point must be there."""
    assert 'modelroute = "modelroute.cli:main"' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
