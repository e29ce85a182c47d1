"""The process of one case: sets it up, runs it once for each line on standard input, answers in JSON lines.

With `build` as its last argument it only makes what the case shares with others; otherwise that argument is, if there
is one, the folder with what was made.
"""

from __future__ import annotations

import gc
import json
import os
import statistics
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench import machine
from bench.harness import BUILD, Case, Outcome, cases_of


def build(module: str, name: str, folder: Path) -> None:
    """Fill a folder with what the case shares with others."""
    case = _case(module, name)
    assert case.shared is not None
    case.shared(folder)


def serve(module: str, name: str, folder: Path, shared: list[Path]) -> None:
    """Answer every line of standard input with one run of the case, until the input ends."""
    # What a case writes to standard output must not mix with the answers.
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w", buffering=1)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    try:
        with _runs(_case(module, name), folder, shared) as run:
            for _ in sys.stdin:
                answers.write(json.dumps(run()) + "\n")
    except Exception:
        answers.write(json.dumps({"error": traceback.format_exc()}) + "\n")
        raise SystemExit(1) from None


def _case(module: str, name: str) -> Case:
    return next(case for case in cases_of(module) if case.name == name)


@contextmanager
def _state(case: Case, folder: Path, shared: list[Path]) -> Any:
    with tempfile.TemporaryDirectory(prefix="case-", dir=folder) as own:
        state = case.setup(Path(own), *shared)
        try:
            yield state
        finally:
            case.teardown(state)


@contextmanager
def _runs(case: Case, folder: Path, shared: list[Path]) -> Any:
    """Give a function that runs the case once."""
    if case.is_fresh:

        def run() -> dict[str, Any]:
            with _state(case, folder, shared) as state:
                return _timed(case.run, state)

        yield run
    else:
        with _state(case, folder, shared) as state:
            yield lambda: _timed(case.run, state)


def _timed(work: Callable[[Any], int | Outcome], state: Any) -> dict[str, Any]:
    gc.collect()
    machine.reset_peak()
    started = time.perf_counter_ns()
    done = work(state)
    seconds = (time.perf_counter_ns() - started) / 1e9
    outcome = done if isinstance(done, Outcome) else Outcome(done)
    p50 = p99 = None
    if len(outcome.latencies_us) >= 2:
        cuts = statistics.quantiles(outcome.latencies_us, n=100, method="inclusive")
        p50, p99 = cuts[49], cuts[98]
    return {
        "n_rows": outcome.n_rows,
        "seconds": seconds,
        "p50_us": p50,
        "p99_us": p99,
        "figures": dict(outcome.figures),
        "peak_bytes": machine.own_peak_bytes(),
    }


if __name__ == "__main__":
    module, name, folder, *others = sys.argv[1:]
    if others == [BUILD]:
        build(module, name, Path(folder))
    else:
        serve(module, name, Path(folder), [Path(other) for other in others])
