"""Online stores for tests, each in a place of its own: a folder, or a database of a server from the environment."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from hopyard.online.lmdb import LmdbOnlineStore
from hopyard.online.stores import open_online_store
from hopyard.ports import OnlineStore

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
            host=parts.hostname, port=parts.port, user=parts.username, password=parts.password or ""
        ) as connection:
            connection.cursor().execute(f"DROP DATABASE IF EXISTS {name}")
            connection.cursor().execute(f"CREATE DATABASE {name}")
    return parts._replace(path=f"/{name}").geturl()


STORES: dict[str, Factory] = {
    "lmdb": lmdb_store,
    "redis": served("redis"),
    "postgres": served("postgres"),
    "mariadb": served("mariadb"),
}

PARAMETERS = [
    pytest.param("lmdb"),
    pytest.param("redis", marks=pytest.mark.service("redis")),
    pytest.param("postgres", marks=pytest.mark.service("postgres")),
    pytest.param("mariadb", marks=pytest.mark.service("mariadb")),
]
