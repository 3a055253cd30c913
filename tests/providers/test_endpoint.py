"""Lanes, every place with every key once and neighbours at different places; and the dialect that a call is said in."""

from hypothesis import given
from hypothesis import strategies as st

from modelroute.catalog.catalog import Catalog
from modelroute.providers import Endpoint, Key, Provider
from modelroute.types.request import Request

CATALOG = Catalog()


def fleet(places: int, keys: int) -> Endpoint:
    provider = Provider.compatible(
        [f"http://10.0.0.{number}:8000/v1" for number in range(places)],
        name="fleet",
        models=["m"],
        key=[Key.env(f"KEY_{number}") for number in range(keys)] or None,
    )
    (endpoint,) = provider.endpoints(CATALOG)
    return endpoint


@given(st.integers(1, 6), st.integers(0, 5))
def test_lanes_are_the_product_of_places_and_keys(places: int, keys: int) -> None:
    endpoint = fleet(places, keys)
    lanes = [(endpoint.base(lane), endpoint.key(lane)) for lane in range(endpoint.lanes)]

    assert endpoint.lanes == places * max(1, keys)
    assert set(lanes) == {(url, key) for url in endpoint.urls for key in endpoint.keys or (None,)}
    assert len(set(lanes)) == len(lanes)


@given(st.integers(1, 6), st.integers(0, 5))
def test_as_many_neighbours_as_there_are_places_are_at_different_ones(places: int, keys: int) -> None:
    endpoint = fleet(places, keys)

    for first in range(0, endpoint.lanes, places):
        around = [endpoint.place(lane) for lane in range(first, first + places)]
        assert around == list(range(places))
        assert [endpoint.urls[place] for place in around] == [endpoint.base(first + place) for place in around]


def test_one_place_has_a_lane_for_each_key_in_order() -> None:
    endpoint = fleet(1, 3)

    assert [endpoint.key(lane) for lane in range(endpoint.lanes)] == list(endpoint.keys)
    assert {endpoint.place(lane) for lane in range(endpoint.lanes)} == {0}


def test_a_reply_says_the_dialect_that_its_call_was_said_in() -> None:
    """Without the effort that lets it rest, the model takes tools in another dialect."""
    (endpoint,) = Provider("openai", key="k", models=["gpt-5.6-sol"]).endpoints(Catalog.builtin())
    tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
    asked = Request(({"role": "user", "content": "hi"},), tools=(tool,), effort="none", optional=frozenset({"effort"}))
    for missing, path, dialect in (
        (frozenset[str](), "/chat/completions", "openai-chat"),
        (frozenset({"effort"}), "/responses", "openai-responses"),
    ):
        assert endpoint.call(asked, output_cap=None, stream=True, missing=missing).path == path
        assert endpoint.provenance(asked, missing)["dialect"] == dialect
