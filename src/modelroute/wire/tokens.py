"""How many tokens a text is, before it is sent: an estimate for ranking, a bound for promises, exact where it can be.

The estimate is linear in twelve counts that need no vocabulary (words, changes of case, digits, runs of punctuation,
ideographs, ...), with coefficients fitted per vocabulary on English, Chinese, Japanese, Russian, source code,
Markdown and JSON; `benchmarks/wire.py` measures its error. The bound needs no fit: see `bound`.
"""

from __future__ import annotations

import hashlib
from base64 import b64decode
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from types import FunctionType
from typing import Literal, Protocol, cast
from unicodedata import normalize

from modelroute.types.usage import TokenCount

__all__ = ["LONGEST_EXACT", "VOCABULARIES", "bound", "count", "estimate", "preload"]

LONGEST_EXACT = 64 * 1024
"""Characters that are counted exactly at most: a longer text would keep the request waiting for its own count."""

_CONTINUATION = bytes(range(0x80, 0xC0))


def _kind(byte: int) -> str:
    """Return the letter for a byte of UTF-8 in the reduced text: what a character is shows in its first byte."""
    if byte < 0x80:
        character = chr(byte)
        if character.isalpha():
            return "a" if character.islower() else "A"
        return "0" if character.isdigit() else "\n" if character in "\r\n" else " " if character in " \t" else "."
    if byte < 0xE0:
        return "c"  # Latin with accents, Greek, Cyrillic, Hebrew, Arabic
    if byte == 0xE3:
        return "j"  # kana, ideographic punctuation
    return "k" if 0xE4 <= byte <= 0xE9 else "e"  # ideographs; the rest of Asia, Hangul, symbols, emoji


_KINDS = "".join(map(_kind, range(256))).encode()
_LETTERS = bytes(0x61 if kind in b"aA" else 0x20 for kind in range(256))
_PUNCTUATION = bytes(0x2E if kind == 0x2E else 0x20 for kind in range(256))

# Per vocabulary: words, letters, changes of case, digits, punctuation, runs of it, indented lines, line ends,
# ideographs, kana, two-byte letters, others. None is negative, so that a longer text never has the smaller estimate.
_COEFFICIENTS: dict[str, tuple[float, ...]] = {
    "": (1.06, 0.02, 0.83, 0.85, 0.04, 0.73, 0.4, 0.45, 0.71, 0.68, 0.31, 1.01),
    "o200k_base": (1.0, 0.02, 0.83, 0.66, 0.04, 0.79, 0.32, 0.49, 0.7, 0.7, 0.26, 0.94),
    "cl100k_base": (1.0, 0.02, 0.79, 0.65, 0.04, 0.79, 0.27, 0.5, 0.9, 1.0, 0.45, 1.56),
    "deepseek": (1.06, 0.02, 1.0, 0.59, 0.07, 0.8, 0.41, 0.37, 0.51, 0.66, 0.29, 1.23),
    "qwen": (1.0, 0.02, 0.82, 1.33, 0.06, 0.69, 0.4, 0.48, 0.63, 0.62, 0.33, 0.8),
    "llama3": (1.0, 0.02, 0.79, 0.67, 0.04, 0.78, 0.28, 0.52, 0.69, 0.64, 0.31, 1.35),
    "llama4": (1.04, 0.02, 0.79, 0.66, 0.04, 0.7, 0.5, 0.49, 0.5, 0.51, 0.23, 1.4),
    "tekken": (0.93, 0.05, 0.84, 1.26, 0.06, 0.73, 0.46, 0.38, 0.94, 0.62, 0.3, 0.55),
}

VOCABULARIES = frozenset(_COEFFICIENTS) - {""}
"""Vocabularies with coefficients of their own; for every other name the mean of these is used."""

_BYTE_LEVEL = VOCABULARIES - {"qwen"}
_COMPOSED = frozenset({"qwen"})


