"""The work of a feature store at 1x, 3x and 10x its size: how its time grows, as the exponent of a power of the rows.

An exponent of 1 is in proportion; a lookup or a small commit should have one near 0 over the size of the store, which
is what "store of" means below: there the rows that are handled stay the same, and the store grows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

import hopyard
from bench import data
from bench.harness import GB, Case, Outcome, main
from bench.online import Lookups, look_up, requests_of, rows_of
from bench.write import create_group
from hopyard.feature_group import FeatureGroup
from hopyard.feature_store import FeatureStore
from hopyard.queries import Query

SIZES = tuple(data.scaled(n) for n in (100_000, 300_000, 1_000_000))
N_FEATURES = 13
N_UPSERT = data.scaled(1_000)
N_LABELS = data.scaled(20_000)
SEED = 9


@dataclass(slots=True)
class Work:
    """What is done, with what, and how many rows it handles."""

    do: Callable[[], Any]
    n_rows: int


def run(state: Work) -> Outcome:
    found = state.do()
    return found if isinstance(found, Outcome) else Outcome(state.n_rows)


def build(folder: Path, *, n_rows: int) -> None:
    """Make a store with an offline group of `n_rows`, and an online one with as many entities."""
    create_group(folder / "store").insert(data.group(n_rows, n_rows // 10, N_FEATURES, SEED))
    fs = hopyard.login(folder / "store").get_feature_store()
    vectors = fs.create_feature_group("int_0", primary_key="key", online_enabled=True)
    vectors.insert(rows_of("int", 0, n_rows))
    fs.create_feature_view("vectors", vectors.select_features())


def _open(shared: Path) -> tuple[FeatureStore, FeatureGroup]:
    fs = hopyard.login(shared / "store").get_feature_store()
    return fs, fs.get_feature_group("readings")


def setup_insert(folder: Path, *, n_rows: int, online: bool) -> Work:
    fs = hopyard.login(folder / "store").get_feature_store()
    group = fs.create_feature_group("int_0", primary_key="key", online_enabled=online)
    return Work(partial(group.insert, rows_of("int", 0, n_rows)), n_rows)


def setup_upsert(folder: Path, shared: Path, *, n_rows: int) -> Work:
    """The last rows of the group with one value changed, another one in each run."""
    _, group = _open(shared)
    rows = data.group(n_rows, n_rows // 10, N_FEATURES, SEED).slice(n_rows - N_UPSERT)
    numbers = iter(range(1, 10_000))

    def upsert() -> None:
        values = pa.array([float(next(numbers))] * rows.num_rows)
        group.insert(rows.set_column(2, rows.schema.field(2), values))

    return Work(upsert, N_UPSERT)


def setup_read(folder: Path, shared: Path, *, n_rows: int) -> Work:
    _, group = _open(shared)
    return Work(partial(group.read, dataframe_type="arrow"), n_rows)


def setup_join(folder: Path, shared: Path, *, n_rows: int, n_labels: int) -> Work:
    fs, group = _open(shared)
    labels = data.labels(n_labels, n_rows // 10, SEED)
    query: Query = fs.spine(labels, event_time="event_time", primary_key="key").join(group.select_all())
    return Work(partial(query.read, dataframe_type="arrow"), n_labels)


def setup_vectors(folder: Path, shared: Path, *, n_rows: int) -> Work:
    fs, _ = _open(shared)
    view = fs.get_feature_view("vectors")
    view.init_serving()
    requests = requests_of("int", view, 1, n_rows)
    return Work(partial(look_up, Lookups(requests, 1, view.get_feature_vector, 13)), len(requests))


def _cases(n_rows: int) -> Iterator[Case]:
    size = data.short(n_rows)
    sizes: dict[str, Any] = {
        "memory_bytes": GB // 2 + n_rows * 1_000,
        "idle_bytes": GB // 4,
        "disk_bytes": GB,
    }
    for online, where in ((False, "offline"), (True, "offline and online")):
        name = f"insert, {where}"
        setup = partial(setup_insert, n_rows=n_rows, online=online)
        yield Case(f"{name}, {size}", setup, run, is_fresh=True, family=name, **sizes)
    shared = partial(build, n_rows=n_rows)
    works: list[tuple[str, Callable[..., Work]]] = [
        ("read", setup_read),
        ("join, a label in 10 rows", partial(setup_join, n_labels=n_rows // 10)),
        (f"join, {data.short(N_LABELS)} labels, store of", partial(setup_join, n_labels=N_LABELS)),
        (f"upsert {data.short(N_UPSERT)} recent rows, store of", setup_upsert),
        ("vector, store of", setup_vectors),
    ]
    for name, setup_work in works:
        yield Case(
            f"{name}, {size}",
            partial(setup_work, n_rows=n_rows),
            run,
            family=name,
            family_size=n_rows,
            shared=shared,
            **sizes,
        )


CASES = tuple(case for n_rows in SIZES for case in _cases(n_rows))

if __name__ == "__main__":
    raise SystemExit(main("bench.growth"))
