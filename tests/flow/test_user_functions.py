"""Users' functions in views: from training to vectors, and in other processes, where they are code that was stored."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import hopyard
from hopyard import trust
from hopyard.cli import app
from hopyard.errors import (
    AlreadyExistsError,
    ConfigError,
    NotFoundError,
    TrainingDatasetError,
    UntrustedCodeError,
    UserFunctionError,
)
from hopyard.feature_store import FeatureStore
from hopyard.feature_view import FeatureView
from hopyard.project import Project
from hopyard.queries import Query
from hopyard.testing import assert_same_online_offline

START = datetime(2026, 1, 1, tzinfo=UTC)
N = 30


@hopyard.udf("double", drop=["amount"])
def per_day(amount: float | None, days: int) -> float | None:
    return None if amount is None else amount / days


@hopyard.udf(["string", "bigint"], mode="numpy")
def sized(plan: Any, days: Any) -> Any:
    import numpy as np

    return np.array([text.upper() for text in plan], object), days * 2


@pytest.fixture
def query(fs: FeatureStore) -> Query:
    riders = fs.create_feature_group("riders", primary_key="rider", event_time="at", online_enabled=True)
    riders.insert(
        [
            {
                "rider": n,
                "at": START,
                "amount": None if n % 5 == 0 else n / 3,
                "days": n % 7 + 1,
                "plan": [None, "day", "month"][n % 3],
            }
            for n in range(N)
        ]
    )
    rides = fs.create_feature_group("rides", primary_key="ride", event_time="at", foreign_key="rider")
    rides.insert(
        [{"ride": n, "rider": n, "at": START + timedelta(hours=1), "is_late": n % 3 == 0} for n in range(N)]
    )
    return rides.select(["is_late"]).join(riders.select(["amount", "days", "plan"]))


def make_view(fs: FeatureStore, query: Query) -> FeatureView:
    return fs.create_feature_view(
        "late_rides",
        query,
        labels="is_late",
        transformation_functions=[
            hopyard.impute_constant("amount", 1.5),
            per_day("amount", "days"),
            hopyard.standard_scaler("per_day_amount_days"),
            sized("plan", "days").alias("loud", "twice"),
            hopyard.one_hot_encoder("loud"),
        ],
    )


def test_training_data_batches_and_vectors_are_alike(fs: FeatureStore, query: Query) -> None:
    view = make_view(fs, query)
    dataset = view.create_training_data()
    names = ["per_day_amount_days", "days", "plan", "loud_DAY", "loud_MONTH", "twice"]
    stored = dataset.read(dataframe_type="arrow").drop_columns(["is_late"])
    assert stored.column_names == names
    assert stored.column("twice").null_count == N // 3  # where plan is null
    assert dataset.verify().is_same
    batch = view.get_batch_data(dataframe_type="arrow")
    assert batch.equals(stored)
    assert view.get_batch_data(dataframe_type="arrow", primary_key=True).column_names == [*names, "ride"]
    view.init_serving()
    vectors = view.get_feature_vectors([{"rider": n} for n in range(N)])
    assert vectors == [list(row.values()) for row in stored.to_pylist()]
    dataset.delete()
    assert dataset.rebuild().read(dataframe_type="arrow").drop_columns(["is_late"]).equals(stored)


def test_the_function_is_in_view_and_manifest(fs: FeatureStore, query: Query) -> None:
    make_view(fs, query)
    view = fs.get_feature_view("late_rides")
    spec = view.transformations[1]
    assert spec.function == per_day.spec
    assert spec.source_hash == per_day.sha256
    assert view.create_training_data().manifest.transformations == view.spec.transformations


def test_a_view_with_another_function_of_the_same_name_is_another_view(
    fs: FeatureStore, query: Query
) -> None:
    def made(return_type: str) -> Any:
        @hopyard.udf(return_type)
        def same(days: int) -> Any:
            return days

        return same("days")

    fs.get_or_create_feature_view("v", query, transformation_functions=made("bigint"))
    fs.get_or_create_feature_view("v", query, transformation_functions=[made("bigint")])
    with pytest.raises(AlreadyExistsError, match=r"transformations have other code \(\['same'\]\)"):
        fs.get_or_create_feature_view("v", query, transformation_functions=made("double"))
    with pytest.raises(AlreadyExistsError, match="transformations have other parameters or names"):
        fs.get_or_create_feature_view("v", query, transformation_functions=made("bigint").alias("x"))


def test_a_function_that_is_not_bound_is_refused(fs: FeatureStore, query: Query) -> None:
    for wrong in (per_day, [per_day], lambda x: x):
        with pytest.raises(TrainingDatasetError, match="bound to features"):
            fs.create_feature_view("v", query, transformation_functions=wrong)  # type: ignore[arg-type]
    with pytest.raises(TrainingDatasetError, match="is a label and cannot be transformed by per_day"):
        fs.create_feature_view(
            "v", query, labels="is_late", transformation_functions=per_day("is_late", "days")
        )
    with pytest.raises(TrainingDatasetError, match="gives 'days'"):
        fs.create_feature_view("v", query, transformation_functions=per_day("amount", "days").alias("days"))
    assert fs.list_feature_views() == []


def test_a_function_that_fails_leaves_no_training_dataset(fs: FeatureStore, query: Query) -> None:
    @hopyard.udf("double")
    def inverse(days: int) -> float:
        return 1 / (days - 3)

    @hopyard.udf("double", mode="pandas")
    def centered(days: Any) -> Any:
        return days - days.mean()

    view = fs.create_feature_view("v", query, transformation_functions=inverse("days"))
    with pytest.raises(UserFunctionError, match=r"inverse\(days=3\) raised ZeroDivisionError"):
        view.create_training_data()
    other = fs.create_feature_view("w", query, transformation_functions=centered("days"))
    with pytest.raises(TrainingDatasetError, match="for that row alone"):
        other.create_train_test_split(0.5)
    assert view.get_training_datasets() == other.get_training_datasets() == []


def test_functions_are_stored_by_name_and_version(fs: FeatureStore, query: Query) -> None:
    @hopyard.udf("double")
    def scaled(days: int) -> float:
        return days * 2.0

    first = fs.create_transformation_function(scaled)
    assert (first.name, first.version, first.sha256) == ("scaled", 1, scaled.sha256)
    assert fs.create_transformation_function(scaled).version == 1
    assert fs.create_transformation_function(scaled, 1).version == 1

    @hopyard.udf("double")
    def scaled(days: int) -> float:  # type: ignore[no-redef]
        return days * 3.0

    assert fs.create_transformation_function(scaled).version == 2
    with pytest.raises(AlreadyExistsError, match="'scaled' version 1 exists with other code"):
        fs.create_transformation_function(scaled, 1)
    assert fs.create_transformation_function(per_day, 7).version == 7
    assert [(f.name, f.version) for f in fs.get_transformation_functions()] == [
        *(("per_day", 7), ("scaled", 1), ("scaled", 2)),
    ]
    assert fs.get_transformation_function("scaled").sha256 == scaled.sha256
    old = fs.get_transformation_function("scaled", 1)
    view = fs.create_feature_view("v", query, transformation_functions=[old("days").alias("twice")])
    assert view.training_data()[0]["twice"].tolist() == (view.training_data()[0]["days"] * 2).tolist()
    for name, version in (("scaled", 3), ("scald", None)):
        with pytest.raises(NotFoundError, match="transformation function"):
            fs.get_transformation_function(name, version)
    for wrong in (scaled.function, scaled("days"), hopyard.log("days"), None):
        with pytest.raises(UserFunctionError, match="is no function that was decorated"):
            fs.create_transformation_function(wrong)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="version=0"):
        fs.create_transformation_function(scaled, 0)


# In another process

PROGRAM = """
import math
from pathlib import Path

