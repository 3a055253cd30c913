"""Many requests at once, each under a ceiling, none of them able to sink the others.

DEEPSEEK_API_KEY=... python examples/async_many.py        # or any other provider's key
"""

import asyncio
import sys

from modelroute import AsyncRouter, AttemptsFailedError, ModelRouteError, Money, NoProviderError, Reply

TICKETS = [
    "The app crashes when I rotate the phone.",
    "Please cancel my subscription.",
    "How do I export my data?",
    "You charged me twice!",
]


async def main(router: AsyncRouter, *, at_once: int = 8) -> list[Reply | ModelRouteError]:
    limit = asyncio.Semaphore(at_once)

    async def classify(ticket: str) -> Reply | ModelRouteError:
        async with limit:
            try:
                return await router.chat(
                    f"One word, bug, billing or question: {ticket}", task="classification", max_cost=0.002, deadline=30
                )
            except ModelRouteError as error:  # whatever goes wrong, it is one of these
                return error

    outcomes = await asyncio.gather(*map(classify, TICKETS))
    for ticket, outcome in zip(TICKETS, outcomes, strict=True):
        said = outcome.text.strip() if isinstance(outcome, Reply) else f"failed: {outcome}"
        print(f"{ticket:45} {said}")
    charged = (outcome.cost for outcome in outcomes if isinstance(outcome, Reply | AttemptsFailedError))
    spent = sum(charged, start=Money(0))
    print(f"{len(outcomes)} tickets for {spent}, at most {Money('0.002') * len(outcomes)}")
    return outcomes


async def run() -> None:
    async with AsyncRouter.from_env() as router:
        await main(router)


if __name__ == "__main__":
    try:
        asyncio.run(run())
    except NoProviderError as error:
        sys.exit(f"error: {error}")
