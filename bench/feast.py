"""Vectors and loads of three groups of 30,000 entities, beside Feast's SQLite and Redis stores over the same rows.

The redis cases are there when HOPYARD_TEST_REDIS_URL names a server, as `scripts/services up` prints it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

import hopyard
from bench import data, served
from bench.harness import GB, Case, main
from bench.online import build_kind, look_up, rows_of, setup_bare_lmdb, setup_vectors
from bench.peers import with_feast
from hopyard.feature_group import FeatureGroup

N_ENTITIES = data.scaled(30_000)
N_GROUPS = 3
SIZES: dict[str, Any] = {"memory_bytes": GB, "idle_bytes": GB // 4, "disk_bytes": GB}


def build(folder: Path) -> None:
    build_kind(hopyard.login(folder / "store").get_feature_store(), "int", N_GROUPS, N_ENTITIES)
    write_for_feast(folder)


def build_in_redis(folder: Path) -> None:
    served.build(folder, service="redis", n_entities=N_ENTITIES)
    write_for_feast(folder)


def write_for_feast(folder: Path) -> None:
    """Write the rows of the groups as files, with the instant that Feast wants of each row."""
    times = pa.array([data.START_US] * N_ENTITIES, pa.timestamp("us", "UTC"))
    rows = {f"group_{number}": rows_of("int", number, N_ENTITIES) for number in range(N_GROUPS)}
    with_feast.write_rows(
        folder / "feast", {view: table.append_column("event_time", times) for view, table in rows.items()}
    )


# Loads of all three groups: ours are inserts, so the offline store has the rows, too.


@dataclass(slots=True)
class Inserts:
    groups: list[FeatureGroup]
    rows: list[pa.Table]


def setup_inserts(folder: Path, *, online: str | None) -> Inserts:
    if online:
        served._redis(14).flushdb(asynchronous=True)
    fs = hopyard.login(folder / "store", online=online).get_feature_store()
    groups = [
        fs.create_feature_group(f"int_{number}", primary_key="key", online_enabled=True)
        for number in range(N_GROUPS)
    ]
    return Inserts(groups, [rows_of("int", number, N_ENTITIES) for number in range(N_GROUPS)])


def insert(state: Inserts) -> int:
    for group, rows in zip(state.groups, state.rows, strict=True):
        group.insert(rows)
    return N_GROUPS * N_ENTITIES


def _cases(store: str, peer: str, build: Any, vectors: Any, online: str | None) -> Iterator[Case]:
    """Return what is measured of one of our stores beside one of theirs."""
    what = f"{store}, load of 3 x {data.short(N_ENTITIES)} rows"
    yield from _beside_feast(
        Case(
            f"{what}: Hopyard, offline too",
            partial(setup_inserts, online=online),
            insert,
            is_fresh=True,
            **SIZES,
        ),
        f"{what}: Feast",
        f"{peer} load",
        build,
    )
    for n_entries in (1, with_feast.BATCH):
        what = f"{store}, 3 groups, {n_entries} entities"
        options: dict[str, Any] = {"n_groups": N_GROUPS, "n_entries": n_entries, "n_entities": N_ENTITIES}
        limit = None
        if online is None:
            limit = f"{what}: bare LMDB"
            setup = partial(setup_bare_lmdb, kind="int", **options)
            yield Case(limit, setup, look_up, shared=build, **SIZES)
        ours = Case(
            f"{what}: Hopyard", partial(vectors, **options), look_up, limit=limit, shared=build, **SIZES
        )
        yield from _beside_feast(ours, f"{what}: Feast", f"{peer} {n_entries}", build)


def _beside_feast(ours: Case, name: str, of: str, build: Any) -> Iterator[Case]:
    """Yield Feast's case, if Feast is there, and ours, compared with it."""
    if with_feast.is_there():
        sizes = {"memory_bytes": 2 * GB, "idle_bytes": GB, "disk_bytes": GB}
        yield with_feast.case(name, of, shared=build, **sizes)
        ours = replace(ours, peer=name)
    yield ours


CASES = (*_cases("embedded", "sqlite", build, partial(setup_vectors, kind="int"), None),)
if os.environ.get(with_feast.REDIS_URL):
    CASES += (
        *_cases(
            "Redis",
            "redis",
            build_in_redis,
            partial(served.setup_hopyard, service="redis"),
            served.url_of("redis", redis_database=14),
        ),
    )

if __name__ == "__main__":
    raise SystemExit(main("bench.feast"))
