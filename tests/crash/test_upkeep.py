"""Upkeep is killed with SIGKILL, at named points and at random times: the table answers as if it had never begun."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hopyard.errors import TimeTravelError
from hopyard.feature_group import FeatureGroup
from hopyard.testing.store import open_store
from parity import assert_online_equals_offline

SPAWN = multiprocessing.get_context("spawn")
START = datetime(2024, 1, 1, tzinfo=UTC)
N_COMMITS = 6
KEPT = 3
KILLS = int(os.environ.get("HOPYARD_CRASH_KILLS", "10"))


def group_of(folder: Path, die_at: str = "") -> FeatureGroup:
    def failpoint(reached: str) -> None:
        if reached == die_at:
            os.kill(os.getpid(), signal.SIGKILL)

    return open_store(folder, failpoint=failpoint).get_feature_store().get_feature_group("readings")


def filled(folder: Path) -> FeatureGroup:
    fs = open_store(folder).get_feature_store()
    group = fs.create_feature_group("readings", primary_key="key", event_time="at", online_enabled=True)
    for number in range(N_COMMITS):
        add(group, number)
    return group


def add(group: FeatureGroup, number: int) -> None:
    """Insert a row of its own; every third commit also replaces a row that they share."""
    rows: list[dict[str, object]] = [
        {"key": f"k{number % 5}", "at": START + timedelta(hours=number + 1), "value": number}
    ]
    shared: list[dict[str, object]] = [{"key": "shared", "at": START, "value": number}]
    group.insert(rows + shared if number % 3 == 0 else rows)


def content(group: FeatureGroup, commit: int | None = None) -> list[tuple[object, ...]]:
    return sorted(tuple(row.values()) for row in group.read(as_of=commit, dataframe_type="python"))


def history(group: FeatureGroup) -> dict[int, list[tuple[object, ...]]]:
    return {c.number: content(group, c.number) for c in group.commit_details() if not c.is_vacuumed}


def maintain_and_die(folder: Path, point: str) -> None:
    group_of(folder, point).maintain()


def vacuum_and_die(folder: Path, point: str) -> None:
    group_of(folder, point).vacuum(keep=KEPT)


def assert_killed(target: Callable[..., None], *arguments: object) -> None:
    process = SPAWN.Process(target=target, args=arguments)
    process.start()
    process.join(120)
    assert process.exitcode == -signal.SIGKILL


def parquet_files(group: FeatureGroup) -> set[str]:
    return {str(path) for path in Path(group.location).rglob("*.parquet") if "_delta_log" not in path.parts}


@pytest.mark.parametrize("point", ["files_merged", "files_switched"])
def test_killed_in_a_compaction_every_commit_reads_as_before(tmp_path: Path, point: str) -> None:
    wanted = history(filled(tmp_path / "store"))
    assert_killed(maintain_and_die, tmp_path / "store", point)
    group = group_of(tmp_path / "store")
    assert history(group) == wanted
    assert group.vacuum().n_files == (1 if point == "files_merged" else 0), (
        "a merged file that is no part of the table"
    )
    for number in (N_COMMITS + 1, N_COMMITS + 2):
        add(group, number)
    assert group.maintain().n_merged_files >= 2
    assert {number: rows for number, rows in history(group).items() if number in wanted} == wanted
    assert_online_equals_offline(open_store(tmp_path / "store"), group)


def test_killed_when_the_history_has_ended_the_next_vacuum_removes_the_files(tmp_path: Path) -> None:
    group = filled(tmp_path / "store")
    wanted, files = history(group), parquet_files(group)
    assert_killed(vacuum_and_die, tmp_path / "store", "history_ended")
    group = group_of(tmp_path / "store")
    first = N_COMMITS - KEPT + 1
    assert history(group) == {number: rows for number, rows in wanted.items() if number >= first}
    with pytest.raises(TimeTravelError, match=f"The first that is left is {first} "):
        content(group, first - 1)
    assert parquet_files(group) == files
    assert group.vacuum().n_files > 0
    assert parquet_files(group) < files
    assert history(group) == {number: rows for number, rows in wanted.items() if number >= first}
    assert open_store(tmp_path / "store").verify().findings == ()


def work(folder: Path, journal: Path) -> None:
    """Write, merge and vacuum until somebody kills it; note each commit before it is begun and when it is done."""
    group = group_of(folder)
    with journal.open("a") as file:
        for number in range(N_COMMITS, 10_000):
            for line in (f"begin {number}\n", f"done {number}\n"):
                if line.startswith("done"):
                    add(group, number)
                file.write(line)
                file.flush()
            group.maintain()
            group.vacuum(keep=KEPT)


def test_killed_at_any_time_the_table_is_what_was_written(tmp_path: Path) -> None:
    draw = random.Random(7)
    for kill in range(KILLS):
        folder, journal = tmp_path / f"store{kill}", tmp_path / f"journal{kill}"
        filled(folder)
        journal.write_text("")
        process = SPAWN.Process(target=work, args=(folder, journal))
        process.start()
        while process.is_alive() and "done" not in journal.read_text():
            time.sleep(0.005)
        time.sleep(draw.random() * 0.3)
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        lines = journal.read_text().split("\n")[:-1]
        n_done = max(int(line.split()[1]) for line in lines if line.startswith("done")) + 1
        group = group_of(folder)
        found = {row[2] for row in content(group) if row[0] != "shared"}
        assert found in (set(range(n_done)), set(range(n_done + 1))), f"kill {kill}"
        assert [row[2] for row in content(group) if row[0] == "shared"] == [max(found) // 3 * 3]  # type: ignore[type-var, operator]
        assert len(history(group)) >= KEPT
        add(group, 99)
        group.maintain()
        group.vacuum(keep=1)
        assert {row[2] for row in content(group)} == found | {99}
        findings = open_store(folder).verify().findings
        assert findings == ()


EXIT = """
import sys
from hopyard.testing.store import open_store
from pathlib import Path
group = open_store(Path(sys.argv[1])).get_feature_store().create_feature_group("g", primary_key="id")
for n in range(66):
    group.insert([{"id": n, "x": 1.0}])
"""


def test_a_process_that_exits_while_files_are_merged_exits_cleanly(tmp_path: Path) -> None:
    for attempt in range(3):
        folder = tmp_path / str(attempt)
        done = subprocess.run(
            [sys.executable, "-c", EXIT, str(folder)], capture_output=True, text=True, timeout=120
        )
        assert (done.returncode, done.stderr) == (0, "")
        group = open_store(folder).get_feature_store().get_feature_group("g")
        assert len(group.read(dataframe_type="python")) == 66
