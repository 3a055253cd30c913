"""JSON is read within bounds and written with the place of every fault."""

import json
import math
from types import MappingProxyType

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from modelroute.errors import RequestError
from modelroute.wire.errors import GarbledError
from modelroute.wire.json import DEEPEST, LARGEST, dumps, loads

PLAIN_TEXT = st.text(st.characters(exclude_categories=["Cs"]))
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**80), 2**80)
    | st.floats(allow_nan=False, allow_infinity=False)
    | PLAIN_TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(PLAIN_TEXT, inner, max_size=4),
    max_leaves=30,
)


@given(VALUES)
def test_what_is_written_reads_back_the_same(value: object) -> None:
    assert loads(dumps(value)) == value
    assert loads(dumps(value).decode()) == value


@given(VALUES)
def test_what_others_write_reads_the_same(value: object) -> None:
    assert loads(json.dumps(value)) == value
    assert loads(b"\n\n \xef\xbb\xbf"[3:] + json.dumps(value, indent=1).encode()) == value


@given(st.binary() | st.text(st.characters(), max_size=50).map(lambda text: text.encode("utf-8", "surrogatepass")))
@example(b"\x00")
@example(b"[" * 100_000)
@example(b'{"a":' * 100_000)
@example(b"9" * 10_000)
@example(b'{"\\ud800": 1, "\xff": "\\udfff"}')
def test_any_bytes_give_a_value_or_garbled(data: bytes) -> None:
    for form in (data, data.decode("utf-8", "surrogateescape")):
        problem = ""
        try:
            json.dumps(loads(form), ensure_ascii=False).encode()
        except GarbledError as error:
            problem = str(error)
        assert len(problem) < 200


@pytest.mark.parametrize(
    "text", ["NaN", "[Infinity]", '{"a": -Infinity}', "", " ", "{", "{'a': 1}", "1 2", "[1,]", "nul"]
)
def test_what_is_not_json_is_garbled(text: str) -> None:
    with pytest.raises(GarbledError):
        loads(text)
    with pytest.raises(GarbledError):
        loads(text.encode())


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
        ('\ufeff{"a": 1}', {"a": 1}),
        (b'"\\ud83d\\ude42"', "🙂"),
        (b'"a\\ud83d"', "a\ufffd"),
        (b'{"\\udc00": ["\\ud800"]}', {"\ufffd": ["\ufffd"]}),
        (b'"\xff"', "\ufffd"),
        ('"\ud800"', "\ufffd"),
        (b'{"a": 1, "a": 2}', {"a": 2}),
        (b"1e999", math.inf),
        (b"123456789012345678901234567890", 123456789012345678901234567890),
    ],
)
def test_text_that_others_get_wrong_is_read_all_the_same(data: bytes | str, value: object) -> None:
    assert loads(data) == value


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_depth_is_bounded(opening: str) -> None:
    closing = "]" if opening == "[" else "}"

    def nested(levels: int) -> str:
        return opening * levels + "1" + closing * levels

    loads(nested(DEEPEST))
    for levels in (DEEPEST + 1, 150, 250, 900, 5_000):
        with pytest.raises(GarbledError, match=r"deep|not JSON"):
            loads(nested(levels))
    with pytest.raises(GarbledError):
        loads('"\\ud800"'.join(["[" * 101, "]" * 101]))


def test_width_is_not_depth() -> None:
    wide: list[object] = [[[{"a": []}]]] * 500

    assert loads(json.dumps(wide)) == wide
    assert loads(dumps(wide)) == wide


def test_size_is_bounded_without_reading() -> None:
    with pytest.raises(GarbledError, match="larger"):
        loads(b" " * (LARGEST + 1))
    with pytest.raises(GarbledError, match="larger"):
        loads(" " * (LARGEST + 1))


@given(st.text(min_size=4, max_size=20))
def test_what_was_read_is_not_in_the_error(content: str) -> None:
    with pytest.raises(GarbledError) as caught:
        loads('{"sentinel' + content.replace('"', ""))

    assert "sentinel" not in str(caught.value)


def test_a_request_is_compact_in_order_and_in_utf8() -> None:
    assert dumps({"b": 1, "a": ["é", None, True, 0.5]}) == '{"b":1,"a":["é",null,true,0.5]}'.encode()


def test_what_behaves_as_an_object_or_an_array_is_written_as_one() -> None:
    value = MappingProxyType({"a": ({"b": range(2)}, MappingProxyType({"c": ()}))})

    assert dumps(value) == b'{"a":[{"b":[0,1]},{"c":[]}]}'


def request(part: object) -> dict[str, object]:
    return {"model": "m", "messages": [{"role": "system"}, {"role": "user"}, {"content": [{"image_url": part}]}]}


CYCLE: list[object] = []
CYCLE.append({"again": CYCLE})
DEEP: object = 1
for _ in range(500):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    ("part", "words"),
    [
        (math.nan, "messages[2].content[0].image_url is nan"),
        (math.inf, "messages[2].content[0].image_url is inf"),
        (b"raw", "messages[2].content[0].image_url is bytes, which JSON has no word for; encode them as base64 text"),
        (bytearray(b"raw"), "messages[2].content[0].image_url is bytearray"),
        ({1, 2}, "messages[2].content[0].image_url is set"),
        (object(), "messages[2].content[0].image_url is object"),
        (1j, "messages[2].content[0].image_url is complex"),
        ("a\ud800", "messages[2].content[0].image_url holds half of a surrogate pair"),
        ({"ok": 1, 2: 1}, "messages[2].content[0].image_url has the key '2' of type int"),
        ({None: 1}, "messages[2].content[0].image_url has the key 'None' of type NoneType"),
        ({True: 1}, "messages[2].content[0].image_url has the key 'True' of type bool"),
        ({(1, 2): 1}, "messages[2].content[0].image_url has the key '(1, 2)' of type tuple"),
        ({"\udfff": 1}, "messages[2].content[0].image_url has a key with half of a surrogate pair"),
        ({"a b": [math.nan]}, "messages[2].content[0].image_url['a b'][0] is nan"),
        (MappingProxyType({"x": {1}}), "messages[2].content[0].image_url.x is set"),
        (CYCLE, "messages[2].content[0].image_url[0].again contains itself"),
        (DEEP, "deeper than 100 levels"),
        (10**5000, "messages[2].content[0].image_url is a number of more than"),
    ],
    ids=lambda value: value[-30:] if isinstance(value, str) and "]" in value else "",
)
def test_what_json_cannot_say_is_refused_with_its_place(part: object, words: str) -> None:
    with pytest.raises(RequestError) as caught:
        dumps(request(part))

    assert words in str(caught.value)


def test_the_depth_of_a_request_is_bounded_at_the_same_level_as_of_a_reply() -> None:
    def nested(levels: int) -> object:
        value: object = 1
        for _ in range(levels):
            value = [value]
        return value

    assert loads(dumps(nested(DEEPEST))) == nested(DEEPEST)
    with pytest.raises(RequestError, match="deeper"):
        dumps(nested(DEEPEST + 1))


@given(
    st.recursive(
        VALUES | st.binary() | st.floats() | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner),
    )
)
def test_anything_is_written_exactly_or_refused_by_name(value: object) -> None:
    problem = ""
    try:
        assert loads(dumps(value)) == value
    except RequestError as error:
        problem = str(error)
    assert not problem or any(words in problem for words in ("which JSON has no word for", "key", "surrogate"))
