"""What a group or a view is made with: expectations, tags and keywords, checked before anything is stored."""

from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from hopyard import expectations as e
from hopyard.cli import app
from hopyard.errors import (
    AlreadyExistsError,
    ConfigError,
    HopyardError,
    InvalidNameError,
    NotFoundError,
    SchemaMismatchError,
    ValidationError,
)
from hopyard.feature_group import FeatureGroup
from hopyard.feature_store import FeatureStore
from hopyard.project import Project

EXPECTED = [e.not_null("level"), e.in_range("level", min=0)]
GIVEN: dict[str, Any] = {
    "primary_key": "id",
    "expectations": EXPECTED,
    "expectation_policy": "always",
    "tags": {"owner": {"team": "tides"}},
    "keywords": ["sea", "gauge"],
}


@pytest.fixture
def group(fs: FeatureStore) -> FeatureGroup:
    group = fs.create_feature_group("levels", **GIVEN)
    with pytest.warns(UserWarning, match="level is >= 0"):
        group.insert([{"id": 1, "level": -1.0}])
    return fs.get_feature_group("levels")


def test_a_group_is_stored_with_them(fs: FeatureStore, group: FeatureGroup) -> None:
    assert group.expectations == EXPECTED and group.expectation_policy == "always"
    assert group.tags == {"owner": {"team": "tides"}} and group.keywords == ["gauge", "sea"]
    assert [hit.name for hit in fs.search("gauge")] == ["levels"]
    assert fs.get_or_create_feature_group("levels", **GIVEN).expectations == EXPECTED


def test_the_first_rows_are_checked(fs: FeatureStore) -> None:
    group = fs.create_feature_group("levels", **{**GIVEN, "expectation_policy": "strict"})
    with pytest.raises(ValidationError, match="1 of 2 rows fail"):
        group.insert([{"id": 1, "level": 1.0}, {"id": 2, "level": None}])
    assert fs.list_feature_groups() == []


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"expectations": [e.not_null("levle")]}, NotFoundError, "Its features are: id, level"),
        ({"expectations": [e.matches("level", "a")]}, SchemaMismatchError, "only text matches"),
        ({"expectations": [e.matches("id", "(")]}, HopyardError, "regular expression"),
        ({"expectations": "not_null"}, ConfigError, "not_null, in_range, in_set"),
        ({"expectation_policy": "lax"}, ConfigError, "use 'strict'"),
        ({"tags": {"a=b": 1}}, InvalidNameError, "without '='"),
        ({"tags": ["owner"]}, ConfigError, "must be a dict"),
        ({"tags": {"owner": {1, 2}}}, ConfigError, "cannot have the value"),
        ({"keywords": ["", "sea"]}, ConfigError, "no keyword"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_stored(
    fs: FeatureStore, given: dict[str, Any], error: type[HopyardError], message: str
) -> None:
    for create in (fs.create_feature_group, fs.get_or_create_feature_group):
        with pytest.raises(error, match=message):
            create("levels", primary_key="id", features={"id": "bigint", "level": "double"}, **given)
    assert fs.list_feature_groups() == []


def test_a_column_that_the_first_frame_lacks_is_refused_with_it(fs: FeatureStore) -> None:
    group = fs.create_feature_group("levels", primary_key="id", expectations=[e.not_null("levle")])
    with pytest.raises(NotFoundError, match="levle"):
        group.insert([{"id": 1, "level": 1.0}])
    assert fs.list_feature_groups() == []


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"expectations": []}, "it expects level is not null, level is >= 0, not nothing"),
        ({"expectations": [e.unique("level")]}, "not level is unique"),
        ({"expectation_policy": "strict"}, "its policy is 'always', not 'strict'"),
        ({"tags": {}}, "tags is"),
        ({"keywords": "sea"}, "keywords is"),
    ],
)
def test_a_stored_group_that_differs_is_told(
    fs: FeatureStore, group: FeatureGroup, given: dict[str, Any], message: str
) -> None:
    with pytest.raises(AlreadyExistsError, match=message):
        fs.get_or_create_feature_group("levels", **{**GIVEN, **given})
    assert fs.get_feature_group("levels").expectations == EXPECTED


def test_a_view_is_stored_with_tags_and_keywords(fs: FeatureStore, group: FeatureGroup) -> None:
    with pytest.raises(ConfigError, match="no keyword"):
        fs.create_feature_view("tides", group.select_all(), keywords=[""])
    fs.create_feature_view("tides", group.select_all(), tags={"stage": "draft"}, keywords="sea")
    view = fs.get_feature_view("tides")
    assert (view.tags, view.keywords) == ({"stage": "draft"}, ["sea"])
    assert {hit.name for hit in fs.search("sea")} == {"levels", "tides"}
    assert fs.get_or_create_feature_view("tides", group.select_all()).tags == {"stage": "draft"}


def test_the_command_line_shows_them(store: Project, fs: FeatureStore, group: FeatureGroup) -> None:
    def run(*arguments: str) -> str:
        done = CliRunner().invoke(app, ["--url", store.location, "show", "levels", *arguments])
        assert done.exit_code == 0, done.output
        return done.output

    document = json.loads(run("--json"))
    assert document["expectations"] == ["level is not null", "level is >= 0"]
    assert document["expectation_policy"] == "always"
    assert document["statistics_config"]["histogram_bins"] == 20
    assert "Expects        level is not null; level is >= 0" in run()
    assert "Statistics" not in run()
    group.update_statistics_config({"correlations": True})
    assert "Statistics     correlations=true" in run()
