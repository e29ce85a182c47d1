"""What every online store does, stated as tests. A new store adds a line to `PARAMETERS` in tests/online_stores.py."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hopyard.errors import NotFoundError, StoreError
from hopyard.model.position import StreamPosition
from hopyard.ports import EncodedRows, OnlineStore, OnlineTable
from online_stores import (
    OTHER,
    PARAMETERS,
    STORES,
    TABLE,
    Factory,
    at,
    batch,
    in_child,
    key,
    read,
    row,
    run,
    start,
    value_of,
    values,
)


@pytest.fixture(params=PARAMETERS)
def factory(request: pytest.FixtureRequest) -> Factory:
    return STORES[request.param]


@pytest.fixture
def store(factory: Factory, tmp_path: Path) -> Iterator[OnlineStore]:
    made = factory(tmp_path)
    made.ensure(TABLE)
    yield made
    made.close()


# Each rule of the port


def test_a_written_row_is_read_as_it_was(store: OnlineStore) -> None:
    store.write(TABLE, batch(("a", 1, 10), ("b", 2, 20)), at(1))
    assert read(store, "b", "x", "a", "b") == [row("b", 2, 20), None, row("a", 1, 10), row("b", 2, 20)]
    assert all(type(stored) is bytes for stored in read(store, "a", "b"))


def test_no_lookups_no_rows(store: OnlineStore) -> None:
    assert store.read([]) == []


def test_a_table_is_empty_and_without_position_at_first(store: OnlineStore) -> None:
    assert read(store, "a") == [None]
    assert list(store.scan(TABLE.id)) == []
    assert store.position(TABLE.id) is None


def test_ensure_changes_nothing_of_a_known_table(store: OnlineStore) -> None:
    store.write(TABLE, batch(("a", 1, 10)), at(1))
    store.ensure(TABLE)
    assert values(store, "a") == [10]
    assert store.position(TABLE.id) == at(1)


def test_an_older_row_does_not_replace_a_newer_one(store: OnlineStore) -> None:
    store.write(TABLE, batch(("a", -5, 10), ("b", 5, 20)), at(1))
    store.write(TABLE, batch(("a", -6, 11), ("b", -5, 21)), at(2))
    assert values(store, "a", "b") == [10, 20]
    store.write(TABLE, batch(("a", -4, 12), ("b", 6, 22)), at(3))
    assert values(store, "a", "b") == [12, 22]


def test_of_equal_event_times_the_later_write_wins(store: OnlineStore) -> None:
    store.write(TABLE, batch(("a", 1, 10)), at(1))
    store.write(TABLE, batch(("a", 1, 11)), at(2))
    assert values(store, "a") == [11]


def test_a_final_row_wins_whatever_is_stored(store: OnlineStore) -> None:
    store.write(TABLE, batch(("a", 9, 10)), at(1))
    store.write(TABLE, batch(("a", 1, 11), is_final=True), at(2))
    assert values(store, "a") == [11]


@pytest.mark.parametrize("is_final", [False, True])
def test_a_null_row_removes_the_key(store: OnlineStore, *, is_final: bool) -> None:
    store.write(TABLE, batch(("a", 9, 10), ("b", 9, 20)), at(1))
    store.write(TABLE, batch(("a", 0, None), ("never", 0, None), is_final=is_final), at(2))
    assert values(store, "a", "b", "never") == [None, 20, None]
    assert [one for one, _ in store.scan(TABLE.id)] == [key("b")]


def test_the_position_moves_with_the_rows(store: OnlineStore) -> None:
    store.write(TABLE, batch(("a", 1, 10)), at(7))
    assert store.position(TABLE.id) == at(7)
    stream = StreamPosition(topic="t", partition=3, offset=2**40)
    store.write(TABLE, batch(), stream)
    assert store.position(TABLE.id) == stream
    assert values(store, "a") == [10]


def test_tables_do_not_see_each_other(store: OnlineStore) -> None:
    store.ensure(OTHER)
    store.write(TABLE, batch(("a", 1, 10)), at(1))
    store.write(OTHER, batch(("a", 1, 99)), at(5))
    lookups = [(OTHER.id, key("a")), (TABLE.id, key("a")), (OTHER.id, key("b"))]
    assert [value_of(stored) for stored in store.read(lookups)] == [99, 10, None]
    assert (store.position(TABLE.id), store.position(OTHER.id)) == (at(1), at(5))


def test_scan_gives_everything_in_key_order(store: OnlineStore) -> None:
    names = ["b", "", "a\x00", "a", "é", "long" * 300, "𝄞"]
    store.write(TABLE, batch(*((name, 1, n) for n, name in enumerate(names))), at(1))
    assert list(store.scan(TABLE.id)) == [
        (key(name), row(name, 1, names.index(name))) for name in sorted(names, key=str.encode)
    ]


def test_scan_shows_one_state(store: OnlineStore) -> None:
    store.write(TABLE, batch(*((f"{n:03}", 1, 1) for n in range(300))), at(1))
    scan = store.scan(TABLE.id)
    seen = [value_of(next(scan)[1])]
    store.write(TABLE, batch(*((f"{n:03}", 2, 2) for n in range(300))), at(2))
    store.replace(TABLE, iter([batch(("z", 3, 3))]), at(3))
    seen += [value_of(stored) for _, stored in scan]
    assert seen == [1] * 300
    assert [value_of(stored) for _, stored in store.scan(TABLE.id)] == [3]


@pytest.mark.parametrize("length", [508, 509, 511, 512, 5_000, 70_000])
def test_keys_of_any_length(store: OnlineStore, length: int) -> None:
    names = ["x" * (length - 1) + end for end in "abc"]
    store.write(TABLE, batch(*((name, 1, n) for n, name in enumerate(names))), at(1))
    assert values(store, *names, "x" * length) == [0, 1, 2, None]
    store.write(TABLE, batch((names[0], 0, 7), (names[1], 2, 8), (names[2], 3, None)), at(2))
    assert values(store, *names) == [0, 8, None]
    assert {one for one, _ in store.scan(TABLE.id)} == {key(name) for name in names[:2]}


def test_replace_replaces_everything(store: OnlineStore) -> None:
    store.write(TABLE, batch(("a", 9, 10), ("old", 9, 20)), at(1))
    for number in (2, 3, 4):
        batches = [
            batch(("m", 1, number), ("c", 1, number)),
            batch(),
            batch(("b", 1, number), ("a", 1, number)),
        ]
        store.replace(TABLE, iter(batches), at(number))
        assert values(store, "a", "b", "c", "m", "old") == [number] * 4 + [None]
        assert [one for one, _ in store.scan(TABLE.id)] == [key(name) for name in "abcm"]
        assert store.position(TABLE.id) == at(number)
    store.write(TABLE, batch(("a", 2, 99)), at(5))
    assert values(store, "a") == [99]


def test_replace_keeps_the_newest_row_of_a_key_in_several_batches(store: OnlineStore) -> None:
    store.replace(TABLE, iter([batch(("a", 2, 2), ("b", 1, 1)), batch(("a", 1, 1), ("b", 2, 2))]), at(1))
    assert values(store, "a", "b") == [2, 2]


def test_replace_with_nothing_empties(store: OnlineStore) -> None:
    store.write(TABLE, batch(("a", 9, 10)), at(1))
    store.replace(TABLE, iter([]), at(2))
    assert (values(store, "a"), store.position(TABLE.id)) == ([None], at(2))


def test_replace_makes_a_table_known(store: OnlineStore) -> None:
    store.replace(OTHER, iter([batch(("a", 1, 1))]), at(1))
    assert value_of(read(store, "a", table=OTHER)[0]) == 1


def test_a_replace_that_fails_changes_nothing(store: OnlineStore) -> None:
    store.write(TABLE, batch(("a", 1, 1)), at(1))

    def batches() -> Iterator[EncodedRows]:
        yield batch(("a", 2, 2), ("left over", 2, 2))
        raise RuntimeError("the source failed")

    with pytest.raises(RuntimeError, match="the source failed"):
        store.replace(TABLE, batches(), at(2))
    assert (values(store, "a", "left over"), store.position(TABLE.id)) == ([1, None], at(1))
    store.replace(TABLE, iter([batch(("a", 3, 3))]), at(3))
    assert [one for one, _ in store.scan(TABLE.id)] == [key("a")]


def test_an_unknown_table_is_named(store: OnlineStore) -> None:
    with pytest.raises(NotFoundError, match="No online table named '0a1c'. Did you mean '0a1b'"):
        store.read([(TABLE.id, key("a")), ("0a1c", key("a"))])
    with pytest.raises(NotFoundError, match="'0a1c'"):
        store.scan("0a1c")
    with pytest.raises(NotFoundError, match="'2c3d'"):
        store.write(OTHER, batch(("a", 1, 1)), at(1))
    assert store.position("0a1c") is None


def test_drop_removes_the_table_alone(store: OnlineStore) -> None:
    store.ensure(OTHER)
    store.write(TABLE, batch(("a", 1, 1)), at(1))
    store.replace(OTHER, iter([batch(("a", 1, 2))]), at(2))
    store.drop(OTHER.id)
    store.drop(OTHER.id)
    store.drop("never there")
    assert store.position(OTHER.id) is None
    with pytest.raises(NotFoundError):
        read(store, "a", table=OTHER)
    assert values(store, "a") == [1]
    for number in range(5):
        new = OnlineTable(id=f"new-{number}", name="new_1", key=TABLE.key, values=TABLE.values)
        store.ensure(new)
        assert read(store, "a", table=new) == [None]
        store.drop(new.id)


def test_a_closed_store_can_be_used_again(store: OnlineStore) -> None:
    store.write(TABLE, batch(("a", 1, 1)), at(1))
    store.close()
    store.close()
    assert (values(store, "a"), store.position(TABLE.id)) == ([1], at(1))


def test_stores_on_one_place_see_each_other(store: OnlineStore, factory: Factory, tmp_path: Path) -> None:
    second = factory(tmp_path)
    store.write(TABLE, batch(("a", 1, 1)), at(1))
    assert values(second, "a") == [1]
    second.close()
    assert values(store, "a") == [1]


# Properties


NAMES = st.sampled_from(["a", "b", "a\x00", "", "c" * 600])
BATCHES = st.lists(
    st.tuples(
        st.booleans(),
        st.dictionaries(NAMES, st.tuples(st.integers(-3, 3), st.none() | st.integers(0, 99)), max_size=4),
    ),
    max_size=8,
)


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(BATCHES)
def test_batches_do_what_a_dict_would_do(
    store: OnlineStore, batches: list[tuple[bool, dict[str, tuple[int, int | None]]]]
) -> None:
    store.replace(TABLE, iter([]), at(0))
    model: dict[str, tuple[int, int]] = {}
    for number, (is_final, changes) in enumerate(batches, 1):
        store.write(
            TABLE,
            batch(*((name, *change) for name, change in changes.items()), is_final=is_final),
            at(number),
        )
        for name, (time, value) in changes.items():
            if value is None:
                model.pop(name, None)
            elif is_final or name not in model or model[name][0] <= time:
                model[name] = (time, value)
    expected = {key(name): row(name, time, value) for name, (time, value) in model.items()}
    assert dict(store.scan(TABLE.id)) == expected
    assert store.position(TABLE.id) == at(len(batches))


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(NAMES, st.integers(-5, 5), min_size=1), st.randoms(use_true_random=False))
def test_the_newest_row_wins_in_any_order(store: OnlineStore, newest: dict[str, int], random: Any) -> None:
    store.replace(TABLE, iter([]), at(0))
    rows = [(name, time, time) for name, last in newest.items() for time in range(-5, last + 1)]
    random.shuffle(rows)
    for one in rows:
        store.write(TABLE, batch(one), at(1))
    assert values(store, *newest) == list(newest.values())


# Several processes


def test_another_process_never_sees_half_a_write(
    store: OnlineStore, factory: Factory, tmp_path: Path
) -> None:
    store.write(TABLE, batch(("a", 0, 0), ("b", 0, 0)), at(0))
    writer = start(
        """
        for n in range(1, 201):
            store.write(TABLE, batch(("a", n, n), ("b", n, n)), at(n))
        """,
        factory,
        tmp_path,
    )
    with writer:
        while writer.poll() is None:
            a, b = values(store, "a", "b")
            assert a == b
    assert writer.returncode == 0
    assert values(store, "a", "b") == [200, 200]
    assert store.position(TABLE.id) == at(200)


def test_a_killed_writer_loses_nothing_acknowledged(
    store: OnlineStore, factory: Factory, tmp_path: Path
) -> None:
    code = """
        n = store.position(TABLE.id).number
        while True:
            n += 1
            store.write(TABLE, batch(("a", n, n), ("b", n, n), (f"k{n}", n, n)), at(n))
            print(n, flush=True)
        """
    store.write(TABLE, batch(("a", 0, 0), ("b", 0, 0)), at(0))
    acknowledged = 0
    for kill in range(10):
        with start(code, factory, tmp_path) as writer:
            assert writer.stdout is not None
            for _ in range(3 + kill):
                acknowledged = int(writer.stdout.readline())
            writer.send_signal(signal.SIGKILL)
            for line in writer.stdout.read().splitlines():
                acknowledged = int(line)
        a, b = values(store, "a", "b")
        assert a == b
        assert a in (acknowledged, acknowledged + 1)
        assert store.position(TABLE.id) == at(a)
        assert all(values(store, *(f"k{n}" for n in range(1, a + 1))))


def test_a_reader_sees_the_old_or_the_new_content(
    store: OnlineStore, factory: Factory, tmp_path: Path
) -> None:
    names = [f"k{n}" for n in range(50)]
    store.replace(TABLE, iter([batch(*((name, 0, 0) for name in names))]), at(0))
    writer = start(
        """
        names = [f"k{n}" for n in range(50)]
        for n in range(1, 26):
            parts = (batch(*((name, 0, n) for name in names[start::5])) for start in range(5))
            store.replace(TABLE, parts, at(n))
        """,
        factory,
        tmp_path,
    )
    with writer:
        while writer.poll() is None:
            assert len(set(values(store, *names))) == 1
            assert len({value_of(stored) for _, stored in store.scan(TABLE.id)}) == 1
    assert writer.returncode == 0
    assert set(values(store, *names)) == {25}


def test_a_table_made_by_another_process_is_seen(
    store: OnlineStore, factory: Factory, tmp_path: Path
) -> None:
    assert read(store, "a") == [None]
    assert run("store.ensure(OTHER); store.write(OTHER, batch(('a', 1, 5)), at(3))", factory, tmp_path) == 0
    assert value_of(read(store, "a", table=OTHER)[0]) == 5
    assert [value_of(stored) for _, stored in store.scan(OTHER.id)] == [5]
    assert run("store.drop(OTHER.id)", factory, tmp_path) == 0
    with pytest.raises(NotFoundError):
        read(store, "a", table=OTHER)


def test_parent_and_forked_child_both_work_on(store: OnlineStore) -> None:
    store.write(TABLE, batch(("a", 1, 1), ("b", 1, 1)), at(1))
    scan = store.scan(TABLE.id)
    next(scan)

    def child() -> None:
        assert values(store, "a") == [1]
        store.write(TABLE, batch(("a", 2, 2)), at(2))
        assert values(store, "a") == [2]
        with pytest.raises(StoreError, match="during a scan"):
            list(scan)

    assert in_child(child) == 0
    if store.capabilities.is_embedded:
        with pytest.raises(StoreError, match="closed during a scan"):
            list(scan)
    else:
        assert [one for one, _ in scan] == [key("b")]
    assert (values(store, "a"), store.position(TABLE.id)) == ([2], at(2))
    store.write(TABLE, batch(("a", 3, 3)), at(3))
    assert values(store, "a") == [3]


def test_threads_read_and_write_while_others_fork(store: OnlineStore) -> None:
    store.write(TABLE, batch(("a", 0, 0), ("b", 0, 0)), at(0))
    stop, failures = threading.Event(), []

    def reading() -> None:
        while not stop.is_set():
            a, b = values(store, "a", "b")
            if a != b:
                failures.append((a, b))

    def writing() -> None:
        number = 0
        while not stop.is_set():
            number += 1
            store.write(TABLE, batch(("a", number, number), ("b", number, number)), at(number))

    def guarded(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(work,)) for work in (reading, reading, writing)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(10):
            pid = os.fork()
            if pid == 0:
                try:
                    a, b = values(store, "a", "b")
                    os._exit(0 if a == b else 1)
                finally:
                    os._exit(2)
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    assert failures == []


def test_threads_drop_and_make_tables_while_others_read(store: OnlineStore) -> None:
    store.write(TABLE, batch(("a", 1, 1)), at(1))
    stop, failures = threading.Event(), []

    def reading() -> None:
        while not stop.is_set():
            try:
                if values(store, "a") != [1]:
                    failures.append("wrong value")
                for table in (OTHER.id, "t0", "t1"):
                    try:
                        if store.read([(table, key("a"))]) not in ([None], [row("a", 1, 2)]):
                            failures.append("wrong table")
                    except NotFoundError:
                        pass
            except BaseException as error:
                failures.append(error)

    thread = threading.Thread(target=reading)
    thread.start()
    for number in range(20):
        new = OnlineTable(id=f"t{number % 2}", name="new_1", key=TABLE.key, values=TABLE.values)
        store.ensure(new)
        store.replace(new, iter([batch(("a", 1, 2))]), at(1))
        store.drop(new.id)
    stop.set()
    thread.join()
    assert failures == []
