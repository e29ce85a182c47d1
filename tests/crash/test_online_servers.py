"""Servers of online stores that are killed in the middle of writes and started again: nothing acknowledged is lost."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hopyard.errors import NotFoundError, StoreError
from hopyard.online.stores import open_online_store
from hopyard.ports import EncodedRows
from online_stores import SERVED, TABLE, at, batch, key, value_of, values

SERVICES = Path(__file__).parents[2] / "scripts" / "services"


class Server:
    """A server of this test alone, started by scripts/services on a port and in a folder of its own."""

    def __init__(self, service: str, *, keeps: bool = True) -> None:
        self._service = service
        self._folder = tempfile.mkdtemp(prefix="hopyard-crash-")
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self._environment = {
            **os.environ,
            "HOPYARD_SERVICES_FOLDER": self._folder,
            f"HOPYARD_{service.upper()}_PORT": str(port),
            "HOPYARD_REDIS_APPEND": "yes" if keeps else "no",
        }
        (line,) = self._run("up").splitlines()
        self.url = line.partition("=")[2]

    def kill(self) -> None:
        self._run("kill")

    def start(self) -> None:
        self._run("again")

    def remove(self) -> None:
        self._run("down")
        shutil.rmtree(self._folder, ignore_errors=True)

    def _run(self, action: str) -> str:
        # Its output goes to a file: a server inherits it, so that a pipe would never end.
        with tempfile.TemporaryFile("w+") as output:
            subprocess.run(
                [SERVICES, action, self._service], env=self._environment, stdout=output, check=True
            )
            output.seek(0)
            return output.read()


@pytest.fixture
def servers() -> Iterator[list[Server]]:
    made: list[Server] = []
    yield made
    for server in made:
        server.remove()


@pytest.mark.parametrize("service", SERVED)
def test_nothing_acknowledged_is_lost(service: str, servers: list[Server]) -> None:
    server = Server(service)
    servers.append(server)
    store: Any = open_online_store(server.url, timeout_seconds=60)
    store.ensure(TABLE)
    store.write(TABLE, batch(("all", 0, 0)), at(0))
    acknowledged = [0]
    stop, failures = threading.Event(), []
    progress = threading.Condition()

    def writing() -> None:
        try:
            while not stop.is_set():
                number = acknowledged[-1] + 1
                store.write(TABLE, batch(("all", number, number), (f"k{number}", 1, number)), at(number))
                with progress:
                    acknowledged.append(number)
                    progress.notify()
        except BaseException as error:
            failures.append(error)
            with progress:
                progress.notify()

    thread = threading.Thread(target=writing)
    thread.start()
    try:
        for _ in range(3):
            goal = acknowledged[-1] + 20
            with progress:
                assert progress.wait_for(lambda goal=goal: failures or acknowledged[-1] >= goal, 60)
            server.kill()
            server.start()
    finally:
        stop.set()
        thread.join()
    assert failures == []
    last = acknowledged[-1]
    assert store.position(TABLE.id) == at(last)
    assert values(store, "all", *(f"k{n}" for n in range(1, last + 1))) == [last, *range(1, last + 1)]

    async def awaited() -> None:
        assert [value_of(one) for one in await store.aread([(TABLE.id, key("all"))])] == [last]
        await asyncio.to_thread(server.kill)
        await asyncio.to_thread(server.start)
        assert [value_of(one) for one in await store.aread([(TABLE.id, key("all"))])] == [last]
        await store.aclose()

    asyncio.run(awaited())
    assert values(store, "all") == [last]
    store.close()


@pytest.mark.parametrize("service", SERVED)
def test_a_replace_is_whole_or_not_at_all(service: str, servers: list[Server]) -> None:
    server = Server(service)
    servers.append(server)
    store: Any = open_online_store(server.url, timeout_seconds=60)
    store.replace(TABLE, iter([batch(("a", 1, 1))]), at(1))

    def batches() -> Iterator[EncodedRows]:
        yield batch(("a", 2, 2), ("b", 2, 2))
        server.kill()
        server.start()
        yield batch(("c", 2, 2))

    if service == "redis":  # each batch is tried again
        store.replace(TABLE, batches(), at(2))
    else:
        with pytest.raises(StoreError, match="did not answer"):
            store.replace(TABLE, batches(), at(2))
        assert (values(store, "a", "b", "c"), store.position(TABLE.id)) == ([1, None, None], at(1))
        store.replace(TABLE, iter([batch(("a", 2, 2), ("b", 2, 2), ("c", 2, 2))]), at(2))
    assert (values(store, "a", "b", "c"), store.position(TABLE.id)) == ([2, 2, 2], at(2))
    store.close()


@pytest.mark.service("redis")
def test_a_redis_that_keeps_nothing_is_found_empty(servers: list[Server]) -> None:
    server = Server("redis", keeps=False)
    servers.append(server)
    store = open_online_store(server.url, timeout_seconds=60)
    store.replace(TABLE, iter([batch(("a", 1, 1))]), at(1))
    server.kill()
    server.start()
    assert store.position(TABLE.id) is None
    with pytest.raises(NotFoundError):
        store.write(TABLE, batch(("b", 2, 2)), at(2))

    def batches() -> Iterator[EncodedRows]:
        yield batch(("a", 1, 1))
        server.kill()
        server.start()
        yield batch(("b", 2, 2))

    with pytest.raises(StoreError, match="lost rows"):
        store.replace(TABLE, batches(), at(2))
    assert store.position(TABLE.id) is None
    store.replace(TABLE, iter([batch(("a", 1, 1), ("b", 2, 2))]), at(2))
    assert values(store, "a", "b") == [1, 2]
    store.close()


@pytest.mark.service("redis")
def test_a_redis_that_went_back_is_not_written_over(servers: list[Server]) -> None:
    """As after a restart from a snapshot that is older than the last commits."""
    import redis

    server = Server("redis")
    servers.append(server)
    store = open_online_store(server.url, timeout_seconds=60)
    store.replace(TABLE, iter([batch(("a", 1, 1))]), at(1))
    with redis.Redis.from_url(server.url) as client:
        (name,) = [name for name in client.scan_iter() if b"table:" in name]
        old = client.dump(name)
        store.write(TABLE, batch(("b", 2, 2)), at(2))
        client.restore(name, 0, old, replace=True)
    with pytest.raises(StoreError, match="went back to an earlier state"):
        store.write(TABLE, batch(("c", 3, 3)), at(3))
    assert store.position(TABLE.id) == at(1)
    store.write(TABLE, batch(("b", 2, 2)), at(2))
    assert values(store, "a", "b", "c") == [1, 2, None]
    store.close()
