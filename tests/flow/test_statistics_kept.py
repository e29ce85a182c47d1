"""Statistics of groups and training datasets in a store: when they are computed, kept, and gone."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import hopyard
from hopyard.cli import app
from hopyard.errors import AlreadyExistsError, ConfigError, NotFoundError, TimeTravelError
from hopyard.feature_group import FeatureGroup
from hopyard.feature_store import FeatureStore
from hopyard.feature_view import FeatureView
from hopyard.project import Project

START = datetime(1969, 12, 30, tzinfo=UTC)


def frame(start: int, stop: int, **more: Any) -> dict[str, list[Any]]:
    ids = range(start, stop)
    return {
        "id": list(ids),
        "at": [START + timedelta(hours=k) for k in ids],
        "x": [None if k % 4 == 0 else float(k) for k in ids],
        "kind": [("a", "b", "c")[k % 3] for k in ids],
        **more,
    }


@pytest.fixture
def group(fs: FeatureStore) -> FeatureGroup:
    group = fs.create_feature_group("readings", primary_key="id", event_time="at")
    group.insert(frame(0, 100))
    return group


def files(store: Project) -> list[Path]:
    return sorted((Path(store.location) / "projects" / "default" / "statistics").rglob("*.json"))


def test_statistics_are_of_the_whole_group(group: FeatureGroup) -> None:
    group.insert(frame(90, 120))
    found = group.statistics
    assert (found.scope, found.name, found.version, found.commit) == ("group", "readings", 1, 2)
    assert found.n_rows == found["id"].count == 120
    assert found["x"].n_nulls == 30 and found["x"].completeness == 0.75
    assert found["x"].mean == np.mean([k for k in range(120) if k % 4])
    assert [(item.value, item.count) for item in found["kind"].frequent] == [("a", 40), ("b", 40), ("c", 40)]
    assert found["at"].min == START
    with pytest.raises(NotFoundError, match="Did you mean 'kind'"):
        found["kinds"]


def test_statistics_of_every_commit_are_a_history(group: FeatureGroup) -> None:
    group.insert(frame(100, 150))
    first, second = group.get_statistics(at=1), group.get_statistics()
    assert (first.n_rows, second.n_rows) == (100, 150)
    assert group.get_statistics(first.committed_at) == first
    known = [(found.commit, found.scope) for found in group.get_all_statistics()]
    assert known == [(2, "group"), (2, "written"), (1, "group"), (1, "written")]
    with pytest.raises(TimeTravelError, match="no commit 9"):
        group.get_statistics(at=9)
    with pytest.raises(TimeTravelError):
        group.get_statistics(at="19000101")


def test_they_are_computed_once(group: FeatureGroup, store: Project) -> None:
    first = group.get_statistics()
    assert group.get_statistics() == first
    later = hopyard.login(store.location).get_feature_store().get_feature_group("readings")
    assert later.get_statistics().computed_at_us == first.computed_at_us
    assert later.compute_statistics().computed_at_us > first.computed_at_us


def test_the_insert_tells_of_its_rows(group: FeatureGroup) -> None:
    group.insert(frame(200, 210))
    rows = group.get_statistics(of="written")
    assert (rows.scope, rows.commit, rows.n_rows) == ("written", 2, 10)
    assert (rows["id"].min, rows["id"].max, rows["x"].n_nulls) == (200, 209, 3)
    assert rows["x"].mean is None
    with pytest.raises(NotFoundError, match="There are: 1, 2"):
        group.get_statistics(at=0, of="written")
    with pytest.raises(ConfigError, match="'group' or 'written'"):
        group.get_statistics(of="rows")  # type: ignore[arg-type]


def test_a_damaged_file_counts_as_absent(group: FeatureGroup, store: Project) -> None:
    first = group.get_statistics()
    for file in files(store):
        file.write_bytes(b"{")
    assert group.get_statistics().columns == first.columns


def test_all_of_them_in_the_insert(fs: FeatureStore, store: Project) -> None:
    eager = fs.create_feature_group("eager", primary_key="id", statistics_config={"at_insert": True})
    eager.insert(frame(0, 50))
    (kept,) = [found for found in eager.get_all_statistics() if found.scope == "group"]
    assert kept.commit == 1 and kept["x"].percentiles[100] == 49.0


def test_none_are_kept_where_they_are_not_enabled(fs: FeatureStore, store: Project) -> None:
    quiet = fs.create_feature_group("quiet", primary_key="id", statistics_config=False)
    quiet.insert(frame(0, 50))
    assert quiet.get_statistics().n_rows == 50
    assert files(store) == [] and quiet.get_all_statistics() == []


def test_the_config_is_stored_and_changed(fs: FeatureStore) -> None:
    config = hopyard.StatisticsConfig(columns=("x",), correlations=True, histogram_bins=5)
    group = fs.create_feature_group("few", primary_key="id", statistics_config=config)
    group.insert(frame(0, 50))
    again = fs.get_feature_group("few")
    assert again.statistics_config == config
    assert [column.name for column in again.statistics] == ["x"] and len(again.statistics["x"].bins) == 5
    again.update_statistics_config({"columns": ["x", "id"], "correlations": True})
    both = again.statistics
    assert both.correlations is not None and both.correlations.between("x", "id") == pytest.approx(1)
    with pytest.raises(AlreadyExistsError, match="statistics_config"):
        fs.get_or_create_feature_group("few", statistics_config=config)


def test_columns_that_are_not_there_are_refused_when_they_are_named(
    fs: FeatureStore, group: FeatureGroup
) -> None:
    with pytest.raises(NotFoundError, match="There are: id, x|Did you mean 'x'"):
        fs.create_feature_group(
            "g",
            primary_key="id",
            features={"id": "int", "x": "double"},
            statistics_config={"columns": ["xx"]},
        )
    lazy = fs.create_feature_group("lazy", primary_key="id", statistics_config={"columns": ["q"]})
    with pytest.raises(NotFoundError, match="'q'"):
        lazy.insert(frame(0, 5))
    assert [found.name for found in fs.list_feature_groups()] == ["readings"]
    with pytest.raises(NotFoundError, match="'q'"):
        group.update_statistics_config({"columns": ["q"]})


def test_features_that_are_appended_have_statistics_from_then_on(group: FeatureGroup) -> None:
    group.append_features({"gust": "double"}, defaults={"gust": 2.0})
    assert [column.name for column in group.get_statistics(at=1)] == ["id", "at", "x", "kind"]
    assert group.statistics["gust"].mean == 2.0
    group.update_statistics_config({"columns": ["gust", "x"]})
    assert [column.name for column in group.compute_statistics()] == ["x", "gust"]
    assert [column.name for column in group.compute_statistics(at=1)] == ["x"], "gust was not there yet"


def test_partitions_and_rows_without_a_key(fs: FeatureStore) -> None:
    parts = fs.create_feature_group("parts", primary_key="id", event_time="at", partition_key="kind")
    parts.insert(frame(0, 90))
    found = parts.compute_statistics(correlations=True, clusters=True)
    assert found["kind"].n_distinct == 3 and found["id"].max == 89
    keyless = fs.create_feature_group("keyless")
    keyless.insert({"x": [1.0, 1.0, float("inf"), None], "y": [[1], [2], None, [3]]})
    assert keyless.statistics["x"].n_distinct == 2 and keyless.statistics["y"].n_nulls == 1


def test_groups_read_the_statistics_of_a_newer_release_as_absent(group: FeatureGroup, store: Project) -> None:
    group.get_statistics()
    for file in files(store):
        document = json.loads(file.read_bytes())
        file.write_text(json.dumps({**document, "format_version": 99}))
    assert group.get_all_statistics() == []
    assert group.get_statistics().n_rows == 100


def test_an_empty_group_has_statistics(fs: FeatureStore) -> None:
    empty = fs.create_feature_group("empty", primary_key="id", features={"id": "int", "s": "string"}).save()
    found = empty.compute_statistics(correlations=True, clusters=True)
    assert found.n_rows == 0 and found["id"].count == 0 and found["id"].completeness is None
    assert found["id"].min is None and found.clusters is None


def test_clusters_and_correlations_on_request_are_kept(group: FeatureGroup) -> None:
    assert group.statistics.correlations is None and group.statistics.clusters is None
    computed = group.compute_statistics(correlations=True, clusters=True, exact_uniqueness=True)
    assert computed.correlations is not None and computed.clusters is not None
    assert computed["id"].uniqueness == 1.0
    assert group.statistics == computed


def test_a_vacuum_leaves_the_history_of_the_group(group: FeatureGroup, store: Project) -> None:
    first = group.get_statistics()
    group.insert(frame(50, 130))
    group.insert(frame(130, 140))
    group.vacuum(keep=1)
    assert group.get_statistics(at=1) == first
    with pytest.raises(TimeTravelError):
        group.get_statistics(at=2)
    assert [found.commit for found in group.get_all_statistics() if found.scope == "written"] == [3]


def test_deleting_the_group_removes_them(group: FeatureGroup, store: Project) -> None:
    group.get_statistics()
    assert len(files(store)) == 2
    group.delete()
    assert files(store) == []
    assert store.verify().findings == ()


@pytest.fixture
def view(fs: FeatureStore, group: FeatureGroup) -> FeatureView:
    return fs.create_feature_view(
        "model",
        group.select(["x", "kind"]),
        labels="kind",
        transformation_functions=[hopyard.impute_mean("x")],
    )


def test_splits_have_statistics_before_and_after_transformation(view: FeatureView) -> None:
    dataset = view.create_train_test_split(test_size=0.3)
    rows = {split: dataset.read(split) for split in dataset.splits}
    for split in dataset.splits:
        after = dataset.get_statistics(split)
        before = dataset.get_statistics(split, before_transformation=True)
        assert (after.split, after.stage, before.stage) == (split, "after", "before")
        assert after.n_rows == before.n_rows == len(rows[split])
        assert after["x"].n_nulls == 0 and before["x"].n_nulls > 0
        assert after["x"].mean == pytest.approx(float(rows[split]["x"].mean()))
        kept = view.get_training_dataset_statistics(split=split, before_transformation=True)
        assert kept == before
    assert dataset.get_statistics().split == "train"
    with pytest.raises(NotFoundError, match="Did you mean 'test'"):
        dataset.get_statistics("tests")


def test_a_dataset_takes_its_statistics_with_it(
    view: FeatureView, store: Project, group: FeatureGroup
) -> None:
    dataset = view.create_training_data(data_format="csv")
    n_before = len(files(store))
    first = dataset.get_statistics(clusters=False)
    dataset.get_statistics(before_transformation=True)
    assert len(files(store)) == n_before + 2
    assert store.verify().findings == ()
    dataset.delete()
    assert len(files(store)) == n_before
    assert dataset.rebuild().get_statistics().columns == first.columns


def command(store: Project, *arguments: str) -> str:
    result = CliRunner().invoke(app, ["--url", store.location, *arguments])
    assert result.exit_code == 0, result.output
    return result.output


def test_the_command_shows_them(store: Project, group: FeatureGroup) -> None:
    group.insert(frame(100, 110))
    shown = command(store, "stats", "readings")
    assert "readings_1" in shown and "commit 2" in shown
    for name in ("id", "at", "x", "kind"):
        assert name in shown
    document = json.loads(command(store, "stats", "readings", "--at", "1", "--json"))
    assert (document["commit"], document["n_rows"]) == (1, 100)
    by_name = {column["name"]: column for column in document["columns"]}
    assert by_name["x"]["completeness"] == 0.75 and len(by_name["x"]["percentiles"]) == 101
    assert by_name["at"]["min"] == "1969-12-30T00:00:00Z"


def test_the_command_shows_splits(store: Project, view: FeatureView) -> None:
    view.create_train_test_split(0.3, seed=1)
    for name, options in (("model", []), ("model_1", ["--version", "1"])):
        shown = command(store, "stats", name, "--split", "test", *options)
        assert "model_1 version 1, test, after transformation" in shown
    after = json.loads(command(store, "stats", "model", "--json"))
    before = json.loads(
        command(store, "stats", "model", "--before-transformation", "--correlations", "--json")
    )
    assert (after["split"], after["stage"], before["stage"]) == ("train", "after", "before")
    assert after["n_rows"] == before["n_rows"] and before["correlations"] is not None
    for arguments, message in (
        (["model", "--split", "trian"], "Did you mean 'train'"),
        (["model", "--at", "1"], "never changes"),
        (["readings", "--split", "train"], "readings"),
    ):
        result = CliRunner().invoke(app, ["--url", store.location, "stats", *arguments])
        assert result.exit_code == 1 and message in result.output, result.output


def test_the_command_says_what_is_wrong(store: Project, group: FeatureGroup) -> None:
    result = CliRunner().invoke(app, ["--url", store.location, "stats", "reading"])
    assert result.exit_code == 1 and "Did you mean 'readings'" in result.output
