"""A router's budgets, checked when it is made, and the books they are kept in."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from os import PathLike, fspath
from typing import TYPE_CHECKING, TypeAlias

from modelroute.errors import ConfigurationError, UnknownNameError, shown
from modelroute.policy.budget import Budget
from modelroute.policy.policy import DEFAULT
from modelroute.runtime.books import Books
from modelroute.stores.memory import MemoryStore

if TYPE_CHECKING:
    from modelroute.catalog.catalog import Catalog
    from modelroute.policy.candidate import Candidate
    from modelroute.policy.policy import Policy
    from modelroute.runtime.clocks import Clocks
    from modelroute.stores.store import Store
    from modelroute.types.notices import RouterEvent
    from modelroute.types.request import Request

__all__ = ["CoveredTargets", "StoreLike", "checked_budgets", "checked_content", "open_books", "user_of"]

StoreLike: TypeAlias = "Store | str | PathLike[str] | None"
"""A store, a path (SQLite), a URL (``redis://...``), or `None` for this process's memory."""

_PARTS = ("reserve", "settle", "balance", "entries", "signals")


class CoveredTargets:
    """At which targets hard budgets ask for a bound; worked out once per combination of budgets."""

    def __init__(self, candidates: Iterable[Candidate]) -> None:
        self._names = {
            one.name: frozenset((one.name, one.target.model.name, one.target.provider)) for one in candidates
        }
        self._known: dict[tuple[frozenset[str] | None, ...], frozenset[str]] = {}

    def by(self, budgets: Sequence[Budget]) -> frozenset[str]:
        """Return the targets that a hard one of `budgets` may cover."""
        if not budgets:
            return frozenset()
        wanted = tuple(budget.target for budget in budgets if budget.hard)
        found = self._known.get(wanted)
        if found is None:
            found = self._known[wanted] = frozenset(
                name
                for name, names in self._names.items()
                if any(targets is None or not targets.isdisjoint(names) for targets in wanted)
            )
        return found


def user_of(request: Request) -> str | None:
    """Return whom the request says it is for: its `user` parameter."""
    user = request.parameters.get("user")
    return user if isinstance(user, str) and user else None


def checked_budgets(
    budgets: Sequence[Budget], endpoints: Collection[str], policy: Policy, catalog: Catalog
) -> tuple[Budget, ...]:
    """Return the budgets of a router, by the names `catalog` has for what they cover.

    Raises `ConfigurationError` for what is no budget, or names what does not exist.
    """
    if isinstance(budgets, Budget) or not isinstance(budgets, Sequence):
        raise ConfigurationError("budgets= takes a list: budgets=[Budget('team-a', 50, per='day')]")
    seen: set[str] = set()
    checked: list[Budget] = []
    names = {part for name in endpoints for part in (name, name.rpartition("@")[0], name.rpartition("@")[2])}
    scenarios = {one.name for one in policy.scenarios} | {policy.otherwise.name or DEFAULT}
    for given in budgets:
        if not isinstance(given, Budget):
            raise ConfigurationError(f"budgets= takes Budget objects, not {shown(given)}: Budget('team-a', 50)")
        budget = given.naming(lambda name: _meant(name, names, catalog))
        if budget.name in seen:
            raise ConfigurationError(f"two budgets are named {budget.name!r}; they would share one account: rename one")
        seen.add(budget.name)
        checked.append(budget)
        for kind, wanted, known in (
            ("target, model or provider", budget.target, names),
            ("scenario", budget.scenario, scenarios),
            ("task", budget.task, policy.tasks),
        ):
            for name in sorted((wanted or frozenset()) - known):
                raise UnknownNameError(kind, name, known, hint=f"It stands in {budget!r}.")
    return tuple(checked)


def _meant(name: str, known: Collection[str], catalog: Catalog) -> str:
    """Return `name` with the aliases in it replaced, where that is one of the names `known`."""
    found = (one for one in (name, catalog.canonical(name), catalog.provider_name(name)) if one in known)
    return next(found, name)


def open_books(
    clocks: Clocks,
    emit: Callable[[RouterEvent], None],
    *,
    store: StoreLike,
    ledger: str | PathLike[str] | None,
) -> Books:
    """Return the books of a router. Opens a store that is given as text; nothing is asked of it yet."""
    if not (ledger is None or isinstance(ledger, str | PathLike)):
        raise ConfigurationError(f"ledger= takes the path of a file, not {shown(ledger)}: ledger='spend.db'")
    if isinstance(ledger, str) and "://" in ledger:
        raise ConfigurationError("ledger= takes the path of a file; a server is store='redis://host:6379/0'")
    opened = store is not None and isinstance(store, str | PathLike)
    chosen = _store(store)
    rows = None
    if ledger is not None:
        from modelroute.stores.sqlite import SqliteStore

        rows = SqliteStore(fspath(ledger))
    if isinstance(chosen, MemoryStore):
        return Books(chosen, clocks, emit, ledger=rows)
    return Books(MemoryStore(), clocks, emit, store=chosen, ledger=rows, owns_store=opened)


def checked_content(record_content: bool, books: Books) -> bool:
    """Return whether prompts and answers are written. Raises `ConfigurationError` where they were to go nowhere."""
    if isinstance(record_content, bool) and (books.keeps_ledger or not record_content):
        return record_content
    books.close()
    if not isinstance(record_content, bool):
        raise ConfigurationError(f"record_content must be True or False, not {shown(record_content)}")
    raise ConfigurationError(
        "record_content=True writes into the ledger, and none is kept: add ledger='spend.db', or a store that keeps one"
    )


def _store(store: StoreLike) -> Store | None:
    if store is None:
        return None
    if isinstance(store, str | PathLike):
        from modelroute.stores.opening import open_store

        return open_store(fspath(store))
    if isinstance(store, type) or not all(callable(getattr(store, name, None)) for name in _PARTS):
        raise ConfigurationError(
            f"store= takes a path, a redis:// URL or a store, not {shown(store)}: store='spend.db'"
        )
    return store
