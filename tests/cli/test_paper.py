import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelroute.cli.paper import Plain, Wrapped
from modelroute.cli.terminal import tell


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


pieces = st.lists(st.text(alphabet="ab \n\t\u00e9", max_size=12), max_size=12)


@given(pieces, st.integers(1, 30), st.integers(0, 4))
def test_wrapping_keeps_every_word_and_the_width(said: list[str], width: int, indent: int) -> None:
    """However the answer was cut, its words come out in order, in lines that fit unless one word does not."""
    out = io.StringIO()
    paper = Wrapped(out, width, indent=indent)
    for piece in said:
        paper.write(piece)
    paper.end_line()
    text, lines = "".join(said), out.getvalue().splitlines()
    assert out.getvalue().split() == text.split()
    assert all(len(line) <= max(width, indent + 1) or len(line.split()) == 1 for line in lines)
    assert all(line.startswith(" " * indent) for line in lines if line)
    assert not out.getvalue() or out.getvalue().endswith("\n")


@given(pieces, pieces)
def test_wrapping_does_not_depend_on_how_the_answer_was_cut(one: list[str], other: list[str]) -> None:
    text = "".join([*one, *other])
    outs = []
    for cut in ([text], [*one, *other], list(text)):
        out = io.StringIO()
        paper = Wrapped(out, 12, indent=2)
        for piece in cut:
            paper.write(piece)
        paper.end_line()
        outs.append(out.getvalue())
    assert len(set(outs)) == 1


def test_plain_paper_into_a_pipe_changes_nothing_and_ends_the_line() -> None:
    out = io.StringIO()
    paper = Plain(out)
    paper.write("a\x1b[31m b")
    paper.end_line()
    paper.end_line()
    assert out.getvalue() == "a\x1b[31m b\n"


def test_an_answer_cannot_command_the_terminal() -> None:
    for make in (Plain, lambda stream: Wrapped(stream, 80)):
        out = Terminal()
        paper = make(out)
        paper.write("a\x1b]0;owned\x07b\u009b31mc\rd\x7f\n\u00e9")
        paper.end_line()
        assert out.getvalue() == "a]0;ownedb31mcd\n\u00e9\n"


def test_neither_can_what_a_provider_says_in_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    out = Terminal()
    monkeypatch.setattr("sys.stderr", out)
    tell("error: HTTP 400: \x1b[2Jgone")
    assert out.getvalue() == "error: HTTP 400: [2Jgone\n"
