"""What every kind of lock must do: the rules of `ports.Locks`, each as a test."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import ExitStack
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from hopyard.errors import LockTimeoutError, StoreError
from hopyard.locks import FolderLocks
from hopyard.ports import Locks

SPAWN = multiprocessing.get_context("spawn")
LONG_SECONDS = 60.0
"""For what must succeed: never reached, unless a lock is lost."""


@pytest.fixture(params=[pytest.param(FolderLocks, id="folder")])
def locks(request: pytest.FixtureRequest, tmp_path: Path) -> Locks:
    kind: Callable[[Path], Locks] = request.param
    return kind(tmp_path / "locks")


def test_a_lock_can_be_held_again_and_again(locks: Locks) -> None:
    for _ in range(3):
        with locks.hold("weather_1", timeout_seconds=0):
            pass


def test_a_lock_is_released_when_the_block_raises(locks: Locks) -> None:
    with pytest.raises(ZeroDivisionError), locks.hold("weather_1", timeout_seconds=0):
        raise ZeroDivisionError
    with locks.hold("weather_1", timeout_seconds=0):
        pass


def test_different_names_do_not_wait_for_each_other(locks: Locks) -> None:
    names = ["a", "a/b", "a%2Fb", "a%b", "../a", ".", "..", "", "ü", "x" * 500, "x" * 501]
    with locks.hold(names[0], timeout_seconds=0):
        for name in names[1:]:
            with locks.hold(name, timeout_seconds=0):
                pass


@pytest.mark.parametrize("name", ["../../escape", "/absolute", "..", "a/b", "x" * 1000])
def test_any_text_can_be_a_name_and_none_leads_out_of_the_folder(name: str, tmp_path: Path) -> None:
    with FolderLocks(tmp_path / "locks").hold(name, timeout_seconds=0):
        files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [file.parent for file in files] == [tmp_path / "locks"]
    assert files[0].suffix == ".lock"


def test_a_lock_is_not_reentrant_and_the_error_says_that_this_process_has_it(locks: Locks) -> None:
    with (
        locks.hold("weather_1", timeout_seconds=0),
        pytest.raises(LockTimeoutError, match=rf"'weather_1'.*0\.01 s: this process \({os.getpid()}\)"),
        locks.hold("weather_1", timeout_seconds=0.01),
    ):
        raise AssertionError("held twice")


def test_a_timeout_names_the_process_that_holds_the_lock(tmp_path: Path) -> None:
    locks = FolderLocks(tmp_path)
    holder, pipe = _start_holder(tmp_path)
    with (
        pytest.raises(LockTimeoutError, match=f"process {holder.pid} holds it"),
        locks.hold("weather_1", timeout_seconds=0.05),
    ):
        raise AssertionError("held twice")
    pipe.send("release")
    with locks.hold("weather_1", timeout_seconds=LONG_SECONDS):
        pass
    holder.join()
    assert holder.exitcode == 0


def test_a_lock_is_free_after_its_holder_was_killed(tmp_path: Path) -> None:
    holder, _pipe = _start_holder(tmp_path)
    holder.kill()
    holder.join()
    assert holder.exitcode == -9
    with FolderLocks(tmp_path).hold("weather_1", timeout_seconds=0):
        pass


def test_two_processes_lose_no_increment(tmp_path: Path) -> None:
    counter = tmp_path / "counter"
    counter.write_text("0")
    with ProcessPoolExecutor(2, mp_context=SPAWN) as pool:
        for job in [pool.submit(_increment, FolderLocks(tmp_path / "locks"), counter, 200) for _ in range(2)]:
            job.result()
    assert counter.read_text() == "400"


def test_threads_of_one_process_lose_no_increment(locks: Locks, tmp_path: Path) -> None:
    counter = tmp_path / "counter"
    counter.write_text("0")
    start = threading.Barrier(4)

    def count(_: int) -> None:
        start.wait()
        _increment(locks, counter, 50)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(count, range(4)))
    assert counter.read_text() == "200"


def test_a_forked_child_that_leaves_the_block_does_not_release_its_parent_s_lock(locks: Locks) -> None:
    with ExitStack() as held:
        held.enter_context(locks.hold("weather_1", timeout_seconds=0))
        child = multiprocessing.get_context("fork").Process(target=held.close)
        child.start()
        child.join()
        assert child.exitcode == 0
        with pytest.raises(LockTimeoutError), locks.hold("weather_1", timeout_seconds=0):
            raise AssertionError("held twice")


def test_a_folder_that_cannot_be_made_is_a_store_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with (
        pytest.raises(StoreError, match=r"weather_1\.lock.*cannot be opened"),
        FolderLocks(tmp_path / "file" / "locks").hold("weather_1", timeout_seconds=0),
    ):
        raise AssertionError("held nothing")


def _start_holder(folder: Path) -> tuple[multiprocessing.process.BaseProcess, Connection]:
    """Return a process that holds the lock until it is told to release it."""
    ours, theirs = SPAWN.Pipe()
    holder = SPAWN.Process(target=_hold, args=(FolderLocks(folder), theirs))
    holder.start()
    theirs.close()
    assert ours.recv() == "held"
    return holder, ours


def _hold(locks: Locks, pipe: Connection) -> None:
    with locks.hold("weather_1", timeout_seconds=LONG_SECONDS):
        pipe.send("held")
        pipe.recv()


def _increment(locks: Locks, counter: Path, n_times: int) -> None:
    for _ in range(n_times):
        with locks.hold("counter", timeout_seconds=LONG_SECONDS):
            counter.write_text(str(int(counter.read_text()) + 1))
