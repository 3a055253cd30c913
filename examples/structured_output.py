"""Get a validated object instead of text: a schema natively where the target takes one, else as an instruction.

DEEPSEEK_API_KEY=... python examples/structured_output.py        # or any other provider's key
"""

import sys

from pydantic import BaseModel, Field

from modelroute import InvalidOutputError, NoProviderError, Router

LETTER = "Invoice 2026-017 of 3 October: 2 desk lamps at 49.90 EUR each, 1 cable for 5.20 EUR. Total 105.00 EUR."


class Line(BaseModel):
    """One position. Docstrings are part of the schema: the model reads them."""

    article: str
    quantity: int = Field(ge=1)
    price: float


class Invoice(BaseModel):
    """An invoice as it was written."""

    number: str
    lines: list[Line]
    total: float


def main(router: Router) -> None:
    try:
        parsed = router.parse(f"Extract the invoice from this letter:\n{LETTER}", Invoice, max_cost=0.02)
    except InvalidOutputError as error:  # asked again with the findings, then elsewhere, and still none fits
        print("no target gave a valid invoice:", *error.problems, sep="\n  ")
        return
    invoice = parsed.value
    print(invoice.number, invoice.total, [line.article for line in invoice.lines])
    print(parsed.target, parsed.cost, f"{len(parsed.attempts)} attempt(s)")


if __name__ == "__main__":
    try:
        with Router.from_env() as router:
            main(router)
    except NoProviderError as error:
        sys.exit(f"error: {error}")
