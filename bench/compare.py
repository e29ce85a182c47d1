"""Compares two documents of one workload: `python -m bench.compare old.json new.json`.

Times of two runs differ with the machine and its other work. The ratios to the limit and to the peer, which were
measured beside each case, say more.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.ratios import case_of, time_ratio
from bench.report import number, table

COLUMNS = ["case", "median s", "before", "change", "x the limit", "before", "x the peer", "before"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the comparison and return the exit code: 0, or 2 when the documents cannot be compared."""
    parser = argparse.ArgumentParser(prog="python -m bench.compare")
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    options = parser.parse_args(arguments)
    old, new = (json.loads(path.read_text()) for path in (options.old, options.new))
    for what in ("format_version", "workload", "scale"):
        if old[what] != new[what]:
            sys.stderr.write(
                f"{options.old} and {options.new} differ in {what}: {old[what]} and {new[what]}. "
                f"Compare two runs of the same workload.\n"
            )
            return 2
    sys.stdout.write(compare(old, new) + "\n")
    return 0


def compare(old: dict[str, Any], new: dict[str, Any]) -> str:
    """Return a table in Markdown of all cases that are in both, and the names of the others."""
    names = [case["name"] for case in old["cases"]]
    there = [case["name"] for case in new["cases"]]
    rows = [_row(old, new, name) for name in there if name in names]
    only = [f"Only in the {which}: {name}" for which, name in _others(names, there)]
    return "\n".join([table(COLUMNS, rows), *([""] if only else []), *only])


def _others(old: list[str], new: list[str]) -> list[tuple[str, str]]:
    return [("old", name) for name in old if name not in new] + [
        ("new", name) for name in new if name not in old
    ]


def _row(old: dict[str, Any], new: dict[str, Any], name: str) -> list[str]:
    before, after = case_of(old, name), case_of(new, name)
    change = after["median_seconds"] / max(before["median_seconds"], 1e-9)
    return [
        name,
        number(after["median_seconds"]),
        number(before["median_seconds"]),
        f"{number(change)} x",
        *(_ratio(document, name, kind) for kind in ("limit", "peer") for document in (new, old)),
    ]


def _ratio(document: dict[str, Any], name: str, kind: str) -> str:
    case = case_of(document, name)
    return number(time_ratio(case, case_of(document, case[kind]))) if case[kind] else ""


if __name__ == "__main__":
    raise SystemExit(main())
