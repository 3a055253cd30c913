"""The file itself: who may read it, what happens to it, and what is said then; the model's machine is elsewhere."""

import os
import pickle
import shutil
import sqlite3
import stat
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modelroute.errors import ConfigurationError, StoreLostError, StoreUnavailableError
from modelroute.money import ZERO, Money
from modelroute.stores.board import SIGNALS_KEPT
from modelroute.stores.keys import KEYS_KEPT
from modelroute.stores.sqlite import SqliteStore
from modelroute.types.claims import Balance, Claim, Granted, RateClaim, Refused
from modelroute.types.keyed import Running, Stored
from modelroute.types.ledger import EntryKind
from modelroute.types.signals import Signal
from tests.stores.machine import row
from tests.stores.test_sqlite_processes import start, told

BILLION = Money(10**9)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "spend.db"


@pytest.fixture
def store(path: Path) -> Iterator[SqliteStore]:
    opened = SqliteStore(path, timeout=0.1)
    yield opened
    opened.close()


def claim(scope: str, amount: int, *, limit: int = 100, ends: float = 1e9, rolling: float | None = None) -> Claim:
    return Claim(scope, Money.from_pico(limit), Money.from_pico(amount), ends, rolling)


def balance_of(spent: int, reserved: int = 0, total: int | None = None, presumed: int = 0) -> Balance:
    return Balance(*map(Money.from_pico, (spent, reserved, spent if total is None else total, presumed)))


def shell(path: Path, query: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(path)
    found = connection.execute(query).fetchall()
    connection.close()
    return found


# The file


def test_nobody_else_may_read_any_of_its_files(path: Path) -> None:
    """P5: also with a umask that would let everybody."""
    before = os.umask(0)
    try:
        store = SqliteStore(path)
        store.append([row("a", 1)])
        modes = {each.name: stat.S_IMODE(each.stat().st_mode) for each in path.parent.iterdir()}
    finally:
        os.umask(before)
    assert modes == {"spend.db": 0o600, "spend.db-wal": 0o600, "spend.db-shm": 0o600}
    store.close()
    assert [each.name for each in path.parent.iterdir()] == ["spend.db"]


def test_it_says_what_and_where_it_is(store: SqliteStore, path: Path) -> None:
    assert (store.name, repr(store)) == (f"sqlite {path}", f"SqliteStore({str(path)!r})")
    assert (store.shared, store.keeps_ledger) == (True, True)


@pytest.mark.parametrize("place", ["", ":memory:"])
def test_a_path_is_needed(place: str) -> None:
    with pytest.raises(ConfigurationError, match="MemoryStore"):
        SqliteStore(place)
    with pytest.raises(ConfigurationError, match="timeout"):
        SqliteStore("spend.db", timeout=0)


def test_a_directory_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailableError, match="its directory does not exist"):
        SqliteStore(tmp_path / "nowhere" / "spend.db")


def test_closing_twice_does_nothing_and_a_late_settlement_is_kept(store: SqliteStore) -> None:
    store.reserve("r", [claim("team", 50)], lease=99, now=0)
    store.close()
    store.close()
    store.settle("r", Money.from_pico(20), now=1)
    assert store.balance("team", now=1) == balance_of(20)


def test_a_newer_schema_is_left_alone(path: Path) -> None:
    SqliteStore(path).close()
    shell(path, "PRAGMA user_version = 2")
    with pytest.raises(
        StoreUnavailableError, match=r"newer modelroute wrote it \(schema 2; this one knows 1\): upgrade"
    ):
        SqliteStore(path)


def test_a_database_of_something_else_is_left_alone(path: Path) -> None:
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE mine (x)")
    connection.close()
    with pytest.raises(StoreUnavailableError, match="database of something else"):
        SqliteStore(path)
    assert shell(path, "SELECT name FROM sqlite_schema") == [("mine",)]


