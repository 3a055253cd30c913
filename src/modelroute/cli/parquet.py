"""Rows as a Parquet file, amounts as exact decimals: the one module that is for pyarrow."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from importlib import import_module
from pathlib import Path

from modelroute.cli.leaving import unwritable
from modelroute.errors import ConfigurationError

__all__ = ["require_pyarrow", "write_parquet"]


def require_pyarrow() -> None:
    """Raise `ConfigurationError` where pyarrow is not installed."""
    try:
        import_module("pyarrow.parquet")
    except ImportError:
        raise ConfigurationError(
            "--format parquet needs pyarrow, which is not installed: pip install pyarrow. "
            "Or take --format csv, which needs nothing"
        ) from None


def write_parquet(output: str, rows: Sequence[Mapping[str, object]], *, text: Sequence[str], whole: Sequence[str],
                  money: Sequence[str]) -> None:  # fmt: skip
    """Write the columns named as `text`, `whole` numbers and `money` (``decimal128(38, 12)``, dollars) of `rows`.

    Raises `ConfigurationError` without pyarrow, `RequestError` for a file that cannot be written.
    """
    require_pyarrow()
    arrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    kinds = (
        [(name, arrow.string()) for name in text]
        + [(name, arrow.int64()) for name in whole]
        + [(name, arrow.decimal128(38, 12)) for name in money]
    )
    columns = {
        name: [_amount(row[name]) if name in money else row[name] for row in rows] for name in (*text, *whole, *money)
    }
    table = arrow.table(columns, schema=arrow.schema(kinds))
    try:
        with Path(output).open("wb") as file:
            parquet.write_table(table, file)
    except OSError as error:
        raise unwritable(output, error) from None


def _amount(value: object) -> Decimal | None:
    return None if value is None else Decimal(str(value))
