"""A lane against a plain list, and in threads."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from hypothesis import given
from hypothesis import strategies as st

from modelroute.runtime.http.lanes import REMEMBERED, Lane


@dataclass
class Stream:
    usable: bool = True
    aborted: int = 0

    def is_usable(self) -> bool:
        return self.usable

    def abort(self) -> None:
        self.aborted += 1


STEP = st.one_of(
    st.tuples(st.just("give"), st.booleans()),
    st.tuples(st.just("take"), st.none()),
    st.tuples(st.just("wait"), st.sampled_from([0, 4, 9, 10])),
)


@given(st.lists(STEP, max_size=40), st.integers(0, 4))
def test_youngest_usable_first_and_nothing_is_lost(steps: list[tuple[str, int | bool | None]], max_idle: int) -> None:
    """Each is idle, handed out or closed exactly once; none too old, unfit or beyond `max_idle` is handed out."""
    lane: Lane[int, Stream] = Lane(keepalive=10, max_idle=max_idle)
    model: list[tuple[int, Stream, float]] = []
    every: list[Stream] = []
    taken: list[Stream] = []
    now = 0.0
    for step, value in steps:
        if step == "wait":
            now += float(value or 0)
        elif step == "give":
            stream = Stream(usable=bool(value))
            every.append(stream)
            lane.give(len(every), stream, now)
            model.append((len(every), stream, now))
            while model and (len(model) > max_idle or now - model[0][2] >= 10):
                model.pop(0)
        else:
            expected = None
            while model:
                number, stream, since = model.pop()
                if now - since < 10 and stream.usable:
                    expected = number
                    break
            kept = lane.take(now)
            assert (None if kept is None else kept.connection) == expected
            if kept is not None:
                taken.append(kept.stream)
        assert len(lane) == len(model) <= max_idle
    lane.drain()
    assert [stream.aborted for stream in every] == [0 if any(stream is one for one in taken) else 1 for stream in every]


def test_given_after_closing_is_closed() -> None:
    lane: Lane[int, Stream] = Lane(keepalive=10, max_idle=4)
    lane.closed = True
    stream = Stream()
    lane.give(1, stream, 0.0)
    assert (len(lane), stream.aborted) == (0, 1)


def test_no_connection_is_ever_in_two_hands() -> None:
    lane: Lane[int, Stream] = Lane(keepalive=10, max_idle=8)
    for number in range(8):
        lane.give(number, Stream(), 0.0)
    held = [0] * 8
    clashes: list[int] = []

    def use() -> None:
        for _ in range(3_000):
            kept = lane.take(0.0)
            if kept is not None:
                held[kept.connection] += 1
                if held[kept.connection] != 1:
                    clashes.append(kept.connection)
                held[kept.connection] -= 1
                lane.give(kept.connection, kept.stream, 0.0)

    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert clashes == []
    assert len(lane) == 8


def test_too_old_to_be_used_from_the_very_second() -> None:
    lane: Lane[int, Stream] = Lane(keepalive=10, max_idle=8)
    stream = Stream()
    lane.give(1, stream, 0.0)
    assert lane.take(10.0) is None
    assert stream.aborted == 1
    lane.give(2, Stream(), 0.0)
    assert lane.take(9.9) is not None


def test_a_lane_learns_how_soon_its_server_closes() -> None:
    lane: Lane[int, Stream] = Lane(keepalive=10, max_idle=8)
    lane.lost(4.0, now=0.0)
    lane.give(1, Stream(), 100.0)
    assert lane.take(102.0) is None
    lane.give(2, Stream(), 100.0)
    assert lane.take(101.9) is not None
    lane.lost(8.0, now=100.0)  # no news
    lane.give(3, Stream(), 200.0)
    assert lane.take(202.0) is None
    lane.give(4, Stream(), 100.0 + REMEMBERED)
    assert lane.take(109.0 + REMEMBERED) is not None
    lane.lost(0.001, now=0.0)
    lane.give(5, Stream(), 100.0)
    assert lane.take(100.0) is None
