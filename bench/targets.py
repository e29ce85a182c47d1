"""What Hopyard is to reach, against the documents of a full run: `python -m bench.targets bench/results`.

A target compares two cases of one document, or reads a figure of one case. A missed target is no failure of the run.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.ratios import Json, case_of, memory_ratio, time_ratio
from bench.report import number, table

COLUMNS = ["work", "beside", "target", "measured", ""]


@dataclass(frozen=True, slots=True)
class Target:
    """One thing to reach.

    Attributes:
        work: what people call it.
        workload: the document that it is measured in.
        case: ours.
        beside: the case that it is compared with; "": nothing, `measure` reads a figure.
        measure: gets the two cases (the first one twice if there is no other).
        bound: the value that `measure` must not go over; or under, if `is_least`.
        unit: what follows the value.
    """

    work: str
    workload: str
    case: str
    beside: str
    bound: float
    measure: Callable[[Json, Json], float] = time_ratio
    is_least: bool = False
    unit: str = "x"


def speed_up(case: Json, other: Json) -> float:
    """Return how many times as fast `case` is as `other`."""
    return 1 / time_ratio(case, other)


def figure(name: str) -> Callable[[Json, Json], float]:
    """Return what reads a figure of the case."""
    return lambda case, other: float(case["figures"][name])


def figure_ratio(name: str) -> Callable[[Json, Json], float]:
    """Return what compares a figure of two cases."""
    return lambda case, other: float(case["figures"][name] / other["figures"][name])


def start_speed_up(case: Json, other: Json) -> float:
    """Return how many times as long as ours another import takes, over bare Python."""
    return 1 / figure_ratio("ms over bare Python")(case, other)


def p99_ratio(case: Json, other: Json) -> float:
    """Return the ratio of the p99s."""
    return float(case["p99_us"] / other["p99_us"])


def microseconds(name: str) -> Callable[[Json, Json], float]:
    """Return what reads a latency of the case."""
    return lambda case, other: float(case[name])


def rows_per_second(case: Json, other: Json) -> float:
    """Return thousands of rows a second."""
    figures = case["figures"]
    return float(figures.get("rows/s without making the rows", case["rows_per_second"])) / 1000


def seconds(case: Json, other: Json) -> float:
    """Return the seconds of a run."""
    return float(case["median_seconds"])


def _targets() -> Iterator[Target]:
    start = ("start", "import hopyard")
    yield Target("import hopyard", *start, "import feast", 30, start_speed_up, is_least=True, unit="x faster")
    yield Target(
        "import hopyard, over bare Python", *start, "", 100, figure("ms over bare Python"), unit="ms"
    )
    online = ("start", "import hopyard.online", "", 60, figure("ms over bare Python"))
    yield Target("import hopyard.online, over bare Python", *online, unit="ms")
    yield Target("install, base", *start, "", 520, figure("installed MB"), unit="MB")
    yield Target("install, base", *start, "import feast", 1, figure_ratio("installed MB"))
    for size in ("small, 100k x 1M", "medium, 1M x 10M"):
        ours = (f"point-in-time, {size}", "pit", f"{size}: Hopyard")
        yield Target(*ours, f"{size}: Feast", 3, speed_up, is_least=True, unit="x faster")
        yield Target(*ours, f"{size}: Feast", 0.6, memory_ratio, unit="x the memory")
        yield Target(*ours, f"{size}: DuckDB, late by hand", 1.1)
        yield Target(*ours, f"{size}: scan of the columns", 2.7)
    look = "statistics of 10M x 13"
    yield Target(look, "statistics", f"{look}: Hopyard", f"{look}: DuckDB SUMMARIZE", 1.5)
    update = f"{look}, after a commit of 10k"
    yield Target(update, "statistics", f"{update}: Hopyard", "", 0.3, seconds, unit="s")
    known = "insert 1M x 15, with what its rows tell"
    yield Target(known, "statistics", f"{known}: Hopyard", "insert 1M x 15, no statistics: Hopyard", 1.1)
    joined = "3 groups, 10M rows each, to"
    yield Target(
        "point-in-time to Parquet, 10M",
        "shapes",
        f"{joined} Parquet: Hopyard",
        f"{joined} Arrow: Hopyard",
        1.5,
    )
    insert = "insert 1M x 15"
    yield Target(f"{insert}, offline", "insert", f"{insert}, offline: Hopyard", f"{insert}: Parquet write", 2)
    yield Target(
        f"{insert}, offline and online",
        "insert",
        f"{insert}, offline and online: Hopyard",
        f"{insert}, offline: Hopyard, then a bare LMDB load",
        1.5,
    )
    load = "embedded, load of 3 x 30k rows"
    yield Target(
        "offline and online, beside its online load alone",
        "feast",
        f"{load}: Hopyard, offline too",
        f"{load}: Feast",
        20,
        speed_up,
        is_least=True,
        unit="x faster",
    )
    commits = ("commits", "1,000 commits of 100 rows: Hopyard")
    yield Target("1,000 commits of 100 rows, last / first 100", *commits, "", 1.5, figure("last / first"))
    for store, n, faster in (
        ("embedded", 1, 40),
        ("embedded", 100, 30),
        ("Redis", 1, 1.5),
        ("Redis", 100, 5),
    ):
        what = f"{store}, 3 groups, {n} entities"
        yield Target(
            what,
            "feast",
            f"{what}: Hopyard",
            f"{what}: Feast",
            faster,
            speed_up,
            is_least=True,
            unit="x faster",
        )
    yield from _online()
    yield from _served()
    row = "1 row"
    yield Target(
        "freshness, p99", "freshness", f"{row}: Hopyard", f"{row}: Delta append + LMDB commit", 1.3, p99_ratio
    )


def _online() -> Iterator[Target]:
    for n_groups, n, p50, p99 in ((1, 1, 8, 20), (3, 1, 15, 40), (1, 100, 350, None), (3, 100, 900, None)):
        what = f"int key, {n_groups} group(s), {n} entities"
        work = f"embedded, {n_groups} group(s) of 1M, {n} entities"
        ours = ("online", f"{what}: Hopyard")
        yield Target(f"{work}, p50", *ours, "", p50, microseconds("p50_us"), unit="us")
        if p99 is not None:
            yield Target(f"{work}, p99", *ours, "", p99, microseconds("p99_us"), unit="us")
        yield Target(work, *ours, f"{what}: bare LMDB", 2)
    for what, least in (("load 1M rows", 400), ("load 1M rows, a null in each", 250)):
        yield Target(
            f"embedded, {what}",
            "online",
            f"{what}: Hopyard",
            "",
            least,
            rows_per_second,
            is_least=True,
            unit="k rows/s",
        )


def _served() -> Iterator[Target]:
    for service in ("redis", "postgres"):
        for n in (1, 100):
            what = f"{service}, 3 group(s), {n} entities"
            yield Target(what, "served", f"{what}: Hopyard", f"{what}: bare driver", 1.5)
    load = "load 1M rows into redis: Hopyard"
    yield Target(load, "served", load, "", 150, rows_per_second, is_least=True, unit="k rows/s")


TARGETS = tuple(_targets())


def to_markdown(documents: dict[str, Json]) -> str:
    """Return a table of the targets whose cases were measured: what was to be reached, what was, and whether."""
    rows = [_row(target, documents[target.workload]) for target in TARGETS if _is_there(target, documents)]
    n_missed = sum(row[-1] == "missed" for row in rows)
    left_out = sorted({target.workload for target in TARGETS if not _is_there(target, documents)})
    text = f"{len(rows)} targets, {n_missed} missed.\n\n{table(COLUMNS, rows)}\n"
    return text + (f"\nNot measured here: targets of {', '.join(left_out)}.\n" if left_out else "")


def _is_there(target: Target, documents: dict[str, Json]) -> bool:
    names = {case["name"] for case in documents.get(target.workload, {"cases": []})["cases"]}
    return target.case in names and (not target.beside or target.beside in names)


def _row(target: Target, document: Json) -> list[str]:
    case = case_of(document, target.case)
    value = target.measure(case, case_of(document, target.beside) if target.beside else case)
    is_met = value >= target.bound if target.is_least else value <= target.bound
    sign = "at least" if target.is_least else "at most"
    bound = f"{sign} {target.bound:g} {target.unit}"
    return [target.work, target.beside, bound, f"{number(value)} {target.unit}", "" if is_met else "missed"]


def read(folder: Path) -> dict[str, Any]:
    """Return the documents of a folder, by workload."""
    return {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the table of targets of a folder with results."""
    parser = argparse.ArgumentParser(prog="python -m bench.targets")
    parser.add_argument("folder", type=Path)
    sys.stdout.write(to_markdown(read(parser.parse_args(arguments).folder)))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
