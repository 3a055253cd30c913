"""One conversation handed from provider to provider: each answers with what it was recorded to say, and reads the rest.

What a provider is sent is read by `tests.providers.servers`, which refuses what that vendor's server would refuse.
"""

from __future__ import annotations

import json
import random
from functools import cache

import httpx
import pytest
import respx

from modelroute import Catalog, HttpOptions, Model, Price, Provider, Reply, Router
from modelroute.testing.replies import openai_stream
from modelroute.types.messages import Message
from tests.providers.openai_responses.answers import events, function, message, sse, thought
from tests.providers.requests import TOOL
from tests.providers.samples import Json, Sample, answers
from tests.providers.servers import refusals

LOCAL = {"llamacpp", "lmstudio", "ollama", "sglang", "vllm"}
DECLINED = {"error", "refusal", "failure"}
FEATURES = frozenset({"tools", "reasoning"})
MODELS = {
    "anthropic": "claude-opus-5-5", "azure": "gpt-5.5", "bedrock": "openai.gpt-oss-120b-1:0", "cerebras": "zai-glm-4.7",
    "deepseek": "deepseek-v4-pro", "fireworks": "glm-5p2", "google": "gemini-3.8-flash", "groq": "openai/gpt-oss-120b",
    "minimax": "MiniMax-M3", "mistral": "mistral-medium-2604", "moonshot": "kimi-k3", "openai": "gpt-5.5",
    "openrouter": "anthropic/claude-opus-4.7", "xai": "grok-4.6", "xiaomi": "mimo-v2.5-pro", "zai": "glm-5.3",
}  # fmt: skip
"""Of each provider a model with much to say about history."""


def hops() -> list[Sample]:
    """Every recorded answer that is one: streamed, since that is how it is asked for."""
    return [
        sample
        for sample in answers()
        if sample.streamed and sample.spoken[0] != "compatible" and not DECLINED & sample.expect.keys()
    ]


HOPS = hops()


@cache
def catalog() -> Catalog:
    return Catalog.builtin()


def place(sample: Sample, client: httpx.Client) -> tuple[Provider, str]:
    """Return who answers with `sample`, and its target: declared here, since those of the catalog retire one day."""
    name, dialect, _ = sample.spoken
    at_once = name == "openai" and dialect == "openai-responses"  # goes there by itself, having tools
    model = "gpt-6.2-sol" if at_once else MODELS.get(name, "qwen3.8-27b")
    known = "my-" + model.lower().rpartition("/")[2].replace(":", "-")
    provider = Provider(
        name,
        key=None if name in LOCAL else "k",
        url="https://here.example.com/v1" if name == "azure" or name in LOCAL else None,
        region="us-east-1" if name == "bedrock" else None,
        dialect=None if dialect == catalog().provider(name).dialect or at_once else dialect,
        models={model: Model(known, context_window=1_000_000, max_output=64_000, features=FEATURES)},
        price=Price(input=1, output=4),
        http=HttpOptions(client=client),
    )
    return provider, f"{known}@{name}"


def ask(sample: Sample, messages: list[Message]) -> tuple[Reply, list[str]]:
    """Send the conversation to who answers with `sample`; return the answer, and what its server minded."""
    minded: list[str] = []

    def serve(request: httpx.Request) -> httpx.Response:
        body: Json = json.loads(request.content)
        name, dialect, _ = sample.spoken
        minded.extend(refusals(body, name, dialect, body.get("model", request.url.path)))
        assert "modelroute" not in request.content.decode()
        return httpx.Response(200, headers=sample.headers, content=sample.body)

    with respx.mock() as upstream, httpx.Client() as client:
        upstream.post(url__regex=".*").mock(side_effect=serve)
        provider, target = place(sample, client)
        with Router([provider], catalog=catalog()) as router:
            return router.chat(messages, model=target, tools=[TOOL], max_attempts=1), minded


def grown(messages: list[Message], reply: Reply) -> list[Message]:
    """Return the conversation after `reply`, whose calls are answered, as it comes back from a database."""
    said: list[Message] = [*messages, reply.message]
    said += [{"role": "tool", "tool_call_id": call.id, "content": "found"} for call in reply.tool_calls]
    if not reply.tool_calls:
        said.append({"role": "user", "content": "Go on."})
    kept: list[Message] = json.loads(json.dumps(said))
    return kept


@pytest.mark.parametrize("seed", range(3))
def test_a_conversation_through_every_provider(seed: int) -> None:
    order = random.Random(seed).sample(HOPS, len(HOPS))
    messages: list[Message] = [
        {"role": "system", "content": "Be terse."},
        {"role": "user", "content": "Where is order A-1?"},
    ]
    for sample in order:
        reply, minded = ask(sample, messages)

        assert minded == [], f"{sample.file} after {len(messages)} messages"
        assert len(reply.tool_calls) == len(sample.expect.get("tool_calls") or ())
        messages = grown(messages, reply)


def test_the_chain_is_long() -> None:
    rows = {sample.spoken[0] for sample in HOPS}
    assert len(rows) >= 15
    assert {sample.spoken[1] for sample in HOPS} == {
        "openai-chat", "openai-responses", "anthropic-messages", "gemini",
    }  # fmt: skip


LOOKED = [thought(["Looking."], 1), function('{"order_id": "A-1"}', 2, name="lookup_order")]


def test_openai_goes_to_responses_for_tools_and_comes_back() -> None:
    """The reasoning of a tool loop goes back before its call, at Responses, and nobody else sees it."""
    seen: list[tuple[str, Json]] = []

    def serve(request: httpx.Request) -> httpx.Response:
        body: Json = json.loads(request.content)
        path = request.url.path
        seen.append((path, body))
        dialect = "openai-responses" if path == "/v1/responses" else "openai-chat"
        assert refusals(body, "openai", dialect, "gpt-5.6-terra") == []
        if dialect == "openai-chat":
            said = b"".join(openai_stream("Fine."))
        else:
            said = sse(events([message("It shipped.", number=3)] if "_output" in str(body["input"]) else LOOKED))
        return httpx.Response(200, headers={"content-type": "text/event-stream"}, content=said)

    messages: list[Message] = [{"role": "user", "content": "Hi"}]
    with respx.mock() as upstream, httpx.Client() as client:
        upstream.post(url__regex=".*").mock(side_effect=serve)
        provider = Provider("openai", key="k", models=["gpt-5.6-terra"], http=HttpOptions(client=client))
        with Router([provider], catalog=catalog()) as router:
            asked = router.with_options(model="gpt-5.6-terra", max_attempts=1)
            messages = grown(messages, asked.chat(messages))
            calling = asked.chat(messages, tools=[TOOL])
            assert [call.name for call in calling.tool_calls] == ["lookup_order"]
            messages = grown(messages, calling)
            messages = grown(messages, asked.chat(messages, tools=[TOOL]))
            messages = grown(messages, asked.chat(messages, tools=[TOOL], effort="none"))
            asked.chat(messages)

    paths = [path.removeprefix("/v1") for path, _ in seen]
    assert paths == ["/chat/completions", "/responses", "/responses", "/chat/completions", "/responses"]
    for _, body in (seen[2], seen[4]):
        kinds = [item.get("type", item.get("role")) for item in body["input"]]
        assert kinds[3:6] == ["reasoning", "function_call", "function_call_output"]
        assert body["input"][3]["encrypted_content"] == "gAAA=="
        assert body["store"] is False
        assert body["include"] == ["reasoning.encrypted_content"]
    assert "gAAA" not in json.dumps(seen[3][1])
    assert "tools" not in seen[4][1]
