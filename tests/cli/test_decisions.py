import string

from hypothesis import given
from hypothesis import strategies as st

from modelroute.cli.decisions import grouped
from modelroute.types.decision import Reason, Rejected

words = st.text(alphabet=string.ascii_lowercase + " .,;:()", min_size=1, max_size=20).map(lambda text: f"x{text}x")
figures = st.sampled_from(["50", "~48.9", "$0.02", "131072", "$1,200.50", "~$0.0003"])
names = st.from_regex(r"[a-z]{1,5}-[0-9]\.[0-9]@[a-z]{1,5}", fullmatch=True)


@st.composite
def reasons(draw: st.DrawFn) -> Reason:
    pieces = draw(st.lists(st.one_of(words, figures), min_size=1, max_size=5))
    return Reason("code", " ".join(pieces))


@given(st.dictionaries(names, st.lists(reasons(), min_size=1, max_size=3), max_size=8))
def test_grouping_loses_no_target_and_no_figure(given_reasons: dict[str, list[Reason]]) -> None:
    """Filling a target's figures back into its group's words gives exactly the reasons it was rejected for."""
    groups = grouped(Rejected(name, tuple(found)) for name, found in given_reasons.items())
    restored: dict[str, str] = {}
    for group in groups:
        for name, own in group.members:
            text = group.reasons
            for figure in own.split("/") if own else []:
                text = text.replace("...", figure, 1)
            assert name not in restored
            restored[name] = text
    assert restored == {name: "; ".join(why.text for why in found) for name, found in given_reasons.items()}
    sizes = [len(group.members) for group in groups]
    assert sizes == sorted(sizes, reverse=True)


def test_alike_reasons_become_one_line() -> None:
    rejected = [
        Rejected("a@x", (Reason("floor", "scores 52, below floor 57"),)),
        Rejected("b@x", (Reason("floor", "scores ~48.9 (Arena 1425), below floor 57"),)),
        Rejected("c@x", (Reason("floor", "scores 52, below floor 57"), Reason("needs", "lacks tools"))),
        Rejected("gpt-5.5@x", (Reason("without", "gpt-5.5@x is ruled out"),)),
    ]
    assert [(group.reasons, group.members) for group in grouped(rejected)] == [
        ("scores ..., below floor 57", (("a@x", "52"), ("b@x", "~48.9"))),
        ("gpt-5.5@x is ruled out", (("gpt-5.5@x", ""),)),
        ("scores 52, below floor 57; lacks tools", (("c@x", ""),)),
    ]
