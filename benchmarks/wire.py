"""What reading the wire costs, and how near the token estimates are: `python benchmarks/wire.py [cache directory]`.

With the directory of a tiktoken cache the estimates are compared with the true counts of what it holds.
"""

import argparse
import inspect
import json
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from timeit import repeat

from modelroute.wire.envelope import parse_error
from modelroute.wire.json import dumps, loads
from modelroute.wire.secrets import redact
from modelroute.wire.sse import SseDecoder
from modelroute.wire.status import generic
from modelroute.wire.tokens import bound, count, estimate, preload

CHUNK = {
    "id": "chatcmpl-1",
    "object": "chat.completion.chunk",
    "created": 1_795_000_000,
    "model": "m",
    "choices": [{"index": 0, "delta": {"content": " word"}, "finish_reason": None}],
}
ERROR = {
    "error": {
        "message": "Rate limit reached. Please try again in 1.4s.",
        "type": "tokens",
        "code": "rate_limit_exceeded",
    }
}
PROSE = inspect.getsource(argparse)
CHINESE = "请求先按策略选出候选模型,再按价格排序。每个候选都要满足硬性约束。" * 40


def timed(name: str, call: Callable[[], object], limit: float) -> bool:
    number = 1 if limit > 10_000 else max(3, int(20_000 / limit))
    microseconds = min(repeat(call, number=number, repeat=5)) / number * 1e6
    print(f"{name:<42} {microseconds:>12.2f} us   limit {limit:>10.1f}")
    return microseconds <= limit


def speed() -> bool:
    data = json.dumps(CHUNK).encode()
    event = b"data: " + data + b"\n\n"
    decoder = SseDecoder()
    decoder.feed(event)
    body = json.dumps(ERROR).encode()
    request = {"messages": [{"role": "user", "content": PROSE[at : at + 1_000]} for at in range(0, 60_000, 1_000)]}
    return all(
        [
            timed("one event of a stream", lambda: decoder.feed(event), 1.5),
            timed("its JSON", lambda: loads(data), 3.0),
            timed("a request of 60 KB", lambda: dumps(request), 500.0),
            timed("an error classified", lambda: generic(429, parse_error(body), {}, 0.0), 150.0),
            timed("2 KB redacted", lambda: redact(PROSE[:2_000], ["sk-0123456789abcdef"]), 500.0),
            timed("2 KB estimated", lambda: estimate(PROSE[:2_000]), 60.0),
            timed("1 MB estimated", lambda: estimate(PROSE * 11), 120_000.0),
            timed("1 MB bounded", lambda: bound(CHINESE * 300), 120_000.0),
        ]
    )


def accuracy(directory: Path) -> None:
    for vocabulary in ("o200k_base", "cl100k_base"):
        if not preload(vocabulary, directory):
            print(f"{vocabulary}: not in {directory}")
            continue
        licence = (Path(__file__).parents[1] / "LICENSE").read_text("utf-8")
        for kind, whole in (("code", PROSE + inspect.getsource(textwrap)), ("english", licence)):
            texts = [whole[at : at + 2_000] for at in range(0, len(whole) - 500, 2_000)]
            errors = [estimate(text, vocabulary) / count(text, vocabulary).bound - 1 for text in texts]
            mean, bias = sum(map(abs, errors)) / len(errors), sum(errors) / len(errors)
            print(f"{vocabulary:<12} {kind:<8} {mean:6.1%} mean error, {bias:+6.1%} bias, n {len(errors)}")


if __name__ == "__main__":
    fast = speed()
    if len(sys.argv) > 1:
        accuracy(Path(sys.argv[1]))
    sys.exit(0 if fast else 1)