def estimate(text: str, vocabulary: str = "") -> int:
    """Return about how many tokens `text` is, for ranking: at least 1 for any text, never more than `bound`.

    Never falls when text is appended. Costs about 12 us per KB.
    """
    data = text.encode("utf-8", "surrogatepass")
    if not data:
        return 0
    kinds = data.translate(_KINDS, _CONTINUATION)
    letters = kinds.translate(_LETTERS)
    punctuation = kinds.translate(_PUNCTUATION)
    of = kinds.count
    lower, upper = of(b"a"), of(b"A")
    weights = _COEFFICIENTS.get(vocabulary) or _COEFFICIENTS[""]
    tokens = (
        weights[0] * (letters.count(b" a") + letters.startswith(b"a"))
        + weights[1] * (lower + upper)
        + weights[2] * of(b"aA")
        + weights[3] * of(b"0")
        + weights[4] * of(b".")
        + weights[5] * (punctuation.count(b" .") + punctuation.startswith(b"."))
        + weights[6] * of(b"\n ")
        + weights[7] * of(b"\n")
        + weights[8] * of(b"k")
        + weights[9] * of(b"j")
        + weights[10] * of(b"c")
        + weights[11] * of(b"e")
    )
    return min(max(1, round(tokens)), len(data))


def bound(text: str, vocabulary: str = "") -> int:
    """Return a number of tokens that `text` cannot exceed. Never falls when text is appended.

    Why it holds, by family:

    - byte-level BPE (OpenAI, DeepSeek, Llama, Mistral's tekken) cuts the bytes of the text into pieces of at least one
      byte: never more tokens than bytes of UTF-8;
    - Qwen composes the text first (NFC), which lengthens a few characters: the longer of both forms counts;
    - any other may be SentencePiece, which may rewrite the text (NFKC: one ligature can become eighteen letters),
    puts a
      blank before it, and gives each character one piece or its bytes: the longest of both forms, and one for the
      blank.
    """
    size = len(text.encode("utf-8", "surrogatepass"))
    if not size or vocabulary in _BYTE_LEVEL:
        return size
    if not text.isascii():
        form: Literal["NFC", "NFKC"] = "NFC" if vocabulary in _COMPOSED else "NFKC"
        size = max(size, len(normalize(form, text).encode("utf-8", "surrogatepass")))
    return size if vocabulary in _COMPOSED else size + 1


def count(text: str, vocabulary: str = "") -> TokenCount:
    """Return `estimate` and `bound`: both the true number where `vocabulary` is loaded and `text` not too long."""
    encode = _LOADED.get(vocabulary)
    if encode is not None and len(text) <= LONGEST_EXACT:
        exact = len(encode(text))
        return TokenCount(exact, exact)
    return TokenCount(estimate(text, vocabulary), bound(text, vocabulary))


class _Encoding(Protocol):
    def encode_ordinary(self, text: str) -> list[int]: ...


_LOADED: dict[str, Callable[[str], list[int]]] = {}
"""Vocabularies loaded so far, for the whole process: they are constants, and ten megabytes each is enough once."""


def preload(vocabulary: str, directory: Path) -> bool:
    """Load a tiktoken vocabulary from its cache `directory` if it is there, and return whether `count` is now exact.

    `directory` holds the file under the name tiktoken gives it (the SHA-1 of its address); the content is checked
    against the SHA-256 that tiktoken ships. Takes about a quarter of a second: call it when a router is built, never
    for a request. Never opens a connection, never writes, never raises: whatever is missing or wrong, the estimate
    goes on being used.
    """
    if vocabulary in _LOADED:
        return True
    try:
        import tiktoken

        constructors = cast(object, import_module("tiktoken_ext.openai_public").ENCODING_CONSTRUCTORS)
        constructor = cast(Mapping[str, object], constructors)[vocabulary]
        if not isinstance(constructor, FunctionType):
            return False
        # tiktoken downloads a vocabulary it does not find, and again one that is damaged. Its constructor is run with a
        # reader in place of its downloader, which leaves everything else about the vocabulary to tiktoken.
        offline = FunctionType(
            constructor.__code__, {**constructor.__globals__, "load_tiktoken_bpe": _reader(directory)}
        )
        encoding = cast(_Encoding, tiktoken.Encoding(**offline()))
        encoding.encode_ordinary("a b")
    except (ImportError, OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError):
        return False
    _LOADED[vocabulary] = encoding.encode_ordinary
    return True


def _reader(directory: Path) -> Callable[[str, str | None], dict[bytes, int]]:
    def read(address: str, expected_hash: str | None = None) -> dict[bytes, int]:
        name = hashlib.sha1(address.encode(), usedforsecurity=False).hexdigest()
        data = (directory / name).read_bytes()
        if expected_hash is None or hashlib.sha256(data).hexdigest() != expected_hash:
            raise ValueError("the vocabulary is not the one tiktoken names")
        return {b64decode(token): int(rank) for token, rank in map(bytes.split, data.splitlines()) if token}

    return read
