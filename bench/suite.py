"""All workloads one after the other, each in a process of its own: `python -m bench.suite [--quick]`.

Results are written as <workload>.json and <workload>.md, and targets.md says what was reached. A workload that fails or
is refused is named at the end and does not stop the others.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench import targets
from bench.harness import ROOT
from bench.peers import with_feast

RESULTS = ROOT / "bench" / "results"
QUICK_SCALE = "0.05"


@dataclass(frozen=True, slots=True)
class Entry:
    """A workload of the suite: whether a warm-up is run (its cases have none of their own), and its quick cases."""

    workload: str
    warm_ups: int = 1
    quick: tuple[str, ...] | None = ()
    """The cases of a quick run; (): all; None: the workload is left out of it."""


SUITE = (
    Entry("start"),
    Entry("insert"),
    Entry("write", quick=("new rows", "recent")),
    Entry("commits", warm_ups=0),
    Entry("pit", warm_ups=0, quick=("small", "medium", "skewed")),
    Entry("shapes", warm_ups=0, quick=("read", "3 groups, 500k")),
    Entry("online", quick=("int key, 1 group", "int key, 3 group", "load")),
    Entry("served", quick=("redis", "postgres")),
    Entry("feast"),
    Entry("freshness"),
    Entry("history", quick=None),
    Entry("growth", quick=None),
    Entry("statistics", quick=("SUMMARIZE", "Hopyard")),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the suite; return 0, 130 after Ctrl-C, or 1 when a workload failed or was refused."""
    parser = argparse.ArgumentParser(prog="python -m bench.suite")
    parser.add_argument("--quick", action="store_true", help="small sizes, fewer cases, into results/local")
    parser.add_argument("--runs", type=int, default=5, help="timed runs of each case, at least 5 for results")
    parser.add_argument("--only", action="append", help="only this workload; may be repeated")
    parser.add_argument("--folder", type=Path, help="where temporary folders are made")
    parser.add_argument("--results", type=Path, help="where results are written")
    options = parser.parse_args(arguments)
    results = options.results or (RESULTS / "local" if options.quick else RESULTS)
    results.mkdir(parents=True, exist_ok=True)
    if not with_feast.is_there():
        sys.stderr.write("Feast is not installed, its cases are left out: `make bench-peers` installs it.\n")
    failed = []
    for entry in SUITE:
        if (options.only and entry.workload not in options.only) or (options.quick and entry.quick is None):
            continue
        started = time.monotonic()
        code = _run(entry, options, results)
        sys.stderr.write(f"{entry.workload}: {time.monotonic() - started:.0f} s, exit code {code}\n")
        if code == 130:
            return code
        failed += [entry.workload] if code else []
    text = targets.to_markdown(targets.read(results))
    (results / "targets.md").write_text(text)
    sys.stdout.write(text)
    if failed:
        sys.stderr.write(f"No results of: {', '.join(failed)}.\n")
    return 1 if failed else 0


def _run(entry: Entry, options: argparse.Namespace, results: Path) -> int:
    files = [
        f"{kind}={results / entry.workload}.{end}" for kind, end in (("--json", "json"), ("--markdown", "md"))
    ]
    arguments = [sys.executable, "-m", f"bench.{entry.workload}", *files, f"--runs={options.runs}"]
    arguments += [f"--warm-ups={entry.warm_ups}"]
    arguments += [f"--folder={options.folder}"] if options.folder else []
    environment = dict(os.environ)
    if options.quick:
        arguments += [f"--case={name}" for name in entry.quick or ()]
        environment["HOPYARD_BENCH_SCALE"] = QUICK_SCALE
    process = subprocess.Popen(arguments, env=environment, cwd=ROOT)
    try:
        return process.wait()
    except KeyboardInterrupt:
        process.wait()  # Ctrl-C reached it, too: it ends what it started
        return 130


if __name__ == "__main__":
    raise SystemExit(main())
