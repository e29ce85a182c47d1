"""Compares random queries with the oracle, and online rows with their table: `make fuzz CASES=100000 WORKERS=2`.

A case of the kind `queries` is one query whose answer was compared. To draw and store tables costs more than to query
them, so ten queries of every kind are drawn for each set of tables, each run in one of the ways of `variants.py`. A
case of the kind `online` is one history of a group, with crashes, after each step of which its online table was
compared (`online_histories.py`).

A round has a store of its own, in memory where that is possible, and a seed; a failure is reduced to a small example
and printed with the seed that repeats it.
"""

from __future__ import annotations

import argparse
import multiprocessing
import shutil
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1]))

from conformance import test_known_properties as known
from conformance import test_query_properties as now
from hopyard.errors import HopyardWarning
from hopyard.feature_store import FeatureStore
from hopyard.queries import Query
from hopyard.session import Session
from hopyard.testing.store import ManualClock, open_store
from hopyard.time import from_micros
from online_histories import History, Stores, layouts
from online_histories import play as play_history
from variants import VARIANTS

N_QUERIES = 10
EXAMPLES_PER_ROUND = 100
KINDS = ("queries", "online")


class Round:
    """One store, and how many queries of it were compared."""

    def __init__(self, folder: Path) -> None:
        self.clock = ManualClock("2026-01-01")
        self.fs: FeatureStore = open_store(folder / "store", clock=self.clock).get_feature_store()
        self.sessions: dict[str, Session] = {name: make(self.fs._session) for name, make in VARIANTS.items()}
        self.numbers: Iterator[int] = count()
        self.n_compared = 0

    def compare(self, data: st.DataObject, query: Query, rows_of: dict[str, Any], **options: Any) -> None:
        """Compare a query, run in one of the ways that can run it."""
        is_plain = query.plan.known_delay_us is None and all(
            node.exclude_until_us is None for node in query.plan.nodes
        )
        names = [name for name in VARIANTS if is_plain or name != "without_asof"]
        session = self.sessions[data.draw(st.sampled_from(names))]
        self.n_compared += now.check(Query(session, query.plan), rows_of, **options)

    def state(self, data: st.DataObject) -> None:
        """Draw tables, and queries of their last state."""
        keys = {
            f"k{i}": data.draw(st.sampled_from(now.KEY_TYPES)) for i in range(data.draw(st.integers(1, 3)))
        }
        drawn = [
            data.draw(now.tables(keys, is_root=number == 0)) for number in range(data.draw(st.integers(2, 4)))
        ]
        stored = [(now.store_table(self.fs, self.numbers, table), table) for table in drawn]
        rows_of = {group.spec.id: table.rows for group, table in stored}
        for _ in range(N_QUERIES):
            rights = data.draw(st.lists(st.sampled_from(stored), min_size=1, max_size=3))
            query, may_raise = data.draw(now.joined([stored[0], *rights]))
            self.compare(data, query, rows_of, may_raise=may_raise)

    def history(self, data: st.DataObject) -> None:
        """Draw histories, and queries of them as of an instant, as known, or of what came later."""
        made = data.draw(known.histories(self.fs, self.numbers, self.clock))
        first = max(history.states[0][1] for history, _ in made)
        times = sorted({time for history, _ in made for _, time, _ in history.states})
        root = made[0][0].group.spec.id
        for _ in range(N_QUERIES):
            at_us = max(
                first, data.draw(st.sampled_from([*times, *(time - 1 for time in times), times[-1] + 1]))
            )
            query, may_raise = data.draw(now.joined([(history.group, history.table) for history, _ in made]))
            versions = {history.group.spec.id: versions.as_of(at_us) for history, versions in made}
            current = {
                id_: [row for row in rows if row.get(known.REPLACED) is None]
                for id_, rows in versions.items()
            }
            kind = data.draw(st.sampled_from(["as_of", "as_known", "exclude_until"]))
            if kind == "as_known":
                query = query.as_of(from_micros(at_us)).as_known(
                    delay=data.draw(st.sampled_from(known.DELAYS))
                )
                self.compare(data, query, versions, may_raise=may_raise, root_rows=current[root])
                continue
            until = None
            if kind == "exclude_until":
                until = from_micros(
                    data.draw(st.sampled_from([t for t in [times[0] - 1, *times] if t <= at_us]))
                )
            query = query.as_of(from_micros(at_us), exclude_until=until)
            self.compare(data, query, current, may_raise=may_raise)

    def close(self) -> None:
        for session in self.sessions.values():
            session.engine.close()
        self.fs._session.registry.close()
        self.fs._session.online.close()


