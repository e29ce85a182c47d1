"""Feature vectors and loads over a network store, beside one command of the server's own driver for the same bytes.

Cases are there for the servers that HOPYARD_TEST_REDIS_URL, HOPYARD_TEST_POSTGRES_URL and HOPYARD_TEST_MARIADB_URL
name, as `scripts/services up` prints them. Redis is emptied in its databases 14 and 15; the others get tables with ids
of their own.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import msgspec

import hopyard
from bench import data
from bench.harness import GB, Case, main
from bench.online import (
    N_ENTITIES,
    Load,
    Lookups,
    build_kind,
    close_load,
    encoded_keys,
    load,
    look_up,
    open_view,
    requests_of,
    setup_bare_load,
    setup_load,
    setup_vectors,
)
from hopyard.feature_store import FeatureStore
from hopyard.online.stores import open_online_store

SERVICES = ("redis", "postgres", "mariadb")
N_GROUPS = 3
MSET_ROWS = 2_000
SHARE = 10
"""One of so many requests of the embedded store is asked: these take longer."""


def variable(service: str) -> str:
    return f"HOPYARD_TEST_{service.upper()}_URL"


def url_of(service: str, *, redis_database: int = 15) -> str:
    parts = urlsplit(os.environ[variable(service)])
    return parts._replace(path=f"/{redis_database}").geturl() if service == "redis" else parts.geturl()


def build(folder: Path, *, service: str, n_entities: int = N_ENTITIES) -> None:
    if service == "redis":
        _redis().flushdb(asynchronous=True)
    fs = hopyard.login(folder / "store", online=url_of(service)).get_feature_store()
    build_kind(fs, "int", N_GROUPS, n_entities)


def build_with_bare(folder: Path, *, service: str) -> None:
    """Make the store, and what the bare driver of Redis reads; the others read our tables."""
    build(folder, service=service)
    if service == "redis":
        _copy_to_keys(hopyard.login(folder / "store").get_feature_store())


def _copy_to_keys(fs: FeatureStore) -> None:
    """Copy all rows to a key each, in no order: a server that had only those that are asked for would be faster."""
    client = _redis()
    for group in fs.list_feature_groups():
        if group.online_enabled:
            id_ = group.spec.id
            rows = [(_bare_key(id_, key), row) for key, row in group._session.online.scan(id_)]
            random.Random(SHARE).shuffle(rows)
            for start in range(0, len(rows), MSET_ROWS):
                client.mset(dict(rows[start : start + MSET_ROWS]))


def _bare_key(table_id: str, key: bytes) -> bytes:
    return f"bare:{table_id}:".encode() + key


def setup_hopyard(
    folder: Path, shared: Path, *, service: str, n_groups: int, n_entries: int, n_entities: int = N_ENTITIES
) -> Lookups:
    os.environ["HOPYARD_ONLINE_URL"] = url_of(service)
    state = setup_vectors(
        folder, shared, kind="int", n_groups=n_groups, n_entries=n_entries, n_entities=n_entities
    )
    state.requests = state.requests[: len(state.requests) // SHARE]
    return state


def setup_bare(folder: Path, shared: Path, *, service: str, n_groups: int, n_entries: int) -> Lookups:
    """The same keys, encoded beforehand, by one command of the driver; what is found is decoded and nothing else."""
    os.environ["HOPYARD_ONLINE_URL"] = url_of(service)
    view = open_view(shared, "int", n_groups)
    plan = view._serving().plan
    asked = requests_of("int", view, n_entries)
    asked = asked[: len(asked) // SHARE]
    keys = encoded_keys(plan, [[request] if n_entries == 1 else request for request in asked])
    bare: Callable[..., Lookups] = bare_redis if service == "redis" else partial(bare_sql, service)
    state = bare(view._session.online, [node.table.id for node in plan.nodes], keys)
    state.n_entries = n_entries
    return state


def bare_redis(store: Any, ids: list[str], keys: list[list[list[bytes]]]) -> Lookups:
    """MGET the same rows, from keys of their own."""
    client, decode = _redis(), msgspec.msgpack.Decoder(list).decode
    requests = []
    for request in keys:
        found = zip(ids, request, strict=True)
        requests.append([_bare_key(id_, key) for id_, of_table in found for key in of_table])
    return Lookups(requests, 1, lambda found: [decode(row) for row in client.mget(found)], 15)


def bare_sql(service: str, store: Any, ids: list[str], keys: list[list[list[bytes]]]) -> Lookups:
    """Select the same rows from the same tables by one statement."""
    connection, decode = store.connect(), msgspec.msgpack.Decoder(list).decode
    cursor = connection.cursor()
    tables = []
    for id_ in ids:
        cursor.execute("SELECT number, generation FROM hopyard_tables WHERE id = %s", (id_,))
        number, generation = cursor.fetchone()
        tables.append(f"hopyard_rows_{int(number)}_{int(generation)}")
    if service == "postgres":
        statement = " UNION ALL ".join(
            f"SELECT k, r FROM {table} WHERE k = ANY(%b::bytea[])" for table in tables
        )

        def ask(asked: list[list[bytes]]) -> list[Any]:
            found = connection.execute(statement, asked, prepare=True, binary=True).fetchall()
            return [decode(row) for _, row in found]

        return Lookups(keys, 1, ask, 15)
    places = ", ".join(["%s"] * len(keys[0][0]))
    statement = " UNION ALL ".join(f"SELECT k, r FROM {table} WHERE k IN ({places})" for table in tables)

    def ask_mysql(asked: list[list[bytes]]) -> list[Any]:
        cursor.execute(statement, [key for of_table in asked for key in of_table])
        return [decode(row) for _, row in cursor.fetchall()]

    return Lookups(keys, 1, ask_mysql, 15)


# Loads


def setup_bare_redis_load(folder: Path) -> Load:
    state = setup_bare_load(folder)
    state.store = _redis(14)
    state.store.flushdb(asynchronous=True)
    return state


def bare_redis_load(state: Load) -> int:
    """MSET the encoded rows, 2,000 at a time."""
    for batch in state.encoded:
        for start in range(0, len(batch), MSET_ROWS):
            state.store.mset(dict(batch[start : start + MSET_ROWS]))
    return N_ENTITIES


def close_bare_redis(state: Load) -> None:
    state.store.flushdb(asynchronous=True)
    state.store.close()


def _redis(database: int = 15) -> Any:
    import redis

    return redis.Redis.from_url(url_of("redis", redis_database=database))


def _cases(service: str) -> Iterator[Case]:
    shared = partial(build_with_bare, service=service)
    sizes: dict[str, Any] = {
        "shared": shared,
        "memory_bytes": GB // 2,
        "idle_bytes": GB // 8,
        "disk_bytes": GB,
    }
    for n_groups in (1, 3):
        for n_entries in (1, 100):
            what = f"{service}, {n_groups} group(s), {n_entries} entities"
            options: dict[str, Any] = {"service": service, "n_groups": n_groups, "n_entries": n_entries}
            yield Case(f"{what}: bare driver", partial(setup_bare, **options), look_up, **sizes)
            yield Case(
                f"{what}: Hopyard",
                partial(setup_hopyard, **options),
                look_up,
                limit=f"{what}: bare driver",
                **sizes,
            )


def _load_cases(service: str) -> Iterator[Case]:
    what = f"load {data.short(N_ENTITIES)} rows into {service}"
    bare = f"{what}: bare MSET"
    if service == "redis":
        yield Case(
            bare, setup_bare_redis_load, bare_redis_load, close_bare_redis, is_fresh=True, memory_bytes=2 * GB
        )
    open_store = partial(_open, service)
    yield Case(
        f"{what}: Hopyard",
        partial(setup_load, open_store=open_store, has_nulls=False),
        load,
        close_load,
        limit=bare if service == "redis" else None,
        is_fresh=True,
        memory_bytes=GB,
    )


def _open(service: str, folder: Path) -> Any:
    return open_online_store(url_of(service, redis_database=14))


THERE = [service for service in SERVICES if os.environ.get(variable(service))]
CASES = (*(case for service in THERE for case in (*_cases(service), *_load_cases(service))),)

if __name__ == "__main__":
    if not THERE:
        raise SystemExit(f"There is no server to measure: set {', '.join(map(variable, SERVICES))}.")
    raise SystemExit(main("bench.served"))