def test_a_file_that_is_no_database_is_left_alone(path: Path) -> None:
    path.write_bytes(b"something else entirely " * 100)
    with pytest.raises(StoreUnavailableError, match="no database: name another file"):
        SqliteStore(path)
    assert path.read_bytes().startswith(b"something else")


def test_an_empty_file_becomes_a_store(path: Path) -> None:
    path.touch()
    store = SqliteStore(path)
    store.append([row("a", 1)])
    assert [each.id for each in store.entries()] == ["a"]
    store.close()


def test_a_locked_file_is_waited_for_and_then_said_to_be_locked(store: SqliteStore, path: Path) -> None:
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailableError, match=r"spend\.db cannot be used: another process kept it locked"):
        store.reserve("r", [claim("team", 1)], lease=9, now=0)
    assert store.balance("team", now=0) is None  # reading goes on
    other.execute("ROLLBACK")
    assert store.reserve("r", [claim("team", 1)], lease=9, now=0) == Granted()
    other.close()


def test_a_thread_that_waits_too_long_is_told(store: SqliteStore) -> None:
    entered, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with store._database.write():
            entered.set()
            leave.wait()

    holder = threading.Thread(target=hold)
    holder.start()
    entered.wait()
    with pytest.raises(StoreUnavailableError, match="other threads"):
        store.balance("team", now=0)
    leave.set()
    holder.join()
    assert store.balance("team", now=0) is None


