"""What exists and what it costs: models, providers, targets, prices and scores, as one immutable, dated value.

Start with `Catalog.builtin()`. Importing this package reads no file.
"""

from modelroute.catalog.books import Book, BookPrice, GapRow, ValueRow, gap_table, value_table
from modelroute.catalog.catalog import Catalog
from modelroute.catalog.lint import CatalogFinding
from modelroute.catalog.model import FEATURES, SELF_HOSTED, Api, Model, ProviderRow, Score, Target
from modelroute.catalog.price import Price, PriceRow
from modelroute.catalog.rates import Rates, Tier
from modelroute.catalog.scores import EFFORTS, Crosswalk, Estimate, best_score
from modelroute.catalog.window import DAYS, Window
from modelroute.types.constraints import INTELLIGENCE

__all__ = [
    "DAYS",
    "EFFORTS",
    "FEATURES",
    "INTELLIGENCE",
    "SELF_HOSTED",
    "Api",
    "Book",
    "BookPrice",
    "Catalog",
    "CatalogFinding",
    "Crosswalk",
    "Estimate",
    "GapRow",
    "Model",
    "Price",
    "PriceRow",
    "ProviderRow",
    "Rates",
    "Score",
    "Target",
    "Tier",
    "ValueRow",
    "Window",
    "best_score",
    "gap_table",
    "value_table",
]
