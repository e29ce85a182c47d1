"""What a newcomer waits for and stores: the import, and the packages of an installation."""

from __future__ import annotations

import importlib.metadata as metadata
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bench import machine
from bench.harness import GB, Case, Outcome, main
from bench.peers import with_feast

N_STARTS = 3
FEAST = "feast[duckdb,redis]"


@dataclass(slots=True)
class Start:
    """An import in a Python of its own, and the distribution that it comes from."""

    python: str
    code: str
    distribution: str


def setup(folder: Path, *, python: str, code: str, distribution: str = "") -> Start:
    _seconds(python, code)
    return Start(python, code, distribution)


def start(state: Start) -> Outcome:
    """Start Python with the import, and without it; the figure is the difference of the medians."""
    with_it, bare = [], []
    for _ in range(N_STARTS):
        bare.append(_seconds(state.python, "pass"))
        with_it.append(_seconds(state.python, state.code))
    figures = {"ms over bare Python": (statistics.median(with_it) - statistics.median(bare)) * 1000}
    if state.distribution:
        n_bytes, n_packages = machine.asked(
            state.python, "from bench.start import installed_bytes as answer", state.distribution
        )
        figures |= {"installed MB": n_bytes / 1e6, "installed packages": n_packages}
    return Outcome(N_STARTS, [seconds * 1e6 for seconds in with_it], figures)


def _seconds(python: str, code: str) -> float:
    began = time.perf_counter()
    # -E: PYTHONPATH has the packages of the bench, which another virtual environment must not meet.
    subprocess.run([python, "-E", "-c", code], check=True, capture_output=True)
    return time.perf_counter() - began


def installed_bytes(distribution: str) -> tuple[int, int]:
    """Return the bytes of the files of a distribution and all that it needs, and how many distributions these are.

    Args:
        distribution: its name, with extras in brackets if these count.
    """
    found: dict[str, int] = {}
    waiting = [_parsed(distribution)]
    seen = set()
    while waiting:
        name, extras = waiting.pop()
        if (name, extras) in seen:
            continue
        seen.add((name, extras))
        try:
            package = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue  # for another system or Python
        found[name] = sum(_bytes(package, file) for file in package.files or ())
        waiting += list(_needed(package, extras))
    return sum(found.values()), len(found)


def _bytes(package: metadata.Distribution, file: metadata.PackagePath) -> int:
    path = Path(str(package.locate_file(file)))
    return path.stat().st_size if path.is_file() else 0


def _needed(package: metadata.Distribution, extras: tuple[str, ...]) -> Iterator[tuple[str, tuple[str, ...]]]:
    for line in package.requires or ():
        requirement, _, marker = line.partition(";")
        asked = re.findall(r"extra\s*==\s*['\"]([^'\"]+)['\"]", marker)
        if not asked or any(extra in extras for extra in asked):
            yield _parsed(requirement)


def _parsed(requirement: str) -> tuple[str, tuple[str, ...]]:
    found = re.match(r"\s*([\w.-]+)\s*(?:\[([^]]*)\])?", requirement)
    assert found is not None, requirement
    extras = tuple(extra.strip() for extra in (found[2] or "").split(",") if extra.strip())
    return re.sub(r"[-_.]+", "-", found[1]).lower(), extras


def _cases() -> Iterator[Case]:
    make: Callable[..., Case] = partial(Case, run=start, memory_bytes=GB // 2, disk_bytes=0)
    peer = None
    if with_feast.is_there():
        peer = "import feast"
        yield make(peer, partial(setup, python=with_feast.PYTHON, code="import feast", distribution=FEAST))
    yield make(
        "import hopyard",
        partial(setup, python=sys.executable, code="import hopyard", distribution="hopyard"),
        peer=peer,
    )
    yield make(
        "import hopyard.online",
        partial(setup, python=sys.executable, code="import hopyard.online"),
        peer=peer,
    )


CASES = tuple(_cases())

if __name__ == "__main__":
    raise SystemExit(main("bench.start"))
