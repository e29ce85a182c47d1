"""Measures cases beside each other: each in a process of its own, their runs interleaved.

A workload is a module `bench/<name>.py` with a tuple `CASES` and, at its end:

    if __name__ == "__main__":
        raise SystemExit(main("bench.<name>"))

The parent starts one worker process per case, which sets the case up in a temporary folder and then waits. The parent
asks the workers for one run after the other (case A, case B, case A, ...), so that a disturbance of the machine meets
all cases alike, and samples the memory of the worker's process tree meanwhile. Parent and workers talk in JSON lines.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from bench import machine, report
from bench.data import SCALE

GB = 1024**3
SAMPLE_SECONDS = 0.02
ROOT = Path(__file__).parents[1]
BUILD = "build"
"""The last argument of a worker that only makes what its case shares with others."""


class BenchError(Exception):
    """A run that cannot start or that failed; the message says why."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run may return instead of its number of rows: also how long each single operation took.

    `figures` are shown below the table, by a name that says their unit; the median over the runs.
    """

    n_rows: int
    latencies_us: Sequence[float] = ()
    figures: Mapping[str, float] = field(default_factory=dict)


def _nothing(state: Any) -> None:
    """The teardown of a case that needs none: the folder is removed anyway."""


@dataclass(frozen=True, slots=True)
class Home:
    """Where the process of a case runs, if not in this virtual environment, and what it finds there."""

    peer: str
    python: str
    module: str
    case: str


@dataclass(frozen=True, slots=True)
class Case:
    """One thing to measure. Only `run` is timed.

    Attributes:
        name: unique in its workload.
        setup: gets an empty folder (and, after it, the folder of `shared`), returns the state that `run` gets.
        run: does the work once; returns how many rows it handled, or an Outcome.
        teardown: closes what `setup` opened.
        limit: the name of the case that does the least that this work takes, and that this one is compared with.
        peer: the name of the case that does this work in another program, and that this one is compared with.
        is_fresh: set up and tear down around every run, for work that changes its state.
        shared: fills an empty folder with what several cases only read. It runs once, in a process of its own, before
            all cases are set up; those with the same function have the same folder.
        memory_bytes, disk_bytes: what the case needs at its peak; the run is refused where they are not free.
        idle_bytes: what of the memory stays taken while another case runs; None: all of it.
        block: cases of one block run beside each other, the blocks of a workload one after the other: large ones need
            not live at once. Cases that are compared are in one block.
        family: what is measured in several sizes; the growth of its time over them is reported.
        family_size: the size of this case among them; None: the rows that it handles.
        home: the module of another program's cases and the name of this one there, with the interpreter that can
            import it, for a peer in a virtual environment of its own.
    """

    name: str
    setup: Callable[..., Any]
    run: Callable[[Any], int | Outcome]
    teardown: Callable[[Any], None] = _nothing
    limit: str | None = None
    peer: str | None = None
    is_fresh: bool = False
    shared: Callable[[Path], None] | None = None
    memory_bytes: int = GB // 4
    disk_bytes: int = GB // 4
    idle_bytes: int | None = None
    block: str = ""
    family: str = ""
    family_size: int | None = None
    home: Home | None = None

    @property
    def beside(self) -> tuple[str, ...]:
        """The names of the cases that this one is compared with."""
        return tuple(name for name in (self.limit, self.peer) if name is not None)


@dataclass(slots=True)
class Result:
    """The measurements of one case, one entry per run; `peak_bytes` is the most of all runs, warm-up included."""

    case: Case
    n_rows: int = 0
    seconds: list[float] = field(default_factory=list)
    p50_us: list[float] = field(default_factory=list)
    p99_us: list[float] = field(default_factory=list)
    figures: dict[str, list[float]] = field(default_factory=dict)
    peak_bytes: int = 0

    def to_json(self) -> dict[str, Any]:
        """Return the figures as JSON: of each run, and their median."""
        median = statistics.median(self.seconds)
        return {
            "name": self.case.name,
            "n_rows": self.n_rows,
            "median_seconds": median,
            "min_seconds": min(self.seconds),
            "max_seconds": max(self.seconds),
            "rows_per_second": self.n_rows / max(median, 1e-9),
            "p50_us": statistics.median(self.p50_us) if self.p50_us else None,
            "p99_us": statistics.median(self.p99_us) if self.p99_us else None,
            "figures": {name: statistics.median(values) for name, values in self.figures.items()},
            "peak_bytes": self.peak_bytes,
            "limit": self.case.limit,
            "peer": self.case.peer,
            "family": self.case.family,
            "family_size": self.case.family_size or self.n_rows,
            "seconds": self.seconds,
            "p50_us_of_runs": self.p50_us,
            "p99_us_of_runs": self.p99_us,
        }


def main(module: str, arguments: Sequence[str] | None = None) -> int:
    """Run a workload from the command line and return the exit code: 0, 2 when it was refused, 1 when it failed.

    Args:
        module: the workload's module, such as "bench.first_path".
        arguments: instead of those of the command line.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {module}")
    parser.add_argument("--runs", type=int, default=5, help="timed runs of each case")
    parser.add_argument("--warm-ups", type=int, default=1, help="runs before them, not counted")
    parser.add_argument(
        "--case", action="append", help="only cases whose name contains this; may be repeated"
    )
    parser.add_argument("--folder", type=Path, help="where the temporary folder is made")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--markdown", type=Path, metavar="FILE")
    options = parser.parse_args(arguments)
    if options.runs < 1 or options.warm_ups < 0:
        parser.error("--runs must be at least 1 and --warm-ups at least 0")
    before = signal.signal(signal.SIGTERM, _interrupt)
    try:
        document = measure(
            module,
            names=options.case or (),
            runs=options.runs,
            warm_ups=options.warm_ups,
            folder=options.folder,
        )
    except BenchError as error:
        sys.stderr.write(f"{error}\n")
        return 2 if isinstance(error, RefusedError) else 1
    except KeyboardInterrupt:
        sys.stderr.write("Interrupted; every process has ended and the temporary folder is gone.\n")
        return 130
    finally:
        signal.signal(signal.SIGTERM, before)
    text = report.to_markdown(document)
    sys.stdout.write(text)
    if options.json:
        options.json.write_text(json.dumps(document, indent=2) + "\n")
    if options.markdown:
        options.markdown.write_text(text)
    return 0


