"""A real language model on this machine, for tests, the demo and trying things out: no key, no account, no cost.

`weights()` finds or fetches SmolLM2-135M-Instruct (98 MB); `LocalModelServer` serves it with llama.cpp's own HTTP
server, by the `xllamacpp` package (`pip install "modelroute[local]"`): OpenAI's `/v1/chat/completions` and Anthropic's
`/v1/messages`, plain and streamed. The model is real, small and often wrong: it proves the plumbing, not the answers.
It honours a JSON schema, and calls no tools.

The server runs in a process of its own. Inside this one it mostly works too, two at once included; but measured there
(xllamacpp 2026.10), stopping it while a stream is in flight held the interpreter lock for 30 seconds in 4 of 8 runs,
loading holds it throughout, a fork of the process hangs at its exit, and a context of one token aborts everything. A
process of its own costs about 0.2 s more to start, stops at once, and can be killed to play a provider that dies.

By hand: `python -m modelroute.testing.local_model --port 8000`.
"""

from __future__ import annotations

import argparse
import http.client
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from modelroute.errors import ConfigurationError, LocalModelUnavailableError
from modelroute.testing._fetch import SMOLLM2_135M, cache_directory, fetch, given_by_hand

__all__ = ["LocalModelServer", "weights"]

_CHILD = Path(__file__).with_name("_llama_process.py")
_CELL = 256  # llama.cpp rounds a context up to this many tokens


def weights(directory: Path | None = None, *, announce: Callable[[str], None] | None = None) -> Path:
    """Return the path of the model file, downloading it with pip on first use (93 MB, digest pinned).

    Args:
        directory: where to keep it.
            Default: $MODELROUTE_CACHE, else $XDG_CACHE_HOME/modelroute, else ~/.cache/modelroute.
        announce: called with one line to show a person, only before a download.

    The file named by $MODELROUTE_LOCAL_MODEL, when that is set, is returned instead, unchecked: any chat model in GGUF
    format. Threads and processes may call this at the same time.

    Raises:
        LocalModelUnavailableError: it cannot be had. The message says what failed and what to do.
    """
    by_hand = given_by_hand()
    if by_hand is not None:
        return by_hand
    return fetch(SMOLLM2_135M, directory if directory is not None else cache_directory(), announce=announce)


