"""The bench harness itself, on cases that cost nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bench import compare, data, machine, targets
from bench.harness import BenchError, Case, Outcome, RefusedError, Result, check_needs, choose, main, measure
from bench.ratios import exponents, time_ratio
from bench.report import to_markdown
from bench.targets import Target, speed_up

ROOT = Path(__file__).parents[2]

WORKLOAD = """
from __future__ import annotations

import subprocess, sys, time
from pathlib import Path

from bench.harness import Case, Outcome, main

def remember(folder: Path) -> Path:
    (folder / "setups").write_text("x")
    sys.stdout.write("noise that must not mix with the answers")
    return folder

def count(folder: Path) -> int:
    with (folder / "runs").open("a") as file:
        file.write("x")
    return 10

def allocate(folder: Path) -> int:
    block = bytearray(200_000_000)
    block[::4096] = b"x" * len(block[::4096])
    return len(block)

def allocate_in_child(folder: Path) -> int:
    program = "import time; block = b'x' * 150_000_000; time.sleep(0.5)"
    subprocess.run([sys.executable, "-c", program], check=True)
    return 1

def latencies(folder: Path) -> Outcome:
    return Outcome(101, [float(n) for n in range(101)])

def is_first(folder: Path) -> int:
    count(folder)
    return len((folder / "runs").read_text())

def fail(folder: Path) -> int:
    raise ValueError("this case cannot work")

def leave(folder: Path) -> int:
    raise SystemExit(7)

def wait(folder: Path) -> int:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    Path(sys.argv[3]).joinpath("..", "child").write_text(str(child.pid))
    time.sleep(600)
    return 1

CASES = tuple(
    Case(work.__name__, remember, work, limit=against, is_fresh=work is is_first, memory_bytes=0, disk_bytes=0)
    for work, against in CHOSEN
)

if __name__ == "__main__":
    raise SystemExit(main("toy"))