class RefusedError(BenchError):
    """The machine lacks the memory or the disk that a case declares."""


def measure(
    module: str,
    *,
    names: Sequence[str] = (),
    runs: int = 5,
    warm_ups: int = 1,
    folder: Path | None = None,
) -> dict[str, Any]:
    """Return the measurements of a workload as a JSON document.

    Args:
        names: measure only the cases whose name contains one of these, and those that they are compared with.
    Raises:
        RefusedError: memory or disk is short.
        BenchError: a case failed, or a name fits none.
    """
    all_cases = cases_of(module)
    cases = choose(all_cases, names)
    root = Path(folder or tempfile.gettempdir())
    check_needs(cases, root)
    results = {case.name: Result(case) for case in cases}
    for block in blocks(cases):
        with tempfile.TemporaryDirectory(prefix="hopyard-bench-", dir=root) as place, ExitStack() as stack:
            shared = _build(module, block, Path(place))
            workers = [
                stack.enter_context(Worker(module, case, place, shared.get(case.shared))) for case in block
            ]
            for round_ in range(-warm_ups, runs):
                for worker in workers:
                    worker.run_once(results[worker.case.name], is_counted=round_ >= 0)
    return {
        "format_version": 2,
        "workload": module,
        "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "runs": runs,
        "warm_ups": warm_ups,
        "scale": SCALE,
        "machine": asdict(machine.describe()),
        "versions": machine.versions(),
        "peers": {home.peer: machine.versions_in(home.python) for home in {c.home for c in cases if c.home}},
        "cases": [result.to_json() for result in results.values()],
    }


def cases_of(module: str) -> tuple[Case, ...]:
    """Return the cases of a workload. Raises BenchError when they contradict each other."""
    cases: tuple[Case, ...] = tuple(importlib.import_module(module).CASES)
    names = [case.name for case in cases]
    if len(set(names)) != len(names):
        raise BenchError(f"{module} has two cases of one name: {', '.join(names)}.")
    for case in cases:
        before = [c.name for c in cases[: names.index(case.name)] if c.block == case.block]
        if missing := [name for name in case.beside if name not in before]:
            raise BenchError(
                f"{case.name!r} is compared with {missing[0]!r}, which must stand before it in its block; there are: "
                f"{', '.join(names)}."
            )
    return cases


def blocks(cases: Sequence[Case]) -> list[list[Case]]:
    """Return the cases block by block, in the order of their first ones."""
    return [
        [case for case in cases if case.block == block] for block in dict.fromkeys(c.block for c in cases)
    ]


def choose(cases: Sequence[Case], names: Sequence[str]) -> list[Case]:
    """Return the cases whose name contains one of `names` (none: all) and those that they are compared with."""
    if not names:
        return list(cases)
    wanted = {case.name for case in cases if any(name in case.name for name in names)}
    if not wanted:
        raise BenchError(
            f"No case is named like {', '.join(names)}. There are: {', '.join(c.name for c in cases)}."
        )
    for case in reversed(cases):  # a case stands after those that it is compared with
        wanted |= set(case.beside) if case.name in wanted else set()
    return [case for case in cases if case.name in wanted]


