"""Bodies come out as the peer meant them, however they were cut, and never larger than agreed."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelroute.runtime.http import HttpBroken
from modelroute.runtime.http.decoding import BODY_BYTES, Decoder, decoder_for


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


PACKERS: dict[str, Callable[[bytes], bytes]] = {
    "identity": bytes,
    "gzip": gzip.compress,
    "x-gzip": gzip.compress,
    "deflate": zlib.compress,
}


def unfolded(decoder: Decoder, pieces: Iterable[bytes]) -> bytes:
    out = b""
    for piece in pieces:
        out += decoder.feed(piece)
        while decoder.has_more:
            out += decoder.feed(b"")
    decoder.end()
    return out


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[left:right] for left, right in pairwise(edges)]


@given(
    st.lists(st.binary(max_size=300), max_size=3),
    st.lists(st.integers(0, 2000), max_size=9),
    st.sampled_from(sorted(PACKERS)),
)
def test_any_cut_gives_the_same_bytes(bodies: list[bytes], places: list[int], coding: str) -> None:
    members = bodies if coding.endswith("gzip") else [b"".join(bodies)]
    packed = b"".join(PACKERS[coding](member) for member in members)
    assert unfolded(Decoder(coding, endless=False), cut(packed, places)) == b"".join(bodies)


@given(st.binary(min_size=1, max_size=300))
def test_deflate_without_its_wrapper(body: bytes) -> None:
    assert unfolded(Decoder("deflate", endless=False), [raw_deflate(body)]) == body


@given(st.lists(st.binary(max_size=60), max_size=6), st.sampled_from(["gzip", "deflate"]))
def test_any_bytes_are_decoded_or_refused(pieces: list[bytes], coding: str) -> None:
    try:
        unfolded(Decoder(coding, endless=True), pieces)
    except HttpBroken as error:
        if (error.phase, error.sent, error.any_bytes) != ("body", True, True):
            raise


@pytest.mark.parametrize("endless", [True, False])
def test_a_bomb_is_stopped_early(endless: bool) -> None:
    decoder = Decoder("gzip", endless=endless)
    sizes = [len(decoder.feed(gzip.compress(bytes(64_000_000))))]
    with pytest.raises(HttpBroken, match="times what was sent"):
        sizes.extend(iter(lambda: len(decoder.feed(b"")), None))
    assert sum(sizes) <= 16_000_000


def test_so_many_bytes_and_no_more() -> None:
    decoder = Decoder("identity", endless=False)
    for _ in range(BODY_BYTES >> 20):
        decoder.feed(bytes(1 << 20))
    with pytest.raises(HttpBroken, match="128 MiB"):
        decoder.feed(b"x")


@pytest.mark.parametrize(
    ("content_type", "coding", "bounded"),
    [
        ("text/event-stream", "", None),
        ("text/event-stream; charset=utf-8", "identity", None),
        ("TEXT/Event-Stream", "gzip", False),
        ("application/json", "", True),
        ("", "", True),
    ],
)
def test_only_event_streams_are_endless(content_type: str, coding: str, bounded: bool | None) -> None:
    decoder = decoder_for({"content-type": content_type, "content-encoding": coding})
    assert (decoder is None) is (bounded is None)
    if decoder is not None and not coding:
        with pytest.raises(HttpBroken):
            decoder.feed(bytes(BODY_BYTES + 1))
