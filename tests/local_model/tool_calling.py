"""The local model's process, its weights under a chat template that knows tools: run by its path, like the original."""

from pathlib import Path

import xllamacpp

from modelroute.testing import _llama_process

_plain = xllamacpp.CommonParams


def _with_tools() -> object:
    parameters = _plain()
    parameters.chat_template = Path(__file__).with_suffix(".jinja").read_text(encoding="utf-8")
    parameters.use_jinja = True
    return parameters


if __name__ == "__main__":
    xllamacpp.CommonParams = _with_tools
    _llama_process.main()
