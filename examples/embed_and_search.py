"""Find the text that is nearest in meaning: embeddings of a server of your own, or of any provider.

python examples/embed_and_search.py http://localhost:8080/v1 my-embedding-model "How do I get my money back?"
"""

import math
import sys
from array import array

from modelroute import Model, ModelRouteError, Price, Provider, Router

NOTES = [
    "Refunds are paid within fourteen days of the return.",
    "Our office in Lisbon is open from nine to five.",
    "Batteries may not be sent by air.",
]


def similarity(one: "array[float]", other: "array[float]") -> float:
    product = sum(a * b for a, b in zip(one, other, strict=True))
    return product / (math.hypot(*one) * math.hypot(*other) or 1.0)


def main(url: str, model: str, question: str) -> None:
    embedder = Model(model, features=frozenset({"embedding"}))  # gives vectors: never picked for a chat
    local = Provider.compatible(url, name="local", models=[embedder], price=Price.free())
    with Router([local]) as router:  # another provider with the same model in the list would be its fallback
        notes = router.embed(NOTES, model=model)
        asked = router.embed(question, model=model).vector
    nearest = max(range(len(NOTES)), key=lambda place: similarity(asked, notes[place]))
    print(NOTES[nearest])
    print(notes.target, f"{notes.dimensions} dimensions", notes.cost)


if __name__ == "__main__":
    if len(sys.argv) != 4:
        sys.exit("usage: python examples/embed_and_search.py URL MODEL QUESTION")
    try:
        main(*sys.argv[1:])
    except ModelRouteError as error:
        sys.exit(f"error: {str(error).splitlines()[0]}")
