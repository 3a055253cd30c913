"""The least recently used goes first, and there are never more than `size` (INVARIANTS C4)."""

from hypothesis import given
from hypothesis import strategies as st

from modelroute.resilience.bounded import Bounded

steps = st.lists(st.tuples(st.sampled_from(["put", "get", "drop"]), st.integers(0, 6), st.integers(0, 9)), max_size=60)


@given(st.integers(1, 4), steps)
def test_it_is_a_list_with_the_oldest_in_front(size: int, taken: list[tuple[str, int, int]]) -> None:
    bounded: Bounded[int, int] = Bounded(size)
    model: list[tuple[int, int]] = []
    for what, key, value in taken:
        known = next((entry for entry in model if entry[0] == key), None)
        if what == "get":
            assert bounded.get(key) == (None if known is None else known[1])
            if known is not None:
                model.remove(known)
                model.append(known)
        else:
            if known is not None:
                model.remove(known)
            if what == "put":
                bounded.put(key, value)
                model = [*model, (key, value)][-size:]
            else:
                bounded.drop(key)
        assert list(bounded.snapshot().items()) == model
        assert len(bounded) == len(model) <= size
