"""See a failover happen: the first target is overloaded, the second answers, and every attempt is on record.

    python examples/failover_seen.py

Needs no key: both targets are played by the library's own fault server on this machine.
"""

from modelroute import Policy, Price, Provider, Reply, Router, Scenario
from modelroute.testing.server import FaultServer

PROMPT = "Is anybody there?"


def main() -> Reply:
    with FaultServer() as server:
        server.script("/overloaded", ["503"])  # one behaviour per request, the last repeats
        server.script("/well", ["ok"])
        providers = [
            Provider.compatible(
                server.url_for(f"/{name}"), name=name, models=["kimi-k2.6"], price=Price(input=0.95, output=4)
            )
            for name in ("overloaded", "well")
        ]
        policy = Policy(default=Scenario(prefer=["kimi-k2.6@overloaded", "kimi-k2.6@well"]))
        with Router(providers, policy=policy) as router:
            reply = router.chat(PROMPT, max_cost=0.05, max_tokens=200)
    for attempt in reply.attempts:
        print(attempt)
    print(f"{reply.text!r} from {reply.target}, {reply.cost} in all")
    return reply


if __name__ == "__main__":
    main()
