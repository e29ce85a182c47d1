"""Child processes for tests that kill them: forked from a server that has imported everything and opened nothing.

To start one takes 20 ms instead of the second that an interpreter needs for the imports. Nothing of the server's own
may be open: delta-rs and DuckDB do not survive a fork, modules do.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Callable
from multiprocessing import forkserver
from multiprocessing.process import BaseProcess

_IMPORTED = ["pytest", "operations", "parity", "hopyard.connect", "hopyard.testing.store"]
_WAIT_SECONDS = 120
CONTEXT = multiprocessing.get_context("forkserver")


def start(target: Callable[..., None], *arguments: object) -> BaseProcess:
    """Start a child that calls a function of a module."""
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    try:
        CONTEXT.set_forkserver_preload(_IMPORTED)
        forkserver.ensure_running()
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before
    process = CONTEXT.Process(target=target, args=arguments)
    process.start()
    return process


def finish(process: BaseProcess) -> int:
    """Wait for a child to end, and return its exit code."""
    process.join(_WAIT_SECONDS)
    if process.exitcode is None:
        process.kill()
        process.join()
        raise AssertionError("a child did not end")
    return process.exitcode


def assert_killed(target: Callable[..., None], *arguments: object) -> None:
    """Run a child that kills itself."""
    assert finish(start(target, *arguments)) == -signal.SIGKILL
