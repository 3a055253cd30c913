"""Keys: found where they are said to be, never shown."""

import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modelroute.errors import ConfigurationError
from modelroute.providers.key import Key, as_keys
from modelroute.wire.secrets import Secret

SENTINEL = "sk-sentinel-0123456789"


def test_the_first_variable_that_is_set_counts() -> None:
    key = Key.env("FIRST", "SECOND")

    assert key.resolve({}) is None
    assert key.resolve({"FIRST": "", "SECOND": " \n"}) is None
    assert key.resolve({"FIRST": "", "SECOND": SENTINEL + "\n"}) == Secret(SENTINEL)
    assert key.resolve({"FIRST": "one", "SECOND": "two"}) == Secret("one")
    assert key.variables == ("FIRST", "SECOND")


def test_a_callable_is_asked_every_time() -> None:
    keys = iter(["one", "two"])
    key = Key(lambda: next(keys))

    assert [key.resolve({}), key.resolve({})] == [Secret("one"), Secret("two")]


def test_a_callable_that_fails_is_our_error_without_its_words() -> None:
    def broken() -> str:
        raise OSError(SENTINEL)

    with pytest.raises(ConfigurationError, match="OSError") as caught:
        Key(broken).resolve({})
    assert SENTINEL not in repr(caught.value)
    assert caught.value.__cause__ is None
    with pytest.raises(ConfigurationError, match="returned int"):
        Key(lambda: 7).resolve({})  # type: ignore[arg-type,return-value]


def test_no_key_is_shown() -> None:
    for key in (Key(SENTINEL), Key(lambda: SENTINEL), Key.env("NAME")):
        assert SENTINEL not in repr(key) + str(key)
    assert repr(Key.env("A", "B")) == "Key.env('A', 'B')"


@given(st.text(max_size=20).map(lambda text: SENTINEL + "\x07" + text))
def test_a_key_no_header_can_carry_is_refused_without_echo(key: str) -> None:
    for build in (lambda: Key(key), lambda: Key.env(key), lambda: Key.env("NAME").resolve({"NAME": key})):
        with pytest.raises(ConfigurationError) as caught:
            build()
        assert "sentinel" not in str(caught.value)


def test_an_environment_key_that_cannot_be_used_names_its_variable() -> None:
    with pytest.raises(ConfigurationError, match="TEAM_KEY"):
        Key.env("TEAM_KEY").resolve({"TEAM_KEY": "a b"})


def test_a_reference_pickles_and_a_key_does_not() -> None:
    assert pickle.loads(pickle.dumps(Key.env("A"))) == Key.env("A")
    with pytest.raises(TypeError):
        pickle.dumps(Key(SENTINEL))


def test_keys_are_lanes() -> None:
    assert as_keys(None) == ()
    assert len(as_keys(["one", Key.env("TWO"), lambda: "three"])) == 3
    assert as_keys("one") == (Key("one"),)


@pytest.mark.parametrize("key", [[], ["one", "one"], [Key.env("A"), Key.env("A")], 7, {"a": 1}, [None]])
def test_what_is_no_key_is_refused(key: object) -> None:
    with pytest.raises(ConfigurationError):
        as_keys(key)  # type: ignore[arg-type]


def test_a_key_is_immutable() -> None:
    with pytest.raises(AttributeError):
        Key("a").variables = ("B",)
