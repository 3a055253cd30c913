"""The failure table of DESIGN section 5, row by row as it is written there, and its totality."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelroute.types.failure import TABLE, Breaker, Charge, Failure, Kind, Retry, Row, Seen

# kind, seen, retry, breaker, charged: the words of the page in the words of the code.
ROWS = [
    ("saturated", "no", "same_after_wait", "no", "nothing"),
    ("unreachable", "no", "same_once", "counts", "nothing"),
    ("transient", "maybe", "same_once", "counts", "unless_unbilled"),
    ("unavailable", "maybe", "same_once", "counts", "unless_unbilled"),
    ("rate_limited", "no", "same_after_wait", "holds", "nothing"),
    ("exhausted", "no", "other", "holds", "nothing"),
    ("denied", "no", "other_provider", "holds", "nothing"),
    ("not_served", "no", "other", "holds", "nothing"),
    ("unsupported", "no", "other", "no", "nothing"),
    ("invalid", "no", "never", "no", "nothing"),
    ("unproved", "no", "one_other_provider", "no", "nothing"),
    ("too_long", "no", "larger_context", "no", "nothing"),
    ("refused", "yes", "never", "no", "reported"),
    ("invalid_output", "yes", "same_once", "no", "reported"),
    ("silent", "maybe", "other", "slow", "reservation"),
    ("interrupted", "yes", "other", "counts", "observed"),
    ("garbled", "yes", "other", "counts", "reservation"),
    ("cancelled", "maybe", "never", "no", "observed"),
    ("late", "maybe", "never", "no", "observed"),
]


@pytest.mark.parametrize(("kind", "seen", "retry", "breaker", "charged"), ROWS, ids=lambda value: value)
def test_the_row(kind: str, seen: str, retry: str, breaker: str, charged: str) -> None:
    row = TABLE[Kind(kind)]
    assert (row.seen, row.retry, row.breaker, row.charge) == (seen, retry, breaker, charged)
    failure = Failure(Kind(kind))
    assert (failure.row, failure.retry, failure.was_seen) == (row, Retry(retry), Seen(seen))


def test_the_table_is_total_and_cannot_be_changed() -> None:
    assert list(TABLE) == list(Kind)
    assert [row[0] for row in ROWS] == [kind.value for kind in Kind]
    with pytest.raises(TypeError):
        TABLE[Kind.LATE] = Row(Seen.NO, Retry.NEVER, Breaker.NO, Charge.NOTHING)  # type: ignore[index]


def test_what_is_charged_nothing_was_not_seen() -> None:
    """Charged 0 only where the request provably was not sent (M2): a row that says otherwise would lie about money."""
    assert {kind for kind, row in TABLE.items() if row.charge is Charge.NOTHING} == {
        kind for kind, row in TABLE.items() if row.seen is Seen.NO
    }


ORDER = [Seen.NO, Seen.MAYBE, Seen.YES]
failures = st.builds(
    Failure,
    st.sampled_from(Kind),
    st.text(max_size=20),
    provider_code=st.none() | st.text(max_size=8),
    status=st.none() | st.integers(100, 599),
    retry_after=st.none() | st.floats(0, 1e6),
    seen=st.none() | st.sampled_from(Seen),
    feature=st.none() | st.just("tools"),
)


@given(failures)
def test_seen_only_raises_the_certainty(failure: Failure) -> None:
    """A row that says the provider saw the request cannot be talked down: it would be charged nothing."""
    usual = TABLE[failure.kind].seen
    said = usual if failure.seen is None else failure.seen
    assert ORDER.index(failure.was_seen) == max(ORDER.index(usual), ORDER.index(said))


@given(failures)
def test_it_says_what_happened_and_pickles(failure: Failure) -> None:
    assert str(failure).startswith(failure.kind.value)
    assert failure.message in str(failure)
    assert failure.status is None or str(failure.status) in str(failure)
    assert pickle.loads(pickle.dumps(failure)) == failure
