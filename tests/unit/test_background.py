"""Work in the background: one thread, one task per key, errors that disturb nobody, nothing left to a fork."""

from __future__ import annotations

import multiprocessing
import threading
import time

import pytest

from hopyard.background import Background, IsStopping

FORK = multiprocessing.get_context("fork")


def test_tasks_run_one_after_the_other_in_another_thread() -> None:
    background, ran = Background(), []

    def note(name: str) -> None:
        background.submit(name, lambda _: ran.append((name, threading.current_thread().name)))

    for name in "abc":
        note(name)
    assert background.wait(timeout_seconds=10)
    assert ran == [(name, "hopyard-background") for name in "abc"]
    note("d")
    assert background.wait(timeout_seconds=10)
    assert len(ran) == 4, "it begins again when the thread has ended"


def test_of_several_with_one_key_one_runs() -> None:
    background, ran, begun, go_on = Background(), [], threading.Event(), threading.Event()

    def first(_: IsStopping) -> None:
        begun.set()
        go_on.wait(10)
        ran.append("first")

    background.submit("key", first)
    begun.wait(10)
    background.submit("key", lambda _: ran.append("second"))
    assert not background.wait(timeout_seconds=0.01)
    go_on.set()
    assert background.wait(timeout_seconds=10)
    assert ran == ["first"]
    background.submit("key", lambda _: ran.append("third"))
    assert background.wait(timeout_seconds=10)
    assert ran == ["first", "third"]


def test_an_error_is_logged_and_the_next_task_runs(caplog: pytest.LogCaptureFixture) -> None:
    background, ran = Background(), []

    def fail(_: IsStopping) -> None:
        raise ValueError("spilt")

    background.submit("a", fail)
    background.submit("b", lambda _: ran.append("b"))
    assert background.wait(timeout_seconds=10)
    assert ran == ["b"]
    assert "spilt" in caplog.text


def test_who_gives_way_waits_for_what_is_urgent_only() -> None:
    background, order, begun = Background(), [], threading.Event()
    background.give_way("key", timeout_seconds=10)  # nothing is urgent: at once

    def task(_: IsStopping) -> None:
        with background.urgent("key"):
            begun.set()
            time.sleep(0.05)
            order.append("task")

    background.submit("x", task)
    begun.wait(10)
    background.give_way("other", timeout_seconds=10)
    background.give_way("key", timeout_seconds=10)
    order.append("writer")
    assert order == ["task", "writer"]


def in_child(background: Background) -> None:
    ran: list[str] = []
    background.give_way("key", timeout_seconds=10)
    background.submit("key", lambda _: ran.append("child"))
    assert background.wait(timeout_seconds=10)
    assert ran == ["child"]


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_has_a_thread_of_its_own() -> None:
    background, go_on = Background(), threading.Event()
    background.submit("key", lambda _: go_on.wait(10))
    child = FORK.Process(target=in_child, args=(background,))
    child.start()
    child.join(30)
    assert child.exitcode == 0
    go_on.set()
    assert background.wait(timeout_seconds=10)
