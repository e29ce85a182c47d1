"""Online stores for tests, each in a place of its own: a folder, or a database of a server from the environment."""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pyarrow as pa
import pytest

from hopyard.errors import NotFoundError
from hopyard.model.position import CommitPosition
from hopyard.model.schema import Field
from hopyard.online.codec import encode_rows
from hopyard.online.keys import encode_key
from hopyard.online.lmdb import LmdbOnlineStore
from hopyard.online.stores import open_online_store
from hopyard.ports import EncodedRows, OnlineStore, OnlineTable

Factory = Callable[[Path], OnlineStore]


def lmdb_store(folder: Path, **more: Any) -> LmdbOnlineStore:
    return LmdbOnlineStore(folder / "online", **more)


def served(service: str) -> Factory:
    """Return what opens a store on a server: the first time for a folder in a new database, then in the same one."""

    def open_store(folder: Path) -> OnlineStore:
        note = folder / "url"
        if not note.exists():
            note.write_text(new_database(service))
        return open_online_store(note.read_text(), timeout_seconds=20)

    return open_store


def new_database(service: str) -> str:
    """Return the URL of an empty database of a server, that no other worker of the tests uses."""
    url = os.environ[f"HOPYARD_TEST_{service.upper()}_URL"]
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0")
    parts = urlsplit(url)
    if service == "redis":
        import redis

        url = parts._replace(path=f"/{int(worker.removeprefix('gw')) + 1}").geturl()
        with redis.Redis.from_url(url) as client:
            client.flushdb()
        return url
    name = f"hopyard_test_{worker}"
    if service == "postgres":
        import psycopg

        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE IF EXISTS {name} WITH (FORCE)")  # type: ignore[arg-type]
            connection.execute(f"CREATE DATABASE {name}")  # type: ignore[arg-type]
    else:
        import pymysql

        with pymysql.connect(
            host=parts.hostname, port=parts.port or 3306, user=parts.username, password=parts.password or ""
        ) as connection:
            cursor = connection.cursor()
            cursor.execute(f"DROP DATABASE IF EXISTS {name}")
            cursor.execute(f"CREATE DATABASE {name}")
    return parts._replace(path=f"/{name}").geturl()


STORES: dict[str, Factory] = {
    "lmdb": lmdb_store,
    "redis": served("redis"),
    "postgres": served("postgres"),
    "mariadb": served("mariadb"),
}

SERVED = [
    pytest.param("redis", marks=pytest.mark.service("redis")),
    pytest.param("postgres", marks=pytest.mark.service("postgres")),
    pytest.param("mariadb", marks=pytest.mark.service("mariadb")),
]
PARAMETERS = [pytest.param("lmdb"), *SERVED]

TABLE = OnlineTable(
    id="0a1b",
    name="weather_1",
    key=(Field(name="k", type="string"),),
    values=(Field(name="v", type="bigint"),),
    event_time="at",
)
OTHER = OnlineTable(id="2c3d", name="planes_1", key=TABLE.key, values=TABLE.values)


def key(name: str) -> bytes:
    return encode_key(TABLE, [name])


def batch(*rows: tuple[str, int, int | None], is_final: bool = False) -> EncodedRows:
    """Return (key, event time, value) as stored; value None removes the key."""
    frame = pa.table({"k": [row[0] for row in rows], "v": pa.array([row[2] for row in rows], pa.int64())})
    encoded = encode_rows(TABLE, frame, pa.array([row[1] for row in rows], pa.int64())).to_pylist()
    return EncodedRows(
        keys=pa.array([key(row[0]) for row in rows], pa.binary()),
        rows=pa.array(
            [None if row[2] is None else one for row, one in zip(rows, encoded, strict=True)], pa.binary()
        ),
        is_final=is_final,
    )


def row(name: str, at: int, value: int) -> bytes:
    return batch((name, at, value)).rows[0].as_py()


def at(number: int) -> CommitPosition:
    return CommitPosition(number=number)


def read(store: OnlineStore, *names: str, table: OnlineTable = TABLE) -> list[bytes | None]:
    return store.read([(table.id, key(name)) for name in names])


def value_of(stored: bytes | None) -> int | None:
    return None if stored is None else int.from_bytes(stored[-8:], "big", signed=True)


def values(store: OnlineStore, *names: str) -> list[int | None]:
    return [value_of(stored) for stored in read(store, *names)]


# Runs the store of a test in another process: argv is the store's name and its folder.
PRELUDE = """
import os, sys, pathlib
sys.path[:0] = {path!r}
from online_stores import *
store = STORES[sys.argv[1]](pathlib.Path(sys.argv[2]))
"""


def start(code: str, factory: Factory, folder: Path) -> subprocess.Popen[str]:
    name = next(name for name, made in STORES.items() if made is factory)
    script = PRELUDE.format(path=sys.path) + textwrap.dedent(code)
    return subprocess.Popen(
        [sys.executable, "-c", script, name, str(folder)], stdout=subprocess.PIPE, text=True
    )


def run(code: str, factory: Factory, folder: Path) -> int:
    """Return the exit code of `code` in another process."""
    with start(code, factory, folder) as process:
        return process.wait()


def in_child(work: Callable[[], None]) -> int:
    """Return the exit code of `work` in a forked child."""
    process = multiprocessing.get_context("fork").Process(target=work)
    process.start()
    process.join(60)
    assert process.exitcode is not None
    return process.exitcode


def use_what_is_not_there(store: OnlineStore) -> None:
    """Ask a new store, in which there is nothing, for all that needs a table, and close it."""
    with pytest.raises(NotFoundError, match="There are none yet"):
        read(store, "a")
    with pytest.raises(NotFoundError):
        store.scan(TABLE.id)
    with pytest.raises(NotFoundError):
        store.write(TABLE, batch(("a", 1, 1)), at(1))
    assert store.position(TABLE.id) is None
    store.drop(TABLE.id)
    store.close()
