"""The article's "allocate by scenario" as a policy, and five typical requests to try it on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from modelroute.policy.objective import best_value, cheapest, strongest
from modelroute.policy.policy import Policy
from modelroute.policy.rule import Rule
from modelroute.policy.scenario import Scenario
from modelroute.runtime.calls import Asking

__all__ = ["TypicalRequest", "article_policy", "typical_requests"]


@dataclass(frozen=True, slots=True)
class TypicalRequest:
    """A request as somebody would make it: what it is, and the call's arguments."""

    title: str
    messages: str | Sequence[Mapping[str, object]]
    asking: Asking


def article_policy() -> Policy:
    """Return the article's allocation: core reasoning, daily development and long documents each to what fits them."""
    return Policy(
        name="allocate by scenario",
        rules=[Rule(tag="eu-customer", jurisdictions={"EU"}, needs={"open_weights"})],
        scenarios=[
            Scenario("long-documents", min_input_tokens=100_000, floor=50, prefer=best_value),
            Scenario("core-reasoning", task="reasoning", floor=57, prefer=strongest, max_cost=0.50),
            Scenario("daily-dev", task="coding", floor=50, prefer=cheapest, max_cost=0.02),
        ],
        default=Scenario(floor=45, prefer=cheapest),
    )


def typical_requests() -> tuple[TypicalRequest, ...]:
    """Return five requests that the policy allocates differently."""
    return (
        TypicalRequest(
            "Daily development: a bug, and a tool to look with",
            "Our cache returns stale rows after a failover. Read the module and propose a patch.",
            {"task": "coding", "tools": (_tool("read_file", "path"),)},
        ),
        TypicalRequest(
            "Core reasoning: a hard question, worth up to $0.50",
            "Is this consensus protocol safe if two clocks drift apart by more than the lease? Prove it or refute it.",
            {"task": "reasoning"},
        ),
        TypicalRequest(
            "A long document: a contract of more than 100,000 tokens",
            "Summarise the obligations of each party. " + _CLAUSE * 6_000,
            {},
        ),
        TypicalRequest(
            "A screenshot to read: whoever sees pictures, cheaply",
            [
                {
                    "role": "user",
                    "content": [
                        {"type": "text", "text": "Which button is disabled, and why?"},
                        {"type": "image_url", "image_url": {"url": "https://example.com/screenshot.png"}},
                    ],
                }
            ],
            {},
        ),
        TypicalRequest(
            "A customer in the EU: only open weights, only in the EU",
            "Translate this complaint and draft a polite answer.",
            {"tags": ("eu-customer",)},
        ),
    )


_CLAUSE = "The supplier shall deliver the goods at the agreed place in time and shall bear the risk until acceptance.\n"


def _tool(name: str, argument: str) -> Mapping[str, object]:
    parameters = {"type": "object", "properties": {argument: {"type": "string"}}, "required": [argument]}
    return {"type": "function", "function": {"name": name, "parameters": parameters}}
