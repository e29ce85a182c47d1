"""The memory limit holds for the whole process, also where the groups and the result are larger than it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

LIMIT_BYTES = 1_000_000_000
PROGRAM = """
import json, sys
import hopyard

fs = hopyard.login(sys.argv[1]).get_feature_store()
labels, readings = fs.get_feature_group("labels"), fs.get_feature_group("readings")
query = labels.select_all().join(readings.select_all())
n_rows = n_bytes = 0
for batch in query.read_batches():
    n_rows += batch.num_rows
    n_bytes += batch.nbytes
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
peak_bytes = int(status["VmHWM"].split()[0]) * 1024  # getrusage() would count the process that started this one, too
print(json.dumps({"n_rows": n_rows, "n_bytes": n_bytes, "peak_bytes": peak_bytes}))
"""
BUILD = """
import sys
import numpy as np, pyarrow as pa
import hopyard

fs = hopyard.login(sys.argv[1]).get_feature_store()
readings = fs.create_feature_group("readings", primary_key="key", event_time="at")
random = np.random.default_rng(1)
n, parts = 2_400_000, 4
for part in range(parts):
    at = np.arange(n // parts) + part * (n // parts)
    columns = {"key": random.integers(0, 50_000, n // parts), "at": pa.array(at * 1000, pa.timestamp("us", "UTC"))}
    columns |= {f"x{i}": random.normal(size=n // parts) for i in range(40)}
    readings.insert(pa.table(columns))
labels = fs.create_feature_group("labels", primary_key="key", event_time="at")
at = pa.array(np.arange(4_000_000) * 600, pa.timestamp("us", "UTC"))
labels.insert(pa.table({"key": random.integers(0, 50_000, 4_000_000), "at": at}))
"""


def run(program: str, folder: Path, **environment: str) -> str:
    """Run a program in a process of its own, so that its peak is its own, and return what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", program, str(folder)],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


DATASET = """
import json, sys
import hopyard

fs = hopyard.login(sys.argv[1]).get_feature_store()
query = fs.get_feature_group("labels").select_all().join(fs.get_feature_group("readings").select_all())
view = fs.create_feature_view("view", query, transformation_functions=[hopyard.min_max_scaler("x0")])
splits = view.create_train_test_split(0.2).manifest.splits
n_bytes = sum(s.n_rows for s in splits) * len(view.features) * 8  # as they are in memory: the files are compressed
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
peak_bytes = int(status["VmHWM"].split()[0]) * 1024  # getrusage() would count the process that started this one, too
print(json.dumps({"n_rows": sum(s.n_rows for s in splits), "n_bytes": n_bytes, "peak_bytes": peak_bytes}))
"""


@pytest.mark.slow
def test_a_result_larger_than_the_limit_streams_within_it(tmp_path: Path) -> None:
    run(BUILD, tmp_path / "store")
    found = json.loads(run(PROGRAM, tmp_path / "store", HOPYARD_MEMORY_LIMIT=str(LIMIT_BYTES)))
    assert found["n_rows"] == 4_000_000
    assert found["n_bytes"] > LIMIT_BYTES  # it does not fit at once
    assert found["peak_bytes"] < LIMIT_BYTES


@pytest.mark.slow
def test_a_training_dataset_larger_than_the_limit_is_ordered_fitted_and_written_within_it(
    tmp_path: Path,
) -> None:
    run(BUILD, tmp_path / "store")
    found = json.loads(run(DATASET, tmp_path / "store", HOPYARD_MEMORY_LIMIT=str(LIMIT_BYTES)))
    assert found["n_rows"] == 4_000_000
    assert found["n_bytes"] > LIMIT_BYTES
    assert found["peak_bytes"] < LIMIT_BYTES
