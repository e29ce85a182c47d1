"""Facts about this machine and the memory of processes, from /proc where there is one."""

from __future__ import annotations

import json
import os
import platform
import resource
import subprocess
import sys
import threading
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PROC = Path("/proc")
PACKAGES = [
    "hopyard",
    "pyarrow",
    "deltalake",
    "duckdb",
    "lmdb",
    "numpy",
    "msgspec",
    "sqlalchemy",
    "polars",
    "pandas",
    "redis",
    "feast",
    "ibis-framework",
]


@dataclass(frozen=True, slots=True)
class Machine:
    """What a reader must know to judge the figures. `cores` are those that this process may use."""

    system: str
    processor: str
    cores: int
    memory_bytes: int
    python: str


def describe() -> Machine:
    """Return the facts about this machine."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return Machine(
        system=f"{platform.system()} {platform.machine()}",
        processor=_processor(),
        cores=cores,
        memory_bytes=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        python=platform.python_version(),
    )


def versions() -> dict[str, str]:
    """Return the versions of the packages that matter and are installed."""
    found = {}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def versions_in(python: str) -> dict[str, str]:
    """Return the same of the virtual environment of another interpreter, where `bench` can be imported."""
    found: dict[str, str] = asked(python, "from bench.machine import versions as answer")
    return found


def asked(python: str, program: str, *arguments: str) -> Any:
    """Return what the function `answer` of a program returns for the arguments, in another interpreter, as JSON."""
    program += "; import json, sys; print(json.dumps(answer(*sys.argv[1:])))"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    found = subprocess.run(
        [python, "-c", program, *arguments], env=environment, capture_output=True, text=True, check=True
    )
    return json.loads(found.stdout)


def free_memory_bytes() -> int:
    """Return the memory that can be had without swapping, within the limit of this control group."""
    if not (PROC / "meminfo").exists():
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    free = _kilobytes(PROC / "meminfo", "MemAvailable")
    group = Path("/sys/fs/cgroup")
    try:
        limit, used = (group / "memory.max").read_text(), (group / "memory.current").read_text()
    except OSError:
        return free
    return free if limit.strip() == "max" else min(free, int(limit) - int(used))


def reset_peak() -> None:
    """Let the kernel count this process's peak anew, where it can."""
    try:
        (PROC / "self" / "clear_refs").write_text("5")
    except OSError:
        return  # without /proc the peak is that of the whole life of the process


def own_peak_bytes() -> int:
    """Return this process's peak resident memory: exact, since `reset_peak` on Linux, of its life elsewhere."""
    if (PROC / "self" / "status").exists():
        return _kilobytes(PROC / "self" / "status", "VmHWM")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


def tree_bytes(pid: int) -> int:
    """Return the resident memory of a process and all its descendants now; shared pages count in each."""
    total, waiting = 0, [pid]
    while waiting:
        process = PROC / str(waiting.pop())
        try:
            total += _kilobytes(process / "status", "VmRSS")
            for task in (process / "task").iterdir():
                waiting += [int(child) for child in (task / "children").read_text().split()]
        except OSError:
            continue  # it ended meanwhile
    return total


class PeakMemory:
    """Samples the memory of a process tree during a with block; afterwards `peak_bytes` is the most that was seen.

    A sample can miss a short peak of a single process, so the caller adds that process's own count.
    """

    def __init__(self, pid: int, *, every_seconds: float) -> None:
        self.peak_bytes = 0
        self._pid, self._every, self._done = pid, every_seconds, threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)

    def __enter__(self) -> PeakMemory:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _sample(self) -> None:
        while True:
            self.peak_bytes = max(self.peak_bytes, tree_bytes(self._pid))
            if self._done.wait(self._every):
                return


def _kilobytes(path: Path, name: str) -> int:
    """Return a line such as `VmRSS:  12 kB` of a file in /proc, in bytes; 0 when it is not there."""
    for line in path.read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    return 0


def _processor() -> str:
    try:
        lines = (PROC / "cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
