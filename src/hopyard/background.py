"""Work that nobody waits for: one thread per session, started when there is something to do."""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

IsStopping = Callable[[], bool]
Task = Callable[[IsStopping], None]
"""Called in the thread. It ends early when the function that it is given says so: the process wants to exit."""

EXIT_SECONDS = 2.0
_LOG = logging.getLogger("hopyard")


class Background:
    """Runs tasks one after the other in a daemon thread. Of several with one key that wait, only the first is run.

    Whatever a task raises is logged and disturbs nobody. At exit, a running task is asked to stop and is waited for
    for a moment at most; in a child after a fork, what the parent had begun is the parent's.
    """

    _thread: threading.Thread | None

    def __init__(self) -> None:
        self._start()

    def submit(self, key: str, task: Task) -> None:
        """Run a task soon, unless one with this key waits or runs."""
        if self._pid != os.getpid():
            self._start()
        with self._changed:
            if self._stopping or key in self._tasks:
                return
            self._tasks[key] = task
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="hopyard-background", daemon=True)
                self._thread.start()
                atexit.register(self._exit)

    @contextmanager
    def urgent(self, key: str) -> Iterator[None]:
        """Say, for the length of a with block, that a task waits for its turn: see `give_way`."""
        with self._changed:
            self._urgent.add(key)
        try:
            yield
        finally:
            with self._changed:
                self._urgent.discard(key)
                self._changed.notify_all()

    def give_way(self, key: str, *, timeout_seconds: float) -> None:
        """Let a task with this key that waits for its turn go first; returns at once if there is none."""
        if key not in self._urgent or self._pid != os.getpid():
            return
        with self._changed:
            self._changed.wait_for(lambda: key not in self._urgent, timeout_seconds)

    def wait(self, *, timeout_seconds: float) -> bool:
        """Wait until there is nothing left to do; False: there is, after so long. For tests."""
        if self._pid != os.getpid():
            return True
        with self._changed:
            return self._changed.wait_for(lambda: not self._tasks, timeout_seconds)

    def _start(self) -> None:
        self._pid = os.getpid()
        self._changed = threading.Condition()
        self._tasks: dict[str, Task] = {}
        self._urgent: set[str] = set()
        self._thread = None
        self._stopping = False

    def _run(self) -> None:
        while True:
            with self._changed:
                if not self._tasks or self._stopping:
                    self._thread = None
                    atexit.unregister(self._exit)
                    return
                key, task = next(iter(self._tasks.items()))
            try:
                task(lambda: self._stopping)
            except Exception:
                _LOG.warning(
                    "Work in the background failed (%s); it is tried again later.", key, exc_info=True
                )
            with self._changed:
                del self._tasks[key]
                self._changed.notify_all()

    def _exit(self) -> None:
        if self._pid != os.getpid():
            return
        self._stopping = True
        thread, deadline = self._thread, time.monotonic() + EXIT_SECONDS
        while thread is not None and thread.is_alive() and time.monotonic() < deadline:
            thread.join(0.05)
