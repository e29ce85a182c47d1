"""The flat functions of hops, as programs of early 2020 call them."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from hopyard.compat.errors import CompatError
from hopyard.compat.hops import featurestore, hdfs, project
from hopyard.compat.hops.exceptions import (
    FeaturegroupNotFound,
    FeatureNameCollisionError,
    FeatureNotFound,
    InferJoinKeyError,
)

TEAMS = pd.DataFrame({"team_id": [1, 2], "budget": [10.0, 20.0]})
PLAYERS = pd.DataFrame({"team_id": [1, 2], "age": [25.0, 30.0], "rating": [5, 6]})


@pytest.fixture(autouse=True)
def _store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOPYARD_URL", str(tmp_path / "store"))
    monkeypatch.delenv("HOPSWORKS_PROJECT", raising=False)
    featurestore.create_featuregroup(
        TEAMS, "teams_features", primary_key=["team_id"], description="teams", descriptive_statistics=False
    )
    featurestore.create_featuregroup(PLAYERS, "players_features", ["team_id"])


def test_features_are_found_and_joined_by_their_names() -> None:
    found = featurestore.get_features(["budget", "age"], dataframe_type="pandas")
    assert sorted(found.values.tolist()) == [[10.0, 25.0], [20.0, 30.0]]
    qualified = featurestore.get_features(
        ["teams_features_1.budget", "players_features_1.rating"], featurestore.project_featurestore()
    )
    assert sorted(qualified.values.tolist()) == [[10.0, 5.0], [20.0, 6.0]]
    versions = {"teams_features": 1, "players_features": 1}
    assert len(featurestore.get_features(["budget", "age"], None, versions, "team_id")) == 2
    assert sorted(featurestore.get_feature("age")["age"]) == [25.0, 30.0]
    assert sorted(featurestore.get_feature("age", featuregroup="players_features")["age"]) == [25.0, 30.0]


def test_a_name_in_two_groups_must_be_qualified() -> None:
    with pytest.raises(FeatureNameCollisionError, match="teams_features_1"):
        featurestore.get_feature("team_id")
    with pytest.raises(FeatureNotFound, match="goals"):
        featurestore.get_features(["goals", "age"])


def test_the_column_that_is_a_key_most_often_is_joined_on() -> None:
    games = pd.DataFrame({"age": [25.0], "game": [1], "team_id": [1], "goals": [3]})
    featurestore.create_featuregroup(games, "games", primary_key=["team_id"])
    assert featurestore.get_features(["goals", "rating"]).values.tolist() == [[3, 5]]
    assert featurestore.get_features(["goals", "rating"], join_key="age").values.tolist() == [[3, 5]]


def test_groups_without_a_common_column_are_not_joined() -> None:
    featurestore.create_featuregroup(pd.DataFrame({"city": ["a"], "rain": [1.0]}), "weather", ["city"])
    with pytest.raises(InferJoinKeyError, match="no column in common"):
        featurestore.get_features(["rain", "age"])


def test_rows_are_inserted_and_replaced() -> None:
    more = pd.DataFrame({"team_id": [3], "budget": [30.0]})
    featurestore.insert_into_featuregroup(more, "teams_features")
    assert len(featurestore.get_featuregroup("teams_features", dataframe_type="pandas")) == 3
    featurestore.insert_into_featuregroup(more, "teams_features", mode="overwrite")
    assert len(featurestore.get_featuregroup("teams_features")) == 1
    with pytest.raises(FeaturegroupNotFound, match="players_features_1"):
        featurestore.get_featuregroup("nothing")


def test_the_store_is_described() -> None:
    featurestore.create_featuregroup(TEAMS, "teams_features", ["team_id"], "again", None, 2)
    assert featurestore.get_featuregroups() == ["players_features_1", "teams_features_1", "teams_features_2"]
    assert featurestore.get_latest_featuregroup_version("teams_features") == 2
    assert featurestore.get_latest_featuregroup_version("nothing") == 0
    assert set(featurestore.get_features_list()) == {"team_id", "budget", "age", "rating"}
    assert featurestore.get_featuregroup_features_list("teams_features") == ["team_id", "budget"]
    metadata = featurestore.get_featurestore_metadata(update_cache=True)
    assert metadata["featuregroups"]["teams_features_1"]["description"] == "teams"
    assert featurestore.sql("SELECT count(*) AS n FROM teams_features_1")["n"].tolist() == [2]


def test_groups_go_online_and_back() -> None:
    featurestore.enable_featuregroup_online("teams_features")
    assert len(featurestore.get_featuregroup("teams_features", online=True)) == 2
    assert featurestore.get_featuregroups(online=True) == ["teams_features_1"]
    featurestore.disable_featuregroup_online("teams_features")
    assert featurestore.get_featuregroups(online=True) == []


def test_tags() -> None:
    featurestore.add_tag("teams_features", "owner", "me")
    assert featurestore.get_tags("teams_features") == {"owner": "me"}
    featurestore.remove_tag("teams_features", "owner")
    assert featurestore.get_tag("teams_features", "owner") is None


def test_what_is_absent_says_so() -> None:
    with pytest.raises(CompatError, match="visualize_featuregroup_correlations"):
        featurestore.visualize_featuregroup_correlations("teams_features")


def test_the_project_and_its_files(tmp_path: Path) -> None:
    assert hdfs.project_name() == project.project_name() == "default"
    hdfs.dump("text", "Resources/notes/a.txt")
    assert (
        hdfs.load("Resources/notes/a.txt")
        == b"text"
        == hdfs.load(f"{hdfs.project_path()}Resources/notes/a.txt")
    )
    assert hdfs.ls("Resources/notes") == [hdfs.abs_path("Resources/notes/a.txt")]
    (tmp_path / "b.txt").write_text("b")
    hdfs.copy_to_hdfs(str(tmp_path / "b.txt"), "Resources")
    assert hdfs.exists("Resources/b.txt") and not hdfs.exists("Resources/c.txt")
    assert Path(hdfs.copy_to_local("Resources/notes/a.txt", str(tmp_path))).read_text() == "text"
    hdfs.rmr("Resources/notes")
    assert not hdfs.isdir("Resources/notes")