class OnlineRound:
    """One store, and how many histories of groups in it were compared."""

    def __init__(self, folder: Path) -> None:
        self.stores = Stores(folder / "store")
        self.n_compared = 0

    def history(self, data: st.DataObject) -> None:
        """Draw a group and its history, and compare after each step."""
        history = History(self.stores, data.draw(layouts()), f"g{next(self.stores.numbers)}")
        play_history(history, data)
        self.n_compared += 1

    def close(self) -> None:
        self.stores.close()


def play(work: tuple[str, int]) -> tuple[str, int, int, str]:
    """Play one round; return its kind and number, how many cases were compared, and what went wrong."""
    kind, number = work
    warnings.simplefilter("ignore", HopyardWarning)
    folder = Path(
        tempfile.mkdtemp(prefix="hopyard-fuzz-", dir="/dev/shm" if Path("/dev/shm").is_dir() else None)
    )
    one = Round(folder) if kind == "queries" else OnlineRound(folder)

    @seed(number)
    @settings(
        max_examples=EXAMPLES_PER_ROUND,
        deadline=None,
        database=None,
        derandomize=False,
        print_blob=False,
        suppress_health_check=list(HealthCheck),
    )
    @given(data=st.data())
    def cases(data: st.DataObject) -> None:
        if isinstance(one, OnlineRound) or number % 2:
            one.history(data)
        else:
            one.state(data)

    try:
        cases()
        failure = ""
    except Exception:
        failure = traceback.format_exc()
    finally:
        one.close()
        shutil.rmtree(folder, ignore_errors=True)
    return kind, number, one.n_compared, failure


def main() -> int:
    """Play rounds until enough cases of each kind were compared; return 1 if one gave a wrong answer."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cases", type=int, default=10_000, help="how many cases of each kind to compare")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--kind", choices=[*KINDS, "all"], default="all")
    parser.add_argument("--seed", type=int, help="play this one round of one kind again")
    options = parser.parse_args()
    kinds = KINDS if options.kind == "all" else (options.kind,)
    if options.seed is not None:
        if len(kinds) > 1:
            parser.error(f"--seed needs --kind: {' or '.join(KINDS)}")
        _, _, n_compared, failure = play((kinds[0], options.seed))
        sys.stdout.write(f"{failure}{n_compared:,} cases of {kinds[0]} compared\n")
        return 1 if failure else 0
    return 1 if sum(_run(kind, options.cases, options.workers) for kind in kinds) else 0


def _run(kind: str, n_cases: int, n_workers: int) -> int:
    """Play rounds of one kind until enough cases were compared, or too many failed; return how many failed."""
    first = time.time_ns() // 1_000_000 * 1_000  # new cases in each run
    started, n_compared, n_failed = time.monotonic(), 0, 0
    with multiprocessing.get_context("spawn").Pool(n_workers) as pool:
        for _, number, n, failure in pool.imap_unordered(play, ((kind, seed) for seed in count(first))):
            n_compared += n
            if failure:
                n_failed += 1
                sys.stdout.write(f"{failure}\nRepeat it with: make fuzz KIND={kind} SEED={number}\n")
            rate = n_compared / (time.monotonic() - started)
            sys.stdout.write(
                f"{n_compared:,} cases of {kind} compared, {rate:.0f} a second, {n_failed} rounds failed\n"
            )
            sys.stdout.flush()
            if n_compared >= n_cases or n_failed >= 5:
                pool.terminate()
                break
    return n_failed


if __name__ == "__main__":
    sys.exit(main())