import hopyard

Path("ran").touch()

@hopyard.udf("double")
def root(n):
    Path("ran_again").touch()
    return math.sqrt(n)

@hopyard.udf("bigint", mode="numpy")
def twice(n):
    return n * 2

if __name__ == "__main__":
    fs = hopyard.login("store").get_feature_store()
    group = fs.create_feature_group("g", primary_key="k", online_enabled=True)
    group.insert([{"k": n, "n": n * n} for n in range(10)])
    view = fs.create_feature_view(
        "v", group.select(["n"]), transformation_functions=[root("n"), twice("n"), hopyard.log("n")]
    )
    view.create_training_data()
    fs.create_transformation_function(root)
"""


@pytest.fixture
def stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Return a store with a view whose functions were written in another process, with a trust file of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(trust, "_trusted", set())
    monkeypatch.setenv("HOPYARD_TRUST_FILE", str(tmp_path / "mine" / "trusted"))
    (tmp_path / "features.py").write_text(textwrap.dedent(PROGRAM))
    subprocess.run([sys.executable, "features.py"], check=True)
    (tmp_path / "ran_again").unlink()
    return hopyard.login("store")


def uses(view: FeatureView) -> list[Any]:
    """Return everything that runs the functions of a view."""
    dataset = view.get_training_dataset(1)
    return [
        view.training_data,
        lambda: view.train_test_split(0.5),
        view.create_training_data,
        lambda: view.create_train_test_split(0.5),
        view.get_batch_data,
        view.init_serving,
        lambda: assert_same_online_offline(view),
        dataset.verify,
        dataset.rebuild,
    ]


def test_code_that_nobody_trusts_does_not_run(stored: Project, tmp_path: Path) -> None:
    view = stored.get_feature_store().get_feature_view("v")
    before = sorted(Path(stored.location).rglob("*"))
    for use in uses(view):
        with pytest.raises(UntrustedCodeError) as found:
            use()
        assert "feature view 'v_1' runs 'root' (" in str(found.value)
        assert "'twice' (" in str(found.value)
        assert "hopyard trust v --version 1" in str(found.value)
    assert sorted(Path(stored.location).rglob("*")) == before
    assert not (tmp_path / "ran_again").exists()
    # What does not need them works.
    assert len(view.get_batch_data(transformed=False)) == 10
    assert view.get_training_dataset(1).read().shape == (10, 3)


def test_it_runs_where_it_is_imported(stored: Project, tmp_path: Path) -> None:
    view = stored.get_feature_store().get_feature_view("v")
    code = "import features, hopyard; v = hopyard.login('store').get_feature_store().get_feature_view('v')\n"
    code += "assert v.get_training_dataset().verify().is_same; v.create_training_data()"
    subprocess.run([sys.executable, "-c", code], check=True)
    assert len(view.get_training_datasets()) == 2


def test_it_runs_when_its_user_trusts_it(stored: Project, tmp_path: Path) -> None:
    run = lambda *arguments, **options: CliRunner().invoke(  # noqa: E731
        app, ["--url", "store", "trust", *arguments], **options
    )
    refused = run("v", input="n\n")
    assert refused.exit_code == 1
    assert "Do you trust it?" in refused.output and "Nothing was trusted." in refused.output
    assert "def root(n):" in refused.output and "import math" in refused.output
    assert not (tmp_path / "mine").exists()
    agreed = run("v", "--version", "1", input="y\n")
    assert agreed.exit_code == 0 and "Trusted: root, twice." in agreed.output
    file = tmp_path / "mine" / "trusted"
    assert [line.split()[1] for line in file.read_text().splitlines()] == ["root", "twice"]
    assert file.stat().st_mode & 0o077 == 0
    again = run("v")
    assert again.exit_code == 0 and "no functions that you do not trust already" in again.output
    view = stored.get_feature_store().get_feature_view("v")
    view.init_serving()
    assert view.get_feature_vector({"k": 3}, return_type="dict")["root_n"] == 3.0
    assert view.get_training_dataset().verify().is_same
    for use in uses(view):
        use()


def test_yes_asks_nothing(stored: Project) -> None:
    result = CliRunner().invoke(app, ["--url", "store", "trust", "v", "--yes"])
    assert result.exit_code == 0 and "def twice(n):" in result.output
    stored.get_feature_store().get_feature_view("v").training_data()
    missing = CliRunner().invoke(app, ["--url", "store", "trust", "w"], prog_name="hopyard")
    assert missing.exit_code == 1 and "No feature view named 'w'" in missing.output


def test_a_stored_function_is_code_of_others(stored: Project, tmp_path: Path) -> None:
    fs = stored.get_feature_store()
    root = fs.get_transformation_function("root")
    with pytest.raises(UntrustedCodeError, match="hopyard trust root --kind function"):
        root.function(4.0)
    query = fs.get_feature_group("g").select(["n"])
    view = fs.create_feature_view("w", query, transformation_functions=root("n"))
    with pytest.raises(UntrustedCodeError, match="feature view 'w_1' runs 'root'"):
        view.create_training_data()
    assert not (tmp_path / "ran_again").exists()
    result = CliRunner().invoke(app, ["--url", "store", "trust", "root", "--kind", "function", "--yes"])
    assert result.exit_code == 0 and "Function root version 1 has this code" in result.output
    assert view.create_training_data().manifest.splits[0].n_rows == 10


def test_a_store_cannot_trust_itself(stored: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    file = Path(stored.location) / "trusted"
    monkeypatch.setenv("HOPYARD_TRUST_FILE", str(file))
    view = hopyard.login("store").get_feature_store().get_feature_view("v")
    file.write_text("".join(f"{spec.source_hash}\n" for spec in view.transformations))
    with pytest.raises(ConfigError, match="is in the store"):
        view.training_data()
    link = Path("link")
    link.symlink_to(file)
    monkeypatch.setenv("HOPYARD_TRUST_FILE", str(link))
    with pytest.raises(ConfigError, match="is in the store"):
        hopyard.login("store").get_feature_store().get_feature_view("v").training_data()


def test_a_trust_file_with_anything_else_is_an_error(stored: Project) -> None:
    file = Path(os.environ["HOPYARD_TRUST_FILE"])
    file.parent.mkdir()
    file.write_text("# mine\n\nroot\n")
    with pytest.raises(ConfigError, match="Line 3 of the trust file"):
        stored.get_feature_store().get_feature_view("v").training_data()


def test_source_shows_what_would_not_be_seen(tmp_path: Path) -> None:
    from hopyard.cli.text import source_lines

    text = "def f(x):\n\treturn x  # \u202e\x1b[2J\r\x0c \u2066 ä\n"
    assert source_lines(text) == ["def f(x):", "    return x  # \\u202e\\x1b[2J\\r\\x0c \\u2066 ä", ""]