"""


@pytest.fixture
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Return a function that makes the module `toy` of the chosen cases, importable here and in workers."""

    def make(*chosen: str | tuple[str, str]) -> None:
        pairs = ", ".join(
            f"({work[0]}, {work[1]!r})" if isinstance(work, tuple) else f"({work}, None)" for work in chosen
        )
        (tmp_path / "toy.py").write_text(WORKLOAD.replace("CHOSEN", f"[{pairs}]"))
        sys.modules.pop("toy", None)

    monkeypatch.setattr(sys, "path", [str(tmp_path), str(ROOT), *sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    yield make
    sys.modules.pop("toy", None)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    path = tmp_path / "runs"
    path.mkdir()
    return path


def test_measures_every_case_and_leaves_nothing(toy, folder: Path) -> None:
    toy("count", ("latencies", "count"))
    document = measure("toy", runs=3, warm_ups=2, folder=folder)
    count, latencies = document["cases"]
    assert (count["name"], count["n_rows"], len(count["seconds"])) == ("count", 10, 3)
    assert count["min_seconds"] <= count["median_seconds"] <= count["max_seconds"]
    assert (count["limit"], count["peer"], document["peers"]) == (None, None, {})
    assert (latencies["p50_us"], latencies["p99_us"]) == (50.0, 99.0)
    assert (latencies["limit"], time_ratio(latencies, count) > 0) == ("count", True)
    assert document["machine"]["cores"] >= 1
    assert "pyarrow" in document["versions"]
    assert list(folder.iterdir()) == []


def test_a_fresh_case_is_set_up_for_every_run(toy, folder: Path) -> None:
    toy("is_first")
    assert measure("toy", runs=3, folder=folder)["cases"][0]["n_rows"] == 1


def test_work_that_changes_between_runs_is_refused(toy, folder: Path) -> None:
    toy("count", "is_first")
    text = (Path(sys.path[0]) / "toy.py").read_text().replace("is_fresh=work is is_first", "is_fresh=False")
    (Path(sys.path[0]) / "toy.py").write_text(text)
    with pytest.raises(BenchError, match="every run must do the same work"):
        measure("toy", runs=2, folder=folder)
    assert list(folder.iterdir()) == []


SHARING = """
from __future__ import annotations

from pathlib import Path

from bench.harness import Case, Outcome, main

def build(folder: Path) -> None:
    print("noise that must not mix with the report")
    with (folder.parent / "builds").open("a") as file:
        file.write("x")
    (folder / "rows").write_text("42")

def build_other(folder: Path) -> None:
    if FAILS:
        raise ValueError("there is nothing to share")
    (folder / "rows").write_text("7")

def setup(folder: Path, shared: Path) -> tuple[int, int]:
    assert folder != shared and list(folder.iterdir()) == []
    return int((shared / "rows").read_text()), len((shared.parent / "builds").read_text())

def run(state: tuple[int, int]) -> Outcome:
    return Outcome(state[0], figures={"builds": state[1]})

CASES = (
    Case("alone", lambda folder: (1, 0), run, memory_bytes=0),
    Case("a", setup, run, shared=build, memory_bytes=0),
    Case("other", setup, run, shared=build_other, memory_bytes=0),
    Case("b", setup, run, shared=build, memory_bytes=0),
)
"""


@pytest.fixture
def sharing(toy, tmp_path: Path):
    """Return a function that makes the module `toy` of cases that share what they read."""

    def make(*, fails: bool = False) -> None:
        toy()
        (tmp_path / "toy.py").write_text(SHARING.replace("FAILS", str(fails)))

    return make


def test_what_cases_share_is_built_once(sharing, folder: Path, capfd) -> None:
    sharing()
    cases = measure("toy", runs=2, warm_ups=0, folder=folder)["cases"]
    assert [case["n_rows"] for case in cases] == [1, 42, 7, 42]
    assert [case["figures"]["builds"] for case in cases] == [0, 1, 1, 1]
    assert "noise" not in capfd.readouterr().out
    assert list(folder.iterdir()) == []


def test_chosen_cases_find_what_they_share(sharing, folder: Path) -> None:
    sharing()
    (case,) = measure("toy", names=["b"], runs=1, warm_ups=0, folder=folder)["cases"]
    assert (case["n_rows"], case["figures"]) == (42, {"builds": 1})


def test_a_shared_folder_that_cannot_be_built_ends_the_run(sharing, folder: Path) -> None:
    sharing(fails=True)
    with pytest.raises(
        BenchError, match=r"(?s)other: what it shares .* could not be built.*nothing to share"
    ):
        measure("toy", folder=folder)
    assert list(folder.iterdir()) == []


def test_figures_of_the_runs_are_shown_by_their_median(toy) -> None:
    result = Result(case("mine"), n_rows=1, seconds=[1.0] * 3, figures={"last ms": [2.0, 9.0, 3.0]})
    summary = result.to_json()
    document = {
        "workload": "toy", "cases": [summary], "runs": 3, "warm_ups": 0, "at": "now", "scale": 0.5, "versions": {},
        "peers": {},
        "machine": {"cores": 2, "processor": "", "memory_bytes": 10**9, "system": "", "python": ""},
    }  # fmt: skip
    assert "\n- mine: last ms 3.00\n" in to_markdown(document)
    assert "Sizes times 0.5" in to_markdown(document)
    assert "Sizes times" not in to_markdown({**document, "scale": 1.0})


def test_peak_memory_counts_the_process_and_its_children(toy, folder: Path) -> None:
    toy("count", "allocate", "allocate_in_child")
    count, allocate, child = measure("toy", runs=1, warm_ups=0, folder=folder)["cases"]
    assert allocate["peak_bytes"] > 200_000_000
    assert count["peak_bytes"] < 200_000_000
    if machine.PROC.exists():
        assert child["peak_bytes"] > 150_000_000


@pytest.mark.parametrize(("work", "message"), [("fail", "this case cannot work"), ("leave", "exit code 7")])
def test_a_failing_case_ends_the_run(work: str, message: str, toy, folder: Path) -> None:
    toy("count", work)
    with pytest.raises(BenchError, match=message):
        measure("toy", folder=folder)
    assert list(folder.iterdir()) == []


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_leaves_nothing_running(sent: signal.Signals, toy, folder: Path, tmp_path: Path) -> None:
    toy("count", "wait")
    process = subprocess.Popen(
        [sys.executable, "-m", "toy", "--warm-ups", "0", "--folder", str(folder)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path[:2])},
        stderr=subprocess.PIPE,
        text=True,
    )
    child = folder / "child"
    while not (child.exists() and child.read_text()):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(sent)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, "Interrupted" in said) == (130, True)
    assert list(folder.iterdir()) == [child]
    deadline = time.monotonic() + 30  # a killed process may need a moment to go
    while is_running(int(child.read_text())) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert not is_running(int(child.read_text()))