def check_needs(cases: Sequence[Case], folder: Path) -> None:
    """Raise RefusedError when less memory or disk is free than the cases need together: their states live at once."""
    needs = [_needs(block) for block in blocks(cases)]
    memory, disk = (max(need[at] for need in needs) for at in (0, 1))
    for what, needed, free in (
        ("memory", memory, machine.free_memory_bytes()),
        (f"disk in {folder}", disk, shutil.disk_usage(folder).free),
    ):
        if free < needed:
            raise RefusedError(
                f"Not started: the cases need {needed / GB:.2f} GB of {what}, and {free / GB:.2f} GB are free. "
                f"Choose fewer with --case, or another place with --folder."
            )


def _needs(cases: Sequence[Case]) -> tuple[int, int]:
    """Return the memory and the disk of cases that live at once, of which one runs."""
    idle = [case.memory_bytes if case.idle_bytes is None else case.idle_bytes for case in cases]
    at_work = max(case.memory_bytes - own for case, own in zip(cases, idle, strict=True))
    return sum(idle) + at_work, sum(case.disk_bytes for case in cases)


def _build(module: str, cases: Sequence[Case], folder: Path) -> dict[object, Path]:
    """Let processes fill the folders that cases share; return them by what fills them. Raises BenchError."""
    folders: dict[object, Path] = {}
    for case in cases:
        if case.shared is None or case.shared in folders:
            continue
        folders[case.shared] = path = folder / f"shared-{len(folders)}"
        path.mkdir()
        built = subprocess.run(
            [sys.executable, "-m", "bench.worker", module, case.name, str(path), BUILD],
            env=_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if built.returncode:
            raise BenchError(
                f"{case.name}: what it shares with other cases could not be built.\n{built.stdout}"
            )
    return folders


def _environment(home: Home | None = None) -> dict[str, str]:
    """Return the environment of a process; another interpreter gets none of the packages of this one."""
    paths = [str(ROOT)] if home else [path for path in sys.path if path]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


class Worker:
    """A case in its own process, which starts with the with block and is gone after it, whatever happens."""

    def __init__(self, module: str, case: Case, folder: str, shared: Path | None) -> None:
        self.case = case
        python, name = sys.executable, case.name
        if case.home is not None:
            python, module, name = case.home.python, case.home.module, case.home.case
        self._arguments = [python, "-m", "bench.worker", module, name, folder]
        self._arguments += [str(shared)] if shared else []

    def __enter__(self) -> Worker:
        # A session of its own: Ctrl-C reaches only the parent, which then ends the whole group of each worker.
        self.process = subprocess.Popen(
            self._arguments,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=_environment(self.case.home),
            # Peers talk much; why one failed is in its answer.
            stderr=subprocess.DEVNULL if self.case.home else None,
            text=True,
            start_new_session=True,
        )
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        assert self.process.stdin is not None and self.process.stdout is not None
        with suppress(OSError):
            self.process.stdin.close()  # the worker tears down and ends
        if kind is None:
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout=30)
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)  # also what the case itself has started
        self.process.wait()
        self.process.stdout.close()

    def run_once(self, result: Result, *, is_counted: bool) -> None:
        """Let the worker run its case once and add what was measured to `result`. Raises BenchError."""
        assert self.process.stdin is not None and self.process.stdout is not None
        with machine.PeakMemory(self.process.pid, every_seconds=SAMPLE_SECONDS) as memory:
            try:
                self.process.stdin.write("run\n")
                self.process.stdin.flush()
                line = self.process.stdout.readline()
            except BrokenPipeError:  # it failed before it was asked, and may have said why
                line = self.process.stdout.readline()
        if not line:
            raise BenchError(f"{self.case.name}: its process ended with exit code {self.process.wait()}.")
        reply = json.loads(line)
        if "error" in reply:
            raise BenchError(f"{self.case.name} failed:\n{reply['error']}")
        result.peak_bytes = max(result.peak_bytes, memory.peak_bytes, reply["peak_bytes"])
        if not is_counted:
            return
        if result.seconds and result.n_rows != reply["n_rows"]:
            raise BenchError(
                f"{self.case.name} handled {reply['n_rows']} rows, and {result.n_rows} in the run before: "
                f"every run must do the same work."
            )
        result.n_rows = reply["n_rows"]
        result.seconds.append(reply["seconds"])
        if reply["p50_us"] is not None:
            result.p50_us.append(reply["p50_us"])
            result.p99_us.append(reply["p99_us"])
        for name, value in reply["figures"].items():
            result.figures.setdefault(name, []).append(value)


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt
