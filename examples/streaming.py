"""Stream an answer, and know at its end who gave it and what it cost.

DEEPSEEK_API_KEY=... python examples/streaming.py        # or any other provider's key
"""

import sys

from modelroute import NoProviderError, ReasoningDelta, Router, StreamInterruptedError, TextDelta


def main(router: Router) -> None:
    try:
        with router.stream("Write a haiku about routers.", max_cost=0.02) as stream:
            for event in stream:  # or `for piece in stream.text`, for the text alone
                if isinstance(event, ReasoningDelta):
                    print(".", end="", flush=True)  # it thinks
                elif isinstance(event, TextDelta):
                    print(event.text, end="", flush=True)
    except StreamInterruptedError as error:  # only after content was handed over; before, the next target takes over
        print(f"\ncut off after {len(error.partial.text)} characters: {error.failure}")
        return
    print()
    print(stream.reply.target, stream.reply.cost, stream.reply.usage)


if __name__ == "__main__":
    try:
        with Router.from_env() as router:
            main(router)
    except NoProviderError as error:
        sys.exit(f"error: {error}")
