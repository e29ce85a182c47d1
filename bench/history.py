"""Reads of the past of a group after 1, 100 and 1,000 commits: a state, the changes between two, and what was known.

The limits are delta-rs and DuckDB by hand, over the same table: they read the same rows, and prove nothing about them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
from deltalake import DeltaTable

import hopyard
from bench import data
from bench.harness import GB, Case, main
from bench.write import create_group
from hopyard.feature_group import FeatureGroup
from hopyard.queries import Query

N_COMMITS = (1, 100, max(101, data.scaled(1_000)))
ROWS_PER_COMMIT = 1_000
N_LABELS = data.scaled(10_000)
N_FEATURES = 13
SEED = 6


@dataclass(slots=True)
class History:
    """A group of some commits, the numbers of the middle and the last one, and joins of labels between its commits."""

    group: FeatureGroup
    n_commits: int
    middle: int
    last: int
    plain: Query
    known: Query

    @property
    def n_then(self) -> int:
        """How many rows there were after the middle commit."""
        return -(-self.n_commits // 2) * ROWS_PER_COMMIT

    @property
    def n_changed(self) -> int:
        """How many rows were new after `start`."""
        return self.n_commits * ROWS_PER_COMMIT - (self.n_then if self.start is not None else 0)

    @property
    def start(self) -> int | None:
        """The commit after which changes are read: the middle one, or None, the beginning, where there is only one."""
        return self.middle if self.n_commits > 1 else None


def build(folder: Path, *, n_commits: int) -> None:
    """Insert new rows commit by commit; each also changes a tenth of the rows of the commit before."""
    group = create_group(folder / "store")
    n_rows = n_commits * ROWS_PER_COMMIT
    rows = data.group(n_rows, n_rows // 10, N_FEATURES, SEED)
    for at in range(0, n_rows, ROWS_PER_COMMIT):
        changed = rows.slice(max(0, at - ROWS_PER_COMMIT // 10), ROWS_PER_COMMIT // 10 if at else 0)
        column = changed.schema.get_field_index("f0")
        changed = changed.set_column(column, "f0", pa.array(np.full(changed.num_rows, float(at))))
        group.insert(pa.concat_tables([changed, rows.slice(at, ROWS_PER_COMMIT)]))


def setup(folder: Path, shared: Path, *, n_commits: int) -> History:
    fs = hopyard.login(shared / "store").get_feature_store()
    group = fs.get_feature_group("readings")
    # The oldest commit has made the table, and has no rows.
    commits = sorted(group.commit_details(), key=lambda commit: commit.number)[1:]
    random = np.random.default_rng(SEED)
    times = random.integers(commits[0].committed_at_us, commits[-1].committed_at_us + 1, N_LABELS)
    labels = pa.table(
        {
            "key": random.integers(0, n_commits * ROWS_PER_COMMIT // 10, N_LABELS),
            "at": pa.array(times, pa.timestamp("us", "UTC")),
        }
    )
    plain = fs.spine(labels, event_time="at", primary_key="key").join(group.select_all())
    middle = commits[-(-n_commits // 2) - 1]
    return History(group, n_commits, middle.number, commits[-1].number, plain, plain.as_known())


def read_state(state: History) -> int:
    found = state.group.read(as_of=state.middle, dataframe_type="arrow")
    assert found.num_rows == state.n_then, f"{found.num_rows} rows instead of {state.n_then}"
    return state.n_then


def state_by_hand(state: History) -> int:
    """Let delta-rs say which files belong to the version, and DuckDB read them."""
    files = DeltaTable(state.group.location, version=state.middle).file_uris()
    with duckdb.connect() as connection:
        found = connection.sql(f"FROM read_parquet({files})").to_arrow_table()
    assert found.num_rows == state.n_then, f"{found.num_rows} rows instead of {state.n_then}"
    return state.n_then


def read_changes(state: History) -> int:
    """The net changes of the second half of the commits."""
    found = state.group.read_changes(state.start, state.last, dataframe_type="arrow")
    assert found.num_rows >= state.n_changed, f"{found.num_rows} rows, fewer than {state.n_changed}"
    return state.n_changed


def changes_by_hand(state: History) -> int:
    """delta-rs' own change feed of the same versions: all steps of a row, not the net of them."""
    start = 0 if state.start is None else state.start + 1
    feed: Any = DeltaTable(state.group.location).load_cdf(start, state.last)
    found = pa.table(feed.read_all())
    assert found.num_rows >= state.n_changed, f"{found.num_rows} rows, fewer than {state.n_changed}"
    return state.n_changed


def join(state: History, *, is_known: bool) -> int:
    query = state.known if is_known else state.plain
    found = query.read(dataframe_type="arrow")
    assert found.num_rows == N_LABELS
    return N_LABELS


def _cases(n_commits: int) -> Iterator[Case]:
    sizes: dict[str, Any] = {
        "block": str(n_commits),
        "shared": partial(build, n_commits=n_commits),
        "memory_bytes": GB // 2 + n_commits * ROWS_PER_COMMIT * 400,
        "idle_bytes": GB // 4,
        "disk_bytes": GB // 4 + n_commits * ROWS_PER_COMMIT * 300,
    }
    what = f"{n_commits:,} commit{'s' if n_commits > 1 else ''}"
    works: tuple[tuple[str, str, Callable[[History], int], Callable[[History], int]], ...] = (
        ("as_of", "by hand", state_by_hand, read_state),
        ("read_changes", "load_cdf", changes_by_hand, read_changes),
        ("as_known", "the plain join", partial(join, is_known=False), partial(join, is_known=True)),
    )
    for name, limit, by_hand, ours in works:
        limit = f"{name}, {what}: {limit}"
        setup_ = partial(setup, n_commits=n_commits)
        yield Case(limit, setup_, by_hand, **sizes)
        yield Case(
            f"{name}, {what}: Hopyard", setup_, ours, limit=limit, family=name, family_size=n_commits, **sizes
        )


CASES = tuple(case for n_commits in N_COMMITS for case in _cases(n_commits))

if __name__ == "__main__":
    raise SystemExit(main("bench.history"))
