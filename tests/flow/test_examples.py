"""The example programs run, in a folder of their own, and print what they promise."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import hopyard

ROOT = Path(__file__).parents[2]


def run_example(name: str, folder: Path) -> str:
    result = subprocess.run(
        [sys.executable, "-W", "error", str(ROOT / "examples" / name), str(folder)],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout
    return result.stdout


def test_titanic(tmp_path: Path) -> None:
    text = run_example("titanic.py", tmp_path / "store")
    assert "1200" in text
    assert len((ROOT / "examples" / "titanic.py").read_text().splitlines()) < 30
    fs = hopyard.login(tmp_path / "store").get_feature_store()
    rows = fs.get_feature_view("titanic").query.read(dataframe_type="python", order_by=["name"])
    assert [row["balance"] for row in rows] == [1200, 3, None, None]


def test_churn(tmp_path: Path) -> None:
    text = run_example("churn.py", tmp_path / "store")
    assert "customer 42" in text
    view = hopyard.login(tmp_path / "store").get_feature_store().get_feature_view("churn")
    assert view.get_training_dataset().verify().is_same
    assert view.features == ["plan", "monthly_fee", "minutes", "dropped_calls", "waited_minutes"]