class LocalModelServer:
    """A llama.cpp server on 127.0.0.1, from construction until `close()` or the end of this process. A context manager.

    Ready when constructed (about half a second). One that is dropped without `close()` is stopped when it is collected.

    Args:
        model: the weights, a GGUF file. Default: `weights()`.
        name: the model name it reports. It answers to any name: llama.cpp does not look at `model` in a request.
        n_ctx: tokens of context that *one request* can use, rounded up to a multiple of 256 and cut to what the model
            was trained on (8192); `.n_ctx` is what it became. llama.cpp splits its own `n_ctx` among parallel
            requests; here it is multiplied first, so that the limit does not depend on `n_parallel`.
        n_parallel: requests answered at once; more wait their turn.
        n_threads: threads of computation. llama.cpp spins while it waits: on a busy machine of 2 cores, 2 threads gave
            17 tokens/s where 1 gave 127.
        port: 0 takes a free one.
        start_timeout: seconds to become ready.

    Raises:
        LocalModelUnavailableError: `xllamacpp` is not installed, the weights cannot be had or loaded, or it did not
            start in time.
        ConfigurationError: a number that makes no sense.
    """

    def __init__(
        self,
        model: Path | None = None,
        *,
        name: str = "smollm2-135m-instruct",
        n_ctx: int = 2048,
        n_parallel: int = 1,
        n_threads: int = 1,
        port: int = 0,
        start_timeout: float = 60.0,
    ) -> None:
        if min(n_ctx, n_parallel, n_threads) < 1 or not 0 <= port <= 65535:
            raise ConfigurationError(
                f"n_ctx={n_ctx}, n_parallel={n_parallel} and n_threads={n_threads} must be 1 or more, "
                f"and port={port} from 0 to 65535."
            )
        if importlib.util.find_spec("xllamacpp") is None:
            raise LocalModelUnavailableError(
                "a local model runs under the xllamacpp package, which is not installed. "
                'Install it with: pip install "modelroute[local]"'
            )
        options: dict[str, str | int] = {
            "model": str(model if model is not None else weights()),
            "name": name,
            "port": port,
            "n_ctx": -(-n_ctx // _CELL) * _CELL * n_parallel,
            "n_parallel": n_parallel,
            "n_threads": n_threads,
        }
        self.name = name
        deadline = time.monotonic() + start_timeout
        self._process, self.port = _start(options, start_timeout)
        # Stops it at collection and at interpreter exit too; a second call does nothing.
        self._stop = weakref.finalize(self, _end, self._process)
        try:
            self.n_ctx = _context_once_healthy(self._process, self.port, deadline)
        except BaseException:
            self._stop()
            raise

    @property
    def url(self) -> str:
        """The base URL for an OpenAI-compatible client. For an Anthropic one, the same without `/v1`."""
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def process_id(self) -> int:
        """The server's process, to measure it, stop it for a while or kill it."""
        return self._process.pid

    def close(self) -> None:
        """Stop the server at once; open connections are reset. Calling it again does nothing."""
        self._stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "" if self._stop.alive else ", closed"
        return f"LocalModelServer({self.url!r}, name={self.name!r}, n_ctx={self.n_ctx}{state})"


def _start(options: dict[str, str | int], timeout: float) -> tuple[subprocess.Popen[bytes], int]:
    """Start the process and return it with its port, or raise with the last it said."""
    with tempfile.TemporaryFile() as said:  # a file, not a pipe: nobody reads along, and a full pipe would stop it
        process = subprocess.Popen(  # noqa: S603 - our own script under our own interpreter
            # -P: the script's directory must not be searched for modules, where a file may be named like a standard one
            [sys.executable, "-P", str(_CHILD), json.dumps(options)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=said,
            # A Ctrl-C in the terminal is for the parent, which may want to finish something with the server first.
            start_new_session=True,
            # An abort inside llama.cpp would else start a debugger to print a trace.
            env={**os.environ, "GGML_NO_BACKTRACE": "1"},
        )
        late = threading.Event()

        def give_up() -> None:
            late.set()
            process.kill()

        watchdog = threading.Timer(timeout, give_up)
        watchdog.daemon = True
        watchdog.start()
        try:
            line = process.stdout.readline() if process.stdout is not None else b""
            if line.endswith(b"\n"):
                return process, int(json.loads(line)["port"])
            code = process.wait()
        except BaseException:
            _end(process)
            raise
        finally:
            watchdog.cancel()
        _end(process)
        how = f"was not ready after {timeout:g} s" if late.is_set() else f"ended with exit code {code}"
        raise LocalModelUnavailableError(
            f"the llama.cpp server for {options['model']} (port {options['port'] or 'any'}) {how}:\n{_tail(said)}\n"
            "Check that the file is a complete GGUF model and that the port is free."
        )


def _tail(said: IO[bytes], lines: int = 6) -> str:
    said.seek(0)
    text = said.read().decode("utf-8", "replace")
    kept = [line.rstrip() for line in text.splitlines() if line.strip()][-lines:] or ["(it printed nothing)"]
    return "\n".join(f"    {line}" for line in kept)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill the process and collect it. A server has nothing to save, and only a kill is certain to be prompt.

    In a fork of this process it does no harm: `Popen` signals nothing that is not its own child.
    """
    process.kill()
    process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()


def _context_once_healthy(process: subprocess.Popen[bytes], port: int, deadline: float) -> int:
    """Return the tokens of context of one request, once /health says ok."""
    while True:
        status, _ = _get(port, "/health", deadline)
        if status == 200:
            _, body = _get(port, "/props", deadline)
            return int(json.loads(body)["default_generation_settings"]["n_ctx"])
        if process.poll() is not None or time.monotonic() >= deadline:
            raise LocalModelUnavailableError(
                f"the llama.cpp server on port {port} said it was ready but did not answer /health with 200 "
                f"(last status: {status or 'none'}; exit code: {process.returncode}). Try a larger start_timeout."
            )
        time.sleep(0.02)


def _get(port: int, path: str, deadline: float) -> tuple[int, bytes]:
    # http.client, because it knows no proxies: a proxy variable in the environment must not catch a loopback call.
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=max(0.1, deadline - time.monotonic()))
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException):
        return 0, b""
    finally:
        connection.close()


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve the local model until Ctrl-C; print one JSON line when it is ready. Returns the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m modelroute.testing.local_model",
        description="Serve a small real model on this machine, in OpenAI's and Anthropic's dialects.",
    )
    parser.add_argument("--port", type=int, default=0, help="0 takes a free one (default)")
    parser.add_argument("--n-ctx", type=int, default=2048, help="tokens of context of one request (default 2048)")
    parser.add_argument("--n-parallel", type=int, default=1, help="requests answered at once (default 1)")
    parser.add_argument("--model", type=Path, help="a GGUF file (default: SmolLM2-135M-Instruct, fetched once)")
    chosen = parser.parse_args(arguments)
    try:
        model = chosen.model if chosen.model is not None else weights(announce=_to_stderr)
        with LocalModelServer(model, port=chosen.port, n_ctx=chosen.n_ctx, n_parallel=chosen.n_parallel) as server:
            ready = {"url": server.url, "port": server.port, "model": server.name, "n_ctx": server.n_ctx}
            sys.stdout.write(json.dumps(ready) + "\n")
            sys.stdout.flush()
            code = server._process.wait()
    except (LocalModelUnavailableError, ConfigurationError) as error:
        _to_stderr(f"error: {error}")
        return 1
    except KeyboardInterrupt:
        return 0
    _to_stderr(f"error: the llama.cpp server ended by itself with exit code {code}")
    return 1


def _to_stderr(line: str) -> None:
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
