"""The local model's process as a server of embeddings: the mean over a text's tokens. Run by its path."""

import xllamacpp

from modelroute.testing import _llama_process

_plain = xllamacpp.CommonParams


def _with_vectors() -> object:
    parameters = _plain()
    parameters.embedding = True
    parameters.pooling_type = xllamacpp.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    return parameters


if __name__ == "__main__":
    xllamacpp.CommonParams = _with_vectors
    _llama_process.main()