def is_running(pid: int) -> bool:
    """Whether a process exists; one that waits to be collected by its parent does not run."""
    try:
        os.kill(pid, 0)
        return (machine.PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


def case(
    name: str,
    *,
    limit: str | None = None,
    memory_bytes: int = 0,
    disk_bytes: int = 0,
    idle_bytes: int | None = None,
) -> Case:
    return Case(
        name, lambda folder: folder, lambda state: 1, limit=limit,
        memory_bytes=memory_bytes, disk_bytes=disk_bytes, idle_bytes=idle_bytes,
    )  # fmt: skip


def test_refuses_when_memory_or_disk_is_short(tmp_path: Path) -> None:
    check_needs([case("a")], tmp_path)
    with pytest.raises(RefusedError, match=r"need 1048576\.00 GB of memory, and .* GB are free"):
        check_needs([case("a", memory_bytes=2**49), case("b", memory_bytes=2**49)], tmp_path)
    with pytest.raises(RefusedError, match=r"GB of disk in .*--folder"):
        check_needs([case("a", disk_bytes=2**60)], tmp_path)
    large = {"memory_bytes": machine.free_memory_bytes() // 3}
    check_needs([case(str(n), **large, idle_bytes=0) for n in range(9)], tmp_path)  # one at a time
    with pytest.raises(RefusedError, match="of memory"):
        check_needs([case(str(n), **large) for n in range(9)], tmp_path)


def test_blocks_need_not_be_there_at_once(tmp_path: Path) -> None:
    large = {"memory_bytes": machine.free_memory_bytes() // 3}
    check_needs([replace(case(str(n), **large), block=str(n // 2)) for n in range(8)], tmp_path)


def test_a_chosen_case_brings_what_it_is_compared_with() -> None:
    cases = [case("limit"), case("insert", limit="limit"), case("vector")]
    assert [chosen.name for chosen in choose(cases, ["ins"])] == ["limit", "insert"]
    chain = [*cases, case("large insert", limit="insert")]
    assert [chosen.name for chosen in choose(chain, ["large"])] == ["limit", "insert", "large insert"]
    assert choose(cases, []) == cases
    with pytest.raises(BenchError, match="There are: limit, insert, vector"):
        choose(cases, ["nothing"])


def test_a_ratio_compares_time_per_row_round_by_round() -> None:
    limit = Result(case("limit"), n_rows=100, seconds=[1.0, 10.0, 1.0]).to_json()
    mine = Result(case("mine"), n_rows=50, seconds=[1.0, 10.0, 3.0]).to_json()
    assert time_ratio(mine, limit) == 2.0


def test_a_ratio_of_single_operations_compares_their_medians() -> None:
    limit = Result(case("limit"), n_rows=100, seconds=[1.0, 1.0, 1.0], p50_us=[1.0, 2.0, 3.0]).to_json()
    mine = Result(case("mine"), n_rows=50, seconds=[1.0, 1.0, 1.0], p50_us=[4.0, 6.0, 30.0]).to_json()
    assert time_ratio(mine, limit) == 4.0


def test_command_line_writes_json_and_markdown(toy, folder: Path, tmp_path: Path, capfd) -> None:
    toy("count", ("latencies", "count"))
    files = ["--json", str(tmp_path / "out.json"), "--markdown", str(tmp_path / "out.md")]
    assert main("toy", ["--runs", "2", "--folder", str(folder), *files]) == 0
    document = json.loads((tmp_path / "out.json").read_text())
    assert document["runs"] == 2
    assert (tmp_path / "out.md").read_text() == to_markdown(document) == capfd.readouterr().out
    assert "| latencies | 101 |" in to_markdown(document)
    assert main("toy", ["--case", "none"]) == 1


def test_data_is_a_function_of_its_arguments() -> None:
    table = data.group(1_000, 50, 6, seed=1, null_share=0.5)
    assert table.equals(data.group(1_000, 50, 6, seed=1, null_share=0.5))
    assert not table.equals(data.group(1_000, 50, 6, seed=2, null_share=0.5))
    times = table["event_time"].to_pylist()
    assert times == sorted(set(times))
    assert 300 < table["f3"].null_count < 700
    assert set(table["key"].to_pylist()) <= set(range(50))
    assert [len(other.column_names) for other in data.groups(10, 5, 2, seed=1).values()] == [4, 4, 4]
    assert data.labels(10, 5, seed=1).num_rows == len(data.keys(10, 5, seed=1)) == 10
    assert Outcome(1).latencies_us == ()
    later = data.group(10, 5, 2, seed=1, start_us=data.START_US + data.YEAR_US)
    assert min(later["event_time"].to_pylist()) > max(times)


def test_sizes_have_a_scale_and_short_names() -> None:
    program = "from bench import data; print(data.scaled(1_000_000), data.scaled(3))"
    environment = {**os.environ, "HOPYARD_BENCH_SCALE": "0.01"}
    found = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert found.stdout == "10000 1\n"
    assert [data.short(n) for n in (10_000_000, 3_500_000, 200_000, 50)] == ["10M", "3.5M", "200k", "50"]


def test_growth_is_the_exponent_of_the_size() -> None:
    cases = [
        {
            **Result(case(str(size)), n_rows=size, seconds=[seconds]).to_json(),
            "family": "insert",
            "family_size": size,
        }
        for size, seconds in ((100, 2.0), (300, 18.0), (1000, 200.0))
    ]
    alone = {**cases[0], "family": "alone"}
    assert exponents({"cases": [*cases, alone]}) == {"insert": pytest.approx(2.0)}


def document(*results: Result, workload: str = "bench.toy", scale: float = 1.0) -> dict[str, Any]:
    return {
        "format_version": 2,
        "workload": workload,
        "scale": scale,
        "cases": [result.to_json() for result in results],
    }


def test_two_runs_are_compared_by_their_times_and_ratios(tmp_path: Path, capsys) -> None:
    limit = case("limit")
    old = document(
        Result(limit, 1, [1.0]), Result(case("mine", limit="limit"), 1, [3.0]), Result(case("gone"), 1, [1.0])
    )
    new = document(
        Result(limit, 1, [2.0]), Result(case("mine", limit="limit"), 1, [4.0]), Result(case("new"), 1, [1.0])
    )
    for name, written in (("old", old), ("new", new), ("other", {**new, "workload": "bench.other"})):
        (tmp_path / f"{name}.json").write_text(json.dumps(written))
    assert compare.main([str(tmp_path / "old.json"), str(tmp_path / "new.json")]) == 0
    said = capsys.readouterr().out
    assert "| mine | 4.00 | 3.00 | 1.33 x | 2.00 | 3.00 |" in said
    assert "Only in the old: gone\nOnly in the new: new" in said
    assert compare.main([str(tmp_path / "old.json"), str(tmp_path / "other.json")]) == 2
    assert "differ in workload: bench.toy and bench.other" in capsys.readouterr().err


def test_a_target_says_what_was_measured_and_what_was_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    chosen = (
        Target("insert", "toy", "mine", "limit", 2),
        Target("insert", "toy", "mine", "limit", 4, speed_up, is_least=True, unit="x faster"),
        Target("other", "absent", "mine", "", 1),
    )
    monkeypatch.setattr(targets, "TARGETS", chosen)
    text = targets.to_markdown(
        {"toy": document(Result(case("limit"), 1, [1.0]), Result(case("mine"), 1, [0.5]))}
    )
    assert text.startswith("2 targets, 1 missed.")
    assert "| insert | limit | at most 2 x | 0.50 x |  |" in text
    assert "| insert | limit | at least 4 x faster | 2.00 x faster | missed |" in text
    assert "Not measured here: targets of absent." in text


def test_every_target_and_every_entry_of_the_suite_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """At scale 1, with all peers and servers, in a process of its own: sizes are in the names of cases."""
    program = """
import sys
from bench import suite, targets
from bench.harness import cases_of
from bench.peers import with_feast

known = {entry.workload: {case.name for case in cases_of(f"bench.{entry.workload}")} for entry in suite.SUITE}
for target in targets.TARGETS:
    assert {target.case, target.beside or target.case} <= known[target.workload], target
for entry in suite.SUITE:
    for name in entry.quick or ():
        assert name == "3 groups, 500k" or any(name in case for case in known[entry.workload]), (entry, name)
"""
    environment = {
        **os.environ,
        "HOPYARD_BENCH_FEAST": sys.executable,
        "HOPYARD_BENCH_SCALE": "1",
        **{
            f"HOPYARD_TEST_{name}_URL": f"{name.lower()}://127.0.0.1:1/0"
            for name in ("REDIS", "POSTGRES", "MARIADB")
        },
    }
    found = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert found.returncode == 0, found.stderr


def test_a_case_of_another_program_runs_in_its_own_interpreter(toy, tmp_path: Path, folder: Path) -> None:
    """It finds its case in a module of its own, gets none of our packages' paths, and what the workload shares."""
    toy()
    peer = tmp_path / "peer" / "toy_peer.py"
    peer.parent.mkdir()
    peer.write_text(
        "import os\n"
        "from bench.harness import Case\n"
        "def setup(folder, shared):\n"
        "    return int((shared / 'rows').read_text())\n"
        "CASES = (Case('its own name', setup, lambda state: state),)\n"
    )
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nPYTHONPATH=$PYTHONPATH:{peer.parent} exec {sys.executable} "$@"\n')
    python.chmod(0o755)
    (tmp_path / "toy.py").write_text(
        "from bench.harness import Case, Home\n"
        "def build(folder):\n"
        "    (folder / 'rows').write_text('42')\n"
        f"HOME = Home('Peer', {str(python)!r}, 'toy_peer', 'its own name')\n"
        "CASES = (Case('peer', print, print, shared=build, home=HOME, memory_bytes=0, disk_bytes=0),)\n"
    )
    document = measure("toy", runs=1, warm_ups=0, folder=folder)
    assert [(found["name"], found["n_rows"]) for found in document["cases"]] == [("peer", 42)]
    assert "pyarrow" in document["peers"]["Peer"]
    assert "Peer with" in to_markdown(document)
