"""Descriptions, tags and keywords of groups, features, views and training datasets."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from groups import make_group
from hopyard.errors import ConfigError, InvalidNameError, NotFoundError
from hopyard.feature_group import FeatureGroup
from hopyard.feature_store import FeatureStore
from hopyard.feature_view import FeatureView
from hopyard.training_dataset import TrainingDataset

Thing = FeatureGroup | FeatureView | TrainingDataset


@pytest.fixture
def group(fs: FeatureStore) -> FeatureGroup:
    return make_group(fs, "g", {"id": "bigint", "x": "double"}, [(1, 1.0), (2, 2.0)], primary_key="id")


@pytest.fixture(params=["group", "view", "dataset"])
def thing(request: pytest.FixtureRequest, fs: FeatureStore, group: FeatureGroup) -> Thing:
    if request.param == "group":
        return group
    view = fs.create_feature_view("v", group.select_all())
    return view if request.param == "view" else view.create_training_data()


def again(fs: FeatureStore, thing: Thing) -> Thing:
    """Return the thing as another program would get it."""
    if isinstance(thing, FeatureGroup):
        return fs.get_feature_group(thing.name)
    return fs.get_feature_view("v") if isinstance(thing, FeatureView) else fs.get_training_dataset("v_1")


def test_a_description_is_changed_and_kept(fs: FeatureStore, thing: Thing) -> None:
    assert thing.description == ""
    assert thing.update_description("what it is") is thing
    assert thing.description == again(fs, thing).description == "what it is"
    with pytest.raises(ConfigError, match="3 is none"):
        thing.update_description(3)  # type: ignore[arg-type]


@pytest.mark.parametrize("value", ["text", "", 3, 2.5, True, None, ["a", 1], {"team": {"name": "ops"}}])
def test_a_tag_has_any_value_of_json(fs: FeatureStore, thing: Thing, value: Any) -> None:
    thing.add_tag("owner", value)
    other = again(fs, thing)
    assert thing.tags == other.get_tags() == {"owner": value}
    assert thing.get_tag("owner") == other.get_tag("owner") == value
    thing.delete_tag("owner")
    thing.add_tag("Owner: Data", value)
    assert again(fs, thing).tags == {"Owner: Data": value}


@pytest.mark.parametrize("value", [math.nan, math.inf, object(), {1, 2}, b"bytes", {"deep": [math.nan]}])
def test_what_json_does_not_have_is_refused_and_nothing_is_stored(
    fs: FeatureStore, thing: Thing, value: object
) -> None:
    with pytest.raises(ConfigError, match="Tag 'owner' cannot have the value"):
        thing.add_tag("owner", value)
    assert thing.tags == again(fs, thing).tags == {}


def test_tags_that_cannot_be(thing: Thing) -> None:
    for name in ("", " owner", "a=b", "a\nb", "x" * 64, 3, None):
        with pytest.raises(InvalidNameError, match="cannot name a tag"):
            thing.add_tag(name, "x")  # type: ignore[arg-type]
    thing.add_tag("owner", "x")
    for act in (thing.get_tag, thing.delete_tag):
        with pytest.raises(NotFoundError, match="Did you mean 'owner'"):
            act("owners")


def test_a_value_that_is_changed_later_is_not_the_stored_one(thing: Thing) -> None:
    value = {"team": "ops"}
    thing.add_tag("owner", value)
    value["team"] = "other"
    assert thing.tags == {"owner": {"team": "ops"}}


def test_keywords_are_a_sorted_set(fs: FeatureStore, thing: Thing) -> None:
    assert thing.keywords == []
    assert thing.add_keywords("b") == ["b"]
    assert thing.add_keywords(["c", " a ", "b"]) == ["a", "b", "c"]
    assert again(fs, thing).get_keywords() == thing.keywords == ["a", "b", "c"]
    assert thing.delete_keyword("b") == ["a", "c"]
    with pytest.raises(NotFoundError, match="There are: a, c"):
        thing.delete_keyword("b")
    assert thing.set_keywords(["z"]) == again(fs, thing).keywords == ["z"]
    assert thing.set_keywords([]) == []


@pytest.mark.parametrize("keywords", ["", " ", [3], 3, None, b"x", ["a", ""], "x" * 101])
def test_keywords_that_cannot_be(thing: Thing, keywords: Any) -> None:
    with pytest.raises(ConfigError, match=r"keyword"):
        thing.add_keywords(keywords)
    assert thing.keywords == []


def test_features_have_their_own(fs: FeatureStore, group: FeatureGroup) -> None:
    group.update_feature_description("x", "metres").add_tag("unit", "m", feature="x")
    assert group.add_keywords(["length", "size"], feature="x") == ["length", "size"]
    assert group.set_keywords("length", feature="x") == ["length"]
    other = fs.get_feature_group("g")
    assert other["x"].description == "metres"
    assert (other.get_tags(feature="x"), other.get_tag("unit", feature="x")) == ({"unit": "m"}, "m")
    assert other.get_keywords(feature="x") == ["length"]
    assert (other.tags, other.keywords, other.get_tags(feature="id")) == ({}, [], {})
    assert other.delete_keyword("length", feature="x") == []
    other.delete_tag("unit", feature="x")
    assert fs.get_feature_group("g").get_tags(feature="x") == {}


def test_a_feature_that_is_not_there(group: FeatureGroup) -> None:
    for act in (
        lambda: group.add_tag("unit", "m", feature="y"),
        lambda: group.get_tags(feature="y"),
        lambda: group.get_tag("unit", feature="y"),
        lambda: group.add_keywords("a", feature="y"),
        lambda: group.update_feature_description("y", "z"),
    ):
        with pytest.raises(NotFoundError, match="feature of 'g_1' named 'y'"):
            act()


def test_they_outlive_every_write(fs: FeatureStore, group: FeatureGroup) -> None:
    old = fs.get_feature_group("g")  # does not know what follows
    group.add_tag("unit", "m", feature="x")
    group.add_keywords("a")
    old.insert([{"id": 3, "x": 3.0}])
    old.append_features({"y": "double"})
    old.insert([{"id": 4, "x": 4.0, "y": 1.0}], overwrite=True)
    now = fs.get_feature_group("g")
    assert (now.get_tags(feature="x"), now.keywords) == ({"unit": "m"}, ["a"])
    assert [feature.name for feature in now.features] == ["id", "x", "y"]


def test_a_group_that_is_not_stored_has_none_yet(fs: FeatureStore) -> None:
    draft = fs.create_feature_group("new", primary_key="id")
    assert (draft.tags, draft.keywords, draft.description) == ({}, [], "")
    with pytest.raises(ConfigError, match="not stored yet"):
        draft.add_keywords("a")


def test_a_dataset_stays_the_same_and_keeps_its_tags_when_it_is_rebuilt(
    fs: FeatureStore, group: FeatureGroup
) -> None:
    dataset = fs.create_feature_view("v", group.select_all()).create_training_data(description="first")
    manifest = (Path(dataset.location) / "manifest.json").read_bytes()
    other = fs.get_training_dataset("v_1")
    other.add_tag("model", "m1")
    other.add_keywords("champion")
    other.update_description("best")
    assert (Path(dataset.location) / "manifest.json").read_bytes() == manifest
    assert other.verify().status == "same"
    dataset.rebuild()  # by an object that knows nothing of them
    now = fs.get_training_dataset("v_1")
    assert (now.tags, now.keywords, now.description) == ({"model": "m1"}, ["champion"], "best")
    assert (dataset.tags, now.verify().status) == ({"model": "m1"}, "same")
    now.delete()
    with pytest.raises(NotFoundError):
        now.add_tag("a", 1)
    assert now.rebuild().tags == fs.get_training_dataset("v_1").tags == {"model": "m1"}


def test_the_store_verifies_with_them(store: Any, fs: FeatureStore, group: FeatureGroup) -> None:
    fs.create_feature_view("v", group.select_all()).create_training_data().add_tag("a", {"b": 1})
    group.add_tag("unit", "m", feature="x")
    assert store.verify().is_fine
