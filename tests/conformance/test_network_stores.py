"""What the online stores behind a network do beyond what every online store does: await, retry, refuse."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from hopyard.errors import ConfigError, FormatVersionError, MissingPackageError, NotFoundError, StoreError
from hopyard.online import mysql
from hopyard.online.stores import open_online_store
from hopyard.ports import AsyncOnlineStore, OnlineStore
from hopyard.testing.store import InjectedError, fail_at
from online_stores import (
    OTHER,
    SERVED,
    TABLE,
    at,
    batch,
    key,
    new_database,
    read,
    row,
    use_what_is_not_there,
    value_of,
    values,
)


@pytest.fixture(params=SERVED)
def url(request: pytest.FixtureRequest) -> str:
    return new_database(request.param)


@pytest.fixture
def store(url: str) -> Iterator[Any]:
    made = open_online_store(url, timeout_seconds=20)
    made.ensure(TABLE)
    yield made
    made.close()


def in_loop(work: Callable[[], Any]) -> Any:
    return asyncio.run(work())


# Awaited reads


def test_awaited_reads_are_those_that_block(store: Any) -> None:
    assert isinstance(store, AsyncOnlineStore)
    store.ensure(OTHER)
    names = ["a", "b", "x" * 700, "x" * 701]
    store.write(TABLE, batch(*((name, 1, n) for n, name in enumerate(names[:3]))), at(1))
    store.write(OTHER, batch(("a", 1, 99)), at(1))
    lookups = [(TABLE.id, key(name)) for name in names] + [(OTHER.id, key("a")), (OTHER.id, key("b"))]

    async def work() -> list[bytes | None]:
        found: list[bytes | None] = await store.aread(lookups)
        assert await store.aread([]) == []
        with pytest.raises(NotFoundError, match="'gone'"):
            await store.aread([("gone", key("a"))])
        assert await store.aread(lookups) == found
        await store.aclose()
        return found

    for _ in range(2):  # each in an event loop of its own
        found = in_loop(work)
        assert [value_of(one) for one in found] == [0, 1, 2, None, 99, None]
        assert found == store.read(lookups)


def test_many_tasks_read_at_once_and_one_is_cancelled(store: Any) -> None:
    store.write(TABLE, batch(*((f"k{n}", 1, n) for n in range(50))), at(1))

    async def work() -> list[list[bytes | None]]:
        tasks = [asyncio.create_task(store.aread([(TABLE.id, key(f"k{n}"))])) for n in range(50)]
        await asyncio.sleep(0)
        tasks[7].cancel()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(found[7], asyncio.CancelledError) or value_of(found[7][0]) == 7
        again = [await store.aread([(TABLE.id, key(f"k{n}"))]) for n in range(50)]
        await store.aclose()
        return again

    assert [value_of(one) for (one,) in in_loop(work)] == list(range(50))


def test_awaited_reads_notice_a_switch(store: Any) -> None:
    store.replace(TABLE, iter([batch(("a", 1, 0))]), at(0))

    async def work() -> None:
        for number in range(1, 6):
            await asyncio.to_thread(store.replace, TABLE, iter([batch(("a", 1, number))]), at(number))
            (found,) = await store.aread([(TABLE.id, key("a"))])
            assert value_of(found) == number
        await store.aclose()

    in_loop(work)


# One round trip


@pytest.mark.service("redis")
def test_redis_reads_several_tables_in_one_round_trip() -> None:
    import redis

    url = new_database("redis")
    store = open_online_store(url)
    store.ensure(TABLE)
    store.ensure(OTHER)
    lookups = [(TABLE.id, key("a")), (OTHER.id, key("a")), (TABLE.id, key("b"))]
    store.read(lookups)
    with redis.Redis.from_url(url) as client:
        before = client.info("stats")["total_reads_processed"]
        for _ in range(100):
            store.read(lookups)
        after = client.info("stats")["total_reads_processed"]
    assert after - before <= 101
    store.close()


@pytest.mark.parametrize("service", SERVED[1:])
def test_sql_stores_read_several_tables_by_one_statement(
    service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store: Any = open_online_store(new_database(service))
    store.ensure(TABLE)
    store.ensure(OTHER)
    lookups = [(TABLE.id, key("a")), (OTHER.id, key("a")), (TABLE.id, key("b"))]
    store.read(lookups)
    asked = []
    ask = store.ask
    store.ask = lambda connection, question: asked.append(question) or ask(connection, question)
    assert store.read(lookups) == [None, None, None]
    assert len(asked) == 1
    store.replace(OTHER, iter([batch(("a", 1, 1))]), at(1))
    other: Any = open_online_store(store_url(store, service))
    other.replace(TABLE, iter([batch(("b", 1, 2))]), at(1))
    assert [value_of(one) for one in store.read(lookups)] == [None, 1, 2]
    store.close()
    other.close()


def store_url(store: OnlineStore, service: str) -> str:
    import os

    given = urlsplit(os.environ[f"HOPYARD_TEST_{service.upper()}_URL"])
    return given._replace(path=urlsplit(store.url).path).geturl()


# Writes that are large, or fail


def test_a_write_of_many_batches(store: OnlineStore) -> None:
    names = [f"{n:05}" for n in range(12_000)]
    store.write(TABLE, batch(*((name, 5, n) for n, name in enumerate(names))), at(1))
    changes = [(name, 4 if n % 3 == 0 else 6, -n if n % 3 < 2 else None) for n, name in enumerate(names)]
    store.write(TABLE, batch(*changes), at(2))
    expected = {
        key(name): row(name, 5, n) if n % 3 == 0 else row(name, 6, -n)
        for n, name in enumerate(names)
        if n % 3 < 2
    }
    assert list(store.scan(TABLE.id)) == sorted(expected.items())
    assert store.position(TABLE.id) == at(2)


def test_a_replace_with_final_and_null_rows_in_between(store: OnlineStore) -> None:
    batches = [
        batch(("a", 5, 1), ("b", 5, 1), ("c", 5, 1)),
        batch(("a", 3, 2), is_final=True),
        batch(("b", 9, None), ("d", 1, 2)),
        batch(("c", 4, 3), ("d", 2, 3)),
    ]
    store.replace(TABLE, iter(batches), at(1))
    assert values(store, "a", "b", "c", "d") == [2, None, 1, 3]


@pytest.mark.parametrize("point", ["online_batch_written", "online_before_commit", "online_before_switch"])
def test_what_fails_before_its_commit_is_not_there(url: str, point: str) -> None:
    good = open_online_store(url)
    good.ensure(TABLE)
    good.write(TABLE, batch(("a", 1, 1)), at(1))
    failing = open_online_store(url, failpoint=fail_at(point))
    many = batch(*((f"k{n:05}", 2, 2) for n in range(3_000)))
    change: Callable[[], None] = (
        (lambda: failing.write(TABLE, batch(("a", 2, 2)), at(2)))
        if point == "online_before_commit"
        else (lambda: failing.replace(TABLE, iter([many, many]), at(2)))
    )
    with pytest.raises(InjectedError):
        change()
    assert (values(good, "a"), good.position(TABLE.id)) == ([1], at(1))
    good.replace(TABLE, iter([batch(("b", 3, 3))]), at(3))
    assert [one for one, _ in good.scan(TABLE.id)] == [key("b")]
    failing.close()
    good.close()


@pytest.mark.parametrize("point", ["online_after_commit", "online_after_switch"])
def test_what_fails_after_its_commit_is_there(url: str, point: str) -> None:
    failing = open_online_store(url, failpoint=fail_at(point))
    failing.ensure(TABLE)
    change: Callable[[], None] = (
        (lambda: failing.write(TABLE, batch(("a", 2, 2)), at(2)))
        if point == "online_after_commit"
        else (lambda: failing.replace(TABLE, iter([batch(("a", 2, 2))]), at(2)))
    )
    with pytest.raises(InjectedError):
        change()
    assert (values(failing, "a"), failing.position(TABLE.id)) == ([2], at(2))
    failing.close()


def test_threads_write_one_table(store: OnlineStore) -> None:
    failures: list[BaseException] = []

    def writing(start: int) -> None:
        try:
            for number in range(start, 100, 4):
                store.write(TABLE, batch((f"k{number}", 1, number), ("all", number, number)), at(number))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=writing, args=(start,)) for start in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert values(store, "all", *(f"k{n}" for n in range(100))) == [99, *range(100)]


# Reading creates nothing


def test_nothing_is_created_by_reading(url: str) -> None:
    store = open_online_store(url)
    use_what_is_not_there(store)
    assert content(url) == []


def content(url: str) -> list[str]:
    """Return the names of what is in a database."""
    parts = urlsplit(url)
    if parts.scheme == "redis":
        import redis

        with redis.Redis.from_url(url) as client:
            return sorted(name.decode() for name in client.scan_iter())
    if parts.scheme == "postgresql":
        import psycopg

        with psycopg.connect(url) as connection:
            found = connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
            return sorted(name for (name,) in found.fetchall())
    import pymysql

    with pymysql.connect(
        host=parts.hostname,
        port=parts.port or 3306,
        user=parts.username,
        password=parts.password or "",
        database=parts.path[1:],
    ) as connection:
        cursor = connection.cursor()
        cursor.execute("SHOW TABLES")
        return sorted(name for (name,) in cursor.fetchall())


def test_everything_is_named_hopyard_and_goes_with_its_table(store: OnlineStore, url: str) -> None:
    store.replace(TABLE, iter([batch(("a", 1, 1))]), at(1))
    store.replace(OTHER, iter([batch(("a", 1, 1))]), at(1))
    names = content(url)
    assert all(name.startswith("hopyard") for name in names)
    store.drop(TABLE.id)
    store.drop(OTHER.id)
    assert not [name for name in content(url) if "rows" in name or "table:" in name or "filling" in name]


# Bad input


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("redis://", "names no host"),
        ("redis://host/zero", "numbers its databases"),
        ("redis://me:secret@host:99999/0", "is no URL"),
        ("redis://me:secret@host/0?timeout=3", "has no option 'timeout'. It has: none"),
        ("rediss://me:secret@host/0?timeout=3", "has no option 'timeout'. It has: ssl_ca_certs"),
        ("mysql://me:secret@host", "names no database. Write it as mysql://host:3306/database"),
        ("mysql://me:secret@host/db?engine=MyISAM", "must be one of: InnoDB, NDBCLUSTER"),
        ("mysql://me:secret@host/db?charset=latin1", "has no option 'charset'"),
        ("postgresql://me:secret@host/", "names no database"),
        ("postgresql://me:secret@host/db?colour=red", "invalid URI query parameter"),
    ],
)
def test_a_url_that_cannot_be_used(bad: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as error:
        open_online_store(bad)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize("scheme", ["redis", "mysql", "postgresql"])
def test_no_server(scheme: str) -> None:
    url = f"{scheme}://me:secret@127.0.0.1:1/0"
    store: Any = open_online_store(url, timeout_seconds=0.2)
    tries: list[Callable[[], object]] = [
        lambda: read(store, "a"),
        lambda: store.position(TABLE.id),
        lambda: store.ensure(TABLE),
        lambda: store.write(TABLE, batch(("a", 1, 1)), at(1)),
        lambda: store.replace(TABLE, iter([]), at(1)),
        lambda: in_loop(lambda: store.aread([(TABLE.id, key("a"))])),
    ]
    for one in tries:
        with pytest.raises(StoreError, match=r"me@127\.0\.0\.1:1/0 did not answer within 0.2 s") as error:
            one()
        assert "secret" not in str(error.value)
    store.close()


def test_a_wrong_password_or_database(url: str) -> None:
    parts = urlsplit(url)
    user = parts.username or "nobody"
    wrong = parts._replace(netloc=f"{user}:wrong@{parts.hostname}:{parts.port}").geturl()
    missing = parts._replace(path="/9999" if parts.scheme == "redis" else "/missing").geturl()
    for bad in (wrong, missing):
        store: Any = open_online_store(bad, timeout_seconds=20)
        with pytest.raises(StoreError, match="refused: ") as error:
            read(store, "a")
        assert "wrong" not in str(error.value)
        with pytest.raises(StoreError, match="refused: "):
            store.ensure(TABLE)
        with pytest.raises(StoreError, match="refused: "):
            in_loop(lambda store=store: store.aread([(TABLE.id, key("a"))]))
        store.close()


def test_a_store_of_a_newer_hopyard_is_refused(store: OnlineStore, url: str) -> None:
    store.close()
    parts = urlsplit(url)
    if parts.scheme == "redis":
        import redis

        with redis.Redis.from_url(url) as client:
            assert client.set("hopyard:format_version", 2, get=True) == b"1"
    elif parts.scheme == "postgresql":
        import psycopg

        with psycopg.connect(url) as connection:
            connection.execute("UPDATE hopyard_format SET version = 2")
    else:
        import pymysql

        with pymysql.connect(
            host=parts.hostname,
            port=parts.port or 3306,
            user=parts.username,
            password=parts.password or "",
            database=parts.path[1:],
            autocommit=True,
        ) as connection:
            connection.cursor().execute("UPDATE hopyard_format SET version = 2")
    newer: Any = open_online_store(url)
    for _ in range(2):
        with pytest.raises(FormatVersionError, match="format version 2; this Hopyard reads up to 1"):
            read(newer, "a")
    with pytest.raises(FormatVersionError):
        in_loop(lambda: newer.aread([(TABLE.id, key("a"))]))
    newer.close()


@pytest.mark.parametrize(
    ("url", "package", "extra"),
    [
        ("redis://h/0", "redis", "redis"),
        ("mysql://h/d", "pymysql", "mysql"),
        ("postgresql://h/d", "psycopg", "postgresql"),
    ],
)
def test_a_missing_package_is_named(
    url: str, package: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, package, None)
    with pytest.raises(MissingPackageError, match=rf"hopyard\[{extra}\]"):
        open_online_store(url)


# MySQL Cluster, whose statements are tested as text


def test_the_tables_of_ndb() -> None:
    made = [*mysql.statements("NDBCLUSTER").create[:2], mysql.create_rows("hopyard_rows_7_1", "NDBCLUSTER")]
    assert all(statement.endswith("ENGINE=NDBCLUSTER") for statement in made)
    assert made[2] == (
        "CREATE TABLE IF NOT EXISTS hopyard_rows_7_1 (k VARBINARY(511) NOT NULL PRIMARY KEY, r VARBINARY(28000) NOT "
        "NULL) ENGINE=NDBCLUSTER"
    )
    assert made[0] == (
        "CREATE TABLE IF NOT EXISTS hopyard_tables (id VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL "
        "PRIMARY KEY, number BIGINT NOT NULL AUTO_INCREMENT UNIQUE, generation BIGINT NOT NULL, version BIGINT NOT "
        "NULL, mark VARCHAR(2000) CHARACTER SET utf8mb4) ENGINE=NDBCLUSTER"
    )


def test_the_engine_comes_from_the_url(tmp_path: Path) -> None:
    store = open_online_store("mysql://me@host/db?engine=NDBCLUSTER")
    assert isinstance(store, mysql.MySqlOnlineStore)
    assert store.statements == mysql.statements("NDBCLUSTER")
