"""Swap or add a provider by changing one line; the code that asks stays as it is.

DEEPSEEK_API_KEY=... python examples/swap_provider.py
"""

import sys

from modelroute import ModelRouteError, Provider, Router

PROVIDERS = [Provider("deepseek")]  # swap: [Provider("moonshot")]; add: [Provider("deepseek"), Provider("openai")]


def main(providers: list[Provider] = PROVIDERS) -> None:
    with Router(providers) as router:
        reply = router.chat("Name three uses of a bloom filter.", max_cost=0.01)
    print(reply.text)
    print(reply.target, reply.cost)


if __name__ == "__main__":
    try:
        main()
    except ModelRouteError as error:  # its other lines say every attempt, and why every other target was passed over
        sys.exit(f"error: {str(error).splitlines()[0]}")
