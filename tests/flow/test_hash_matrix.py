"""The hashes of training datasets depend on nothing physical: the same ones come out of everything that could matter.

`make hashes` does the same with other versions of the libraries, in a virtual environment of its own.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from hashes.datasets import CLOCK, EVENTS, ORIGINS, Hashes, datasets, hashes, make, make_datasets
from hopyard.feature_store import FeatureStore
from hopyard.testing import ManualClock, open_store
from variants import VARIANTS, in_variant

SCRIPT = Path(__file__).parents[1] / "hashes" / "datasets.py"

# A failure means that training datasets of earlier releases would no longer be the same. Do not correct the values:
# correct the code. Before transformation alone: what comes after it depends on the versions of libraries, too.
BEFORE = {
    ("by hash", "train"): (41, "afd69769b10dbe2287f9f2322729b5cc33e39bb3c7bebee4750c65f13902726f"),
    ("by hash", "validation"): (14, "8b139d2207b83fe5679223fb40f5b2e649d7ec2e4e73e2918e1d6c4df2529d6f"),
    ("by hash", "test"): (14, "921b6ad95233670b09a765e8628a726a5bd9db64345df616dc38686b72a305ce"),
    ("by time", "train"): (34, "ddd4260129627750d6bfb9a225e27fdeaaaf310002f4d85ac6fc435741e8be98"),
    ("by time", "test"): (35, "1b4d163c4d871eddf3c84bff98d50bdb20b4d1c1cc6492afe46a2876f557033a"),
    ("keyless", "train"): (48, "91087731e968f866e293c1e3c8044d7dd750bcb229b97421c2223a459b67c9a8"),
    ("keyless", "test"): (32, "7f8f0fe9743197e984277bdae0191d310133b57eb6d085de825e818f0d89f677"),
}


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a store with the datasets, which tests only read or copy."""
    folder = tmp_path_factory.mktemp("hashes") / "store"
    make(folder)
    return folder


@pytest.fixture(scope="module")
def wanted(store: Path) -> Hashes:
    return found(opened(store))


def opened(folder: Path, **options: Any) -> FeatureStore:
    return open_store(folder, clock=ManualClock(CLOCK), **options).get_feature_store()


def found(fs: FeatureStore) -> Hashes:
    return hashes(datasets(fs))


def test_golden(wanted: Hashes) -> None:
    assert {
        (name, split): (n_rows, sha256)
        for name, splits in wanted.items()
        for split, (n_rows, sha256, *_) in splits.items()
    } == BEFORE


def test_the_data_has_what_could_matter(store: Path) -> None:
    fs = opened(store)
    view = fs.get_feature_view("joined")
    rows = view.query.read(dataframe_type="python", order_by=["part", "id"])
    assert set(EVENTS) - {"city"} <= set(rows[0])
    never_null = {"id", "part", "at", "city", "amount"}
    for name in {*EVENTS, "r_temp", "r_note", "t_country", "t_land_name", "t_land_rate"} - never_null:
        assert any(row[name] is None for row in rows), f"no null in {name}"
        assert any(row[name] is not None for row in rows), f"nothing but null in {name}"
    for name in ("f", "d", "r_temp", "t_height"):
        values = [row[name] for row in rows if row[name] is not None]
        assert any(value != value for value in values), f"no NaN in {name}"
        assert any(str(value) == "-0.0" for value in values), f"no -0.0 in {name}"
    readings = fs.get_feature_group("readings").read(dataframe_type="python")
    times = {sensor: {row["at"] for row in readings if row["sensor"] == sensor} for sensor in (0, 1)}
    assert times[1] <= times[0]
    assert any(row["r_sensor"] == 1 for row in rows), "no tie: the greater sensor wins where times are equal"
    logs = fs.get_feature_group("logs").read(dataframe_type="python")
    assert len(logs) > len({repr(row) for row in logs})
    n_events = fs.get_feature_group("events").read(dataframe_type="arrow").num_rows
    assert n_events == 117 > len(rows), "the inner join drops some"


@pytest.mark.parametrize("origin", [origin for origin in ORIGINS if origin != "arrow"])
def test_dataframes_of_another_library(origin: str, wanted: Hashes, tmp_path: Path) -> None:
    assert found(make(tmp_path / "store", origin=origin).get_feature_store()) == wanted


@pytest.mark.parametrize("shuffle", [1, 2])
def test_rows_in_another_order(shuffle: int, wanted: Hashes, tmp_path: Path) -> None:
    assert found(make(tmp_path / "store", shuffle=shuffle).get_feature_store()) == wanted


def test_files_that_were_merged(store: Path, wanted: Hashes, tmp_path: Path) -> None:
    compacted = make(tmp_path / "store", compact=True).get_feature_store()
    assert n_files(compacted) < n_files(opened(store))
    assert found(compacted) == wanted


def n_files(fs: FeatureStore) -> int:
    return sum(group.disk_usage().n_live_files for group in fs.list_feature_groups())


@pytest.mark.parametrize("n_threads", [1, 2])
def test_threads(n_threads: int, store: Path, wanted: Hashes, tmp_path: Path) -> None:
    assert found(make(tmp_path / "store", n_threads=n_threads).get_feature_store()) == wanted
    copy = shutil.copytree(store, tmp_path / "copy")
    assert hashes(make_datasets(opened(copy, n_threads=n_threads))) == wanted


@pytest.mark.parametrize("name", VARIANTS)
def test_queries_that_run_another_way(name: str, store: Path, wanted: Hashes, tmp_path: Path) -> None:
    copy = opened(shutil.copytree(store, tmp_path / "copy"))
    assert hashes(make_datasets(in_variant(copy, name))) == wanted


def test_a_copied_folder_with_other_file_times(store: Path, wanted: Hashes, tmp_path: Path) -> None:
    copy = shutil.copytree(store, tmp_path / "elsewhere" / "copy", copy_function=shutil.copyfile)
    for age, path in enumerate(sorted(copy.rglob("*"))):
        os.utime(path, (2_000_000_000 - age, 2_000_000_000 - age))
    fs = opened(copy)
    assert [dataset.verify().status for dataset in datasets(fs)] == ["same"] * 3
    assert hashes(make_datasets(fs)) == wanted


@pytest.mark.parametrize(
    "environment",
    [
        {"TZ": "UTC", "PYTHONHASHSEED": "0"},
        {"TZ": "America/New_York", "PYTHONHASHSEED": "1"},
        {"TZ": "Asia/Kolkata", "PYTHONHASHSEED": "4294967295"},
        {"TZ": "Pacific/Apia", "PYTHONHASHSEED": "random"},
    ],
    ids=lambda environment: environment["TZ"],
)
def test_another_process_in_another_time_zone(
    environment: dict[str, str], store: Path, wanted: Hashes, tmp_path: Path
) -> None:
    """It makes the datasets, and it verifies and repeats those that were made here."""
    seen = f"import time; assert time.tzname[0] != 'UTC' or {environment['TZ']!r} == 'UTC'"
    subprocess.run([sys.executable, "-c", seen], env={**os.environ, **environment}, check=True)
    assert in_process(environment, "make", str(tmp_path / "store"))["hashes"] == wanted
    copy = shutil.copytree(store, tmp_path / "copy")
    answer = in_process(environment, "verify", str(copy))
    assert answer["verified"] == [["same", []]] * 3
    assert answer["hashes"] == wanted


def in_process(environment: dict[str, str], *arguments: str) -> Any:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *arguments],
        env={**os.environ, "PYTHONPATH": str(SCRIPT.parents[2] / "src"), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
