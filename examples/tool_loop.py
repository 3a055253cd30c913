"""A loop with tools: the model asks for them, we run them, until it answers. `reply.message` carries it all on.

DEEPSEEK_API_KEY=... python examples/tool_loop.py        # or any other provider's key
"""

import json
import sys
from collections.abc import Mapping

from modelroute import NoProviderError, Reply, Router

STOCK = {"lamp": 12, "cable": 0}
TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "stock",
            "description": "How many pieces of an article are in stock.",
            "parameters": {
                "type": "object",
                "properties": {"article": {"type": "string", "enum": sorted(STOCK)}},
                "required": ["article"],
            },
        },
    }
]


def run_tool(name: str, arguments: str) -> str:
    """Run what the model asked for. What it wrote may be malformed; it is told, and may try again."""
    try:
        if name != "stock":
            return f"error: there is no tool {name!r}"
        return json.dumps({"pieces": STOCK[json.loads(arguments)["article"]]})
    except (ValueError, KeyError, TypeError) as error:
        return f"error: {type(error).__name__}: {error}"


def main(router: Router, *, most_turns: int = 6) -> Reply | None:
    messages: list[Mapping[str, object]] = [{"role": "user", "content": "Can I order 5 lamps and a cable today?"}]
    for _ in range(most_turns):
        # While the last message is a tool's result, the conversation stays on its target, unless that one fails.
        reply = router.chat(messages, tools=TOOLS, max_cost=0.02)
        messages.append(reply.message)
        if not reply.tool_calls:
            print(reply.text)
            print(reply.target, reply.cost)
            return reply
        for call in reply.tool_calls:
            result = run_tool(call.name, call.arguments)
            print(f"{call.name}({call.arguments}) -> {result}")
            messages.append({"role": "tool", "tool_call_id": call.id, "content": result})
    print(f"no answer after {most_turns} turns")
    return None


if __name__ == "__main__":
    try:
        with Router.from_env() as router:
            main(router)
    except NoProviderError as error:
        sys.exit(f"error: {error}")
