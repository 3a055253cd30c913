"""Ask a server of your own (vLLM, llama.cpp, Ollama, LM Studio, SGLang, a gateway): any OpenAI-compatible URL.

python -m modelroute.testing.local_model --port 8000     # a small one to try it with, in another terminal
python examples/local_server.py http://localhost:8000/v1 smollm2-135m-instruct
"""

import sys

from modelroute import Model, ModelRouteError, Price, Provider, Router


def main(url: str, model: str) -> None:
    # `like="qwen3.8-27b"` would lend your tune that model's limits, features and, as estimates, its scores.
    mine = Model(model, vendor="me", open_weights=True, context_window=2048)
    local = Provider.compatible(url, name="local", models=[mine], price=Price.free())
    with Router([local]) as router:  # add Provider("deepseek") to the list, and it takes over when yours is down
        reply = router.chat("Say hello in one sentence.", max_tokens=40)
    print(reply.text)
    print(reply.target, reply.cost, reply.cost_basis)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit("usage: python examples/local_server.py URL MODEL")
    try:
        main(*sys.argv[1:])
    except ModelRouteError as error:
        sys.exit(f"error: {str(error).splitlines()[0]}")