def test_a_step_that_fails_leaves_nothing_behind(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever stops it, an interrupt included."""
    store.reserve("r", [claim("team", 50)], lease=99, now=0)
    with monkeypatch.context() as patched:
        patched.setattr("modelroute.stores.sqlite.append", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            store.settle("r", Money.from_pico(20), now=1, entry=row("r", 20, ("team",)))
    assert store.balance("team", now=1) == balance_of(0, 50)
    store.settle("r", Money.from_pico(20), now=1, entry=row("r", 20, ("team",)))
    assert store.balance("team", now=1) == balance_of(20)


def test_a_deleted_file_is_lost_until_it_is_rebuilt(store: SqliteStore, path: Path) -> None:
    store.reserve("r", [claim("team", 50)], lease=99, now=0)
    store.settle("r", Money.from_pico(30), now=0, entry=row("r", 30, ("team",)))
    rows = list(store.entries())
    path.unlink()
    for _ in range(2):
        with pytest.raises(StoreLostError, match="modelroute ledger rebuild"):
            store.reserve("s", [claim("team", 80)], lease=99, now=0)
    store.rebuild(rows, now=2e6)
    assert store.balance("team", now=2e6) == balance_of(30)
    assert isinstance(store.reserve("s", [claim("team", 80)], lease=3e6, now=2e6), Refused)


def test_a_damaged_file_is_said_to_be_damaged(path: Path) -> None:
    store = SqliteStore(path)
    store.append([row(str(number), 1) for number in range(200)])
    store.close()
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(size - 4096))
    store = SqliteStore(path)
    with pytest.raises(StoreUnavailableError, match="it is damaged: move it away"):
        list(store.entries())
    store.close()


def test_what_fits_no_column_is_refused_and_nothing_else(store: SqliteStore) -> None:
    with pytest.raises(StoreUnavailableError, match="does not fit"):
        store.append([row("a", 1), replace(row("b", 1), number=2**63)])
    with pytest.raises(StoreUnavailableError, match="NOT NULL"):
        store.append([replace(row("b", 1), at=float("nan"))])
    assert list(store.entries()) == []


def test_a_full_disk_loses_nothing_that_was_acknowledged(path: Path) -> None:
    found = told(start("full", path))
    assert "limit on the size of files" in found["said"]
    assert found["kept"] == found["acknowledged"] > 0
    assert (found["rows"], found["last"]) == (found["acknowledged"] + 1, "after")


def test_a_file_this_user_may_not_write_says_so() -> None:
    directory = tempfile.mkdtemp()  # pytest's own is closed to the user this is tried as
    path = Path(directory, "spend.db")
    try:
        SqliteStore(path).close()
        path.chmod(0o444)
        Path(directory).chmod(0o555)
        (said,) = told(start("read_only", path))["said"]
    finally:
        Path(directory).chmod(0o755)
        shutil.rmtree(directory)
    assert str(path) in said
    assert "give this user the right to write" in said or "this user may write both" in said


def test_after_a_torn_log_what_is_left_is_the_beginning_whole(tmp_path: Path) -> None:
    """A log cut anywhere, as by a power cut without `durable`: no step half done, none missing in between.

    What was folded into the file itself is there whatever becomes of the log; what was committed since may be missing,
    the last first. The end of a process, however it comes, cuts no log.
    """
    place = tmp_path / "live"
    place.mkdir()
    store = SqliteStore(place / "spend.db")
    for number in range(300):
        store.reserve(str(number), [claim("team", 2, limit=10**6)], lease=1e6, now=0)
        store.settle(str(number), Money.from_pico(1 + number % 2), now=0, entry=row(str(number), 1, ("team",)))
        if number == 100:
            shell(place / "spend.db", "PRAGMA wal_checkpoint(TRUNCATE)")
    log = (place / "spend.db-wal").read_bytes()
    counts = set[int]()
    for step in range(25):
        cut = len(log) * step // 24 - (step % 5) * (step < 24)
        torn = tmp_path / f"torn{step}.db"
        shutil.copy(place / "spend.db", torn)
        Path(f"{torn}-wal").write_bytes(log[: max(0, cut)])
        opened = SqliteStore(torn)
        ids = [each.id for each in opened.entries()]
        assert ids == [str(number) for number in range(len(ids))]
        balance = opened.balance("team", now=0)
        assert balance is not None
        assert balance.total == sum((each.cost for each in opened.entries()), ZERO)
        opened.close()
        assert shell(torn, "PRAGMA integrity_check") == [("ok",)]
        assert len(ids) >= 101
        counts.add(len(ids))
    store.close()
    assert max(counts) == 300
    assert len(counts) > 10


# Money


def test_an_unknown_account_is_used_first_by_many_threads(path: Path) -> None:
    """Admission is one step, the first use included: one of sixteen gets the only place."""
    stores = [SqliteStore(path, timeout=20) for _ in range(4)]
    for turn in range(10):
        barrier, answers = threading.Barrier(16), list[object]()

        def ask(
            number: int, turn: int = turn, barrier: threading.Barrier = barrier, to: list[object] = answers
        ) -> None:
            barrier.wait()
            one = [claim(f"new{turn}", 1, limit=1)]
            to.append(stores[number % 4].reserve(f"{turn}.{number}", one, lease=1e9, now=0))

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert answers.count(Granted()) == 1
        assert answers.count(Refused(f"new{turn}", Money.from_pico(1), ZERO)) == 15
    for store in stores:
        store.close()


def test_amounts_beyond_63_bits_are_exact(store: SqliteStore) -> None:
    amount = BILLION + Money.from_pico(1)
    store.reserve("r", [Claim("team", BILLION * 10, amount, 1e9, None)], lease=9, now=0)
    assert store.balance("team", now=0) == Balance(ZERO, amount, ZERO, ZERO)
    store.settle("r", amount, now=1, entry=replace(row("r", 1, ("team",)), input_tokens=2**70))
    assert store.balance("team", now=1) == Balance(amount, ZERO, amount, ZERO)
    (kept,) = store.entries()
    assert (kept.cost, kept.input_tokens) == (amount, 2**70)
    store.reserve("s", [Claim("team", BILLION * 10, amount, 1e9, None)], lease=9, now=1)
    assert store.balance("team", now=10) == Balance(amount * 2, ZERO, amount * 2, amount)


def test_a_row_names_the_accounts_that_were_charged(store: SqliteStore) -> None:
    """So that the ledger adds up to the accounts, whatever the caller says."""
    store.settle("never reserved", Money.from_pico(5), now=0, entry=row("never reserved", 5, ("team",)))
    store.reserve("r", [claim("team", 9)], lease=9, now=0, entry=row("r", 4, ("team", "other")))
    store.settle("r", Money.from_pico(7), now=0, entry=row("r", 6, ("team", "other")))
    assert [(each.accounts, each.cost.pico) for each in store.entries()] == [((), 5), (("team",), 7)]


def test_a_row_with_half_a_surrogate_pair_blocks_nobody(store: SqliteStore) -> None:
    """Presumed spend is written by whoever comes next: could it not be, nobody would ever be granted anything."""
    entry = replace(row("r", 4, ("team",)), user="\ud800", tags=("caf\u00e9", "\udfff"))
    store.reserve("r", [claim("team", 4)], lease=9, now=0, entry=entry)
    assert store.reserve("s", [claim("team", 5)], lease=99, now=10) == Granted()
    (kept,) = store.entries()
    assert (kept.user, kept.tags, kept.cost.pico) == ("\\ud800", ("caf\u00e9", "\udfff"), 4)


def test_presumed_spend_and_its_correction_are_rows(store: SqliteStore) -> None:
    store.reserve("r", [claim("team", 40)], lease=10, now=0, entry=row("whatever", 1, ("team",)))
    assert store.balance("team", now=11) == balance_of(40, 0, 40, 40)
    store.settle("r", Money.from_pico(15), now=12, entry=replace(row("r", 15, ("team",)), failure="late"))
    assert store.balance("team", now=12) == balance_of(15)
    kept = [(each.id, each.kind, each.cost.pico, each.reserved.pico, each.failure) for each in store.entries()]
    assert kept == [
        ("r/presumed", EntryKind.PRESUMED, 40, 40, None),
        ("r/correction", EntryKind.CORRECTION, -25, 15, "late"),
    ]


def test_a_look_presumes_all_that_is_overdue_and_a_reservation_some_of_it(store: SqliteStore) -> None:
    """Money past its lease counts all the same, held or presumed: so a reservation need not wait for all of it."""
    for number in range(150):
        store.reserve(str(number), [claim("team", 1, limit=150)], lease=10, now=0)
    assert isinstance(store.reserve("one more", [claim("team", 1, limit=150)], lease=99, now=20), Refused)
    assert store.balance("team", now=20) == balance_of(150, 0, 150, 150)


def test_old_rows_of_reservations_and_accounts_go_a_few_at_a_time(store: SqliteStore, path: Path) -> None:
    for number in range(300):
        rate = RateClaim(f"rpm:{number}", 9, 1, "requests", 1.0)
        store.reserve(str(number), [claim(f"user:{number}", 1, ends=5)], rates=[rate], lease=5, now=0)
        store.settle(str(number), ZERO, now=0)
    for number in range(10):
        store.reserve(f"later{number}", [claim("team", 1)], lease=1e6, now=1000)
    kept = [shell(path, f"SELECT count(*) FROM {table}")[0][0] for table in ("accounts", "reservations", "rates")]
    assert kept == [1, 10, 0]


# The ledger


def test_the_ledger_is_read_in_the_order_it_was_written_in_pages(store: SqliteStore) -> None:
    rows = [row(f"r{number}", number, at=float(number % 700)) for number in range(1200)]
    store.append(rows)
    store.append(rows[:5])
    assert list(store.entries()) == rows
    assert list(store.entries(since=600, until=650)) == [each for each in rows if 600 <= each.at < 650]
    assert list(store.entries(since=5000)) == []
    reading = store.entries()
    assert next(reading) == rows[0]
    store.append([row("new", 1)])
    assert len(list(reading)) == 1199


@settings(max_examples=50)
@given(
    st.lists(
        st.builds(
            lambda entry, values: replace(entry, **values),
            st.builds(row, st.uuids().map(str), st.integers(-(10**25), 10**25).map(abs)),
            st.fixed_dictionaries(
                {
                    "user": st.none() | st.text(st.characters(codec="utf-8")),
                    "tags": st.lists(st.text(st.characters(codec="utf-8"))).map(tuple),
                    "content": st.none() | st.text(st.characters(codec="utf-8")),
                    "kind": st.sampled_from(EntryKind),
                    "seconds": st.none() | st.floats(0, 1e9),
                    "output_tokens": st.none() | st.integers(0, 2**80),
                }
            ),
        ),
        max_size=4,
    )
)
def test_every_row_comes_back_as_it_was(rows: list[object]) -> None:
    directory = tempfile.mkdtemp(dir="/dev/shm" if Path("/dev/shm").is_dir() else None)
    store = SqliteStore(Path(directory, "spend.db"))
    store.append(rows)  # type: ignore[arg-type]
    assert list(store.entries()) == rows
    store.close()
    shutil.rmtree(directory)


def test_a_person_with_a_sql_shell_reads_dollars(store: SqliteStore, path: Path) -> None:
    store.append([replace(row("a", 1, at=86_400.0), cost=Money("0.25")), replace(row("b", 1), cost=Money("0.5"))])
    assert shell(path, "SELECT sum(dollars) FROM spend") == [(0.75,)]
    assert shell(path, "SELECT day, utc, dollars FROM spend LIMIT 1") == [("1970-01-02", "1970-01-02 00:00:00", 0.25)]
    assert shell(path, "SELECT sum(cost) FROM ledger") == [(750_000_000_000,)]


def test_rebuilding_keeps_what_the_ledger_has_and_adds_what_it_lacks(store: SqliteStore) -> None:
    store.append([row("a", 10, ("team",))])
    store.reserve("held", [claim("team", 5)], lease=1e9, now=0)
    presumed = replace(row("c/presumed", 4, ("team",)), kind=EntryKind.PRESUMED)
    store.rebuild([row("a", 99, ("team",)), row("b", 7, ("team", "request:1")), presumed], now=2e6)
    assert store.balances(now=2e6) == {"team": balance_of(21, 0, 21, 4)}
    assert store.reverse("c", now=2e6) == Money.from_pico(4)
    assert store.balances(now=2e6) == {"team": balance_of(17)}
    store.rebuild(store.entries(), now=2e6)
    assert store.balances(now=2e6) == {"team": balance_of(17)}


# Signals and keys


def test_two_processes_hear_and_wait_for_each_other(store: SqliteStore, path: Path) -> None:
    other = SqliteStore(path)
    store.publish([Signal("hold:m@p", '{"until": 9}', 9.0, extends=True)], now=0)
    mark, heard = other.signals(0, now=1)
    assert heard == (Signal("hold:m@p", '{"until": 9}', 9.0, extends=True),)
    assert other.signals(mark, now=1) == (mark, ())
    assert other.signals(mark + 100, now=1) == (mark, heard)  # a mark of another life
    store.begin("k", "f", owner="a", lease=9, now=0)
    assert other.begin("k", "f", owner="b", lease=9, now=1) == Running(9)
    store.keep_reply("k", owner="a", reply=b"\0\xff", until=99, now=2)
    assert other.begin("k", "f", owner="b", lease=9, now=3) == Stored(b"\0\xff")
    other.close()


def test_signals_and_keys_are_bounded(store: SqliteStore, path: Path) -> None:
    store.publish([Signal(f"hold:{number}", "{}", 1e9) for number in range(SIGNALS_KEPT + 5)], now=0)
    assert shell(path, "SELECT count(*), min(key) FROM signals") == [(SIGNALS_KEPT, "hold:10")]
    with store._database.write():
        for number in range(KEYS_KEPT + 5):
            store.begin(str(number), "f", owner="a", lease=1e9, now=0)
    assert shell(path, "SELECT count(*) FROM keys") == [(KEYS_KEPT,)]
    store.begin("late", "f", owner="a", lease=3e9, now=2e9)
    assert shell(path, "SELECT count(*) FROM keys") == [(KEYS_KEPT - 63,)]


def test_its_errors_pickle(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailableError) as caught:
        SqliteStore(tmp_path / "nowhere" / "spend.db")
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
