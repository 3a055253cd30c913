"""The process that `local_model.LocalModelServer` starts: llama.cpp's own server, and nothing else. Internal.

It is run by its path and imports nothing of modelroute, so that it starts wherever `xllamacpp` can be imported,
whatever the parent's `sys.path`. Its one argument is a JSON object of the options below; it prints one JSON line when
it is ready, and it ends with its parent, however the parent ends.
"""

import importlib
import json
import os
import sys
import threading
import time


def main() -> None:
    """Serve until the parent ends. Exits 1 when the server cannot start; llama.cpp has then said why on stderr."""
    parent = os.getppid()
    threading.Thread(target=_end_when_stdin_closes, daemon=True).start()
    # The one ready line goes to the true stdout; whatever llama.cpp may print goes to stderr.
    ready = os.dup(1)
    os.dup2(2, 1)
    try:
        # Held in a name: the server stops when it is collected.
        server, port = _start(json.loads(sys.argv[1]))
    except RuntimeError as error:
        sys.stderr.write(f"{error}\n")
        sys.stderr.flush()
        os._exit(1)
    os.write(ready, json.dumps({"port": port}).encode() + b"\n")
    os.close(ready)
    # The pipe tells of the parent's end, unless a fork of the parent holds it open; the process number tells then.
    while server and os.getppid() == parent:
        time.sleep(0.5)
    os._exit(0)


def _start(options: dict[str, object]) -> tuple[object, int]:
    xllamacpp = importlib.import_module("xllamacpp")
    parameters = xllamacpp.CommonParams()
    parameters.model.path = options["model"]
    parameters.model_alias = {options["name"]}
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = options["port"]
    parameters.n_ctx = options["n_ctx"]
    parameters.n_parallel = options["n_parallel"]
    parameters.cpuparams.n_threads = options["n_threads"]
    parameters.cpuparams_batch.n_threads = options["n_threads"]
    parameters.verbosity = 1  # errors only
    parameters.ui = False
    parameters.fit_params = False  # measures free memory by loading everything once more; doubles the start
    parameters.cache_ram_mib = 0  # else it keeps up to 8 GB of past prompts; the reuse within a slot stays
    server = xllamacpp.Server(parameters)
    return server, int(server.listening_address.rpartition(":")[2])


def _end_when_stdin_closes() -> None:
    # os.read, not sys.stdin: a thread that waits inside a buffered reader makes the interpreter's end fatal.
    while os.read(0, 1):
        pass
    os._exit(0)


if __name__ == "__main__":
    main()
