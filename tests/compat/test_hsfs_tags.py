"""Tags, keywords and search of programs for Hopsworks are those of Hopyard."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import hopyard
from hopyard.compat.hsfs.client.exceptions import RestAPIError
from hopyard.compat.hsfs.feature_store import FeatureStore
from hopyard.compat.hsfs.notes import change_notes, read_notes


@pytest.fixture
def fs(tmp_path: Path) -> FeatureStore:
    return FeatureStore(hopyard.login(tmp_path / "store"))


@pytest.fixture
def group(fs: FeatureStore) -> Any:
    found = fs.create_feature_group("sales", version=1, primary_key=["id"], description="of each shop")
    found.save([{"id": 1, "amount": 2.0}])
    return found


def core(fs: FeatureStore, name: str = "sales") -> hopyard.FeatureGroup:
    return fs._store.get_feature_group(name, 1)


def test_what_one_sets_the_other_has(fs: FeatureStore, group: Any) -> None:
    group.add_tag("Owner Data", {"name": "Jane"})
    group.add_keywords(["retail"])
    assert (core(fs).tags, core(fs).keywords) == ({"Owner Data": {"name": "Jane"}}, ["retail"])
    core(fs).add_tag("level", 3)
    core(fs).add_keywords("shops")
    assert group.get_tags() == {"Owner Data": {"name": "Jane"}, "level": 3}
    assert group.get_keywords() == fs.get_all_keywords() == ["retail", "shops"]
    assert "tags" not in read_notes(fs._project, group.notes_key)


def test_tags_of_the_creation_are_found(fs: FeatureStore) -> None:
    group = fs.create_feature_group("g", version=1, primary_key=["id"], tags={"name": "team", "value": "ops"})
    group.save([{"id": 1}])
    assert core(fs, "g").tags == {"team": "ops"} == group.get_tags()
    assert fs.search_feature_groups("ops") == [group]
    group.delete_tag("team")
    assert core(fs, "g").tags == {} == group.get_tags()


def test_what_an_earlier_release_noted_is_still_there(fs: FeatureStore, group: Any) -> None:
    old = {"tags": {"team": "ops", "level": 1}, "keywords": ["retail"]}
    change_notes(fs._project, group.notes_key, lambda own: own.update(old))
    assert (group.get_tags(), group.get_keywords()) == (old["tags"], old["keywords"])
    assert fs.search_feature_groups(keyword_filter="retail", tag_filter="team") == [group]
    group.add_tag("level", 2)
    group.delete_tag("team")
    assert group.get_tags() == {"level": 2} == core(fs).tags
    assert group.add_keywords("shops") == ["retail", "shops"] == core(fs).keywords
    assert group.delete_keyword("retail") == ["shops"] == fs.get_all_keywords()
    with pytest.raises(RestAPIError, match="no tag 'team'"):
        group.delete_tag("team")


def test_search_finds_words_best_first_and_parts_of_words_last(fs: FeatureStore, group: Any) -> None:
    other = fs.create_feature_group("stock", version=1, primary_key=["id"], description="after sales")
    other.save([{"id": 1}])
    assert fs.search_feature_groups("sales") == [group, other]
    assert fs.search_feature_groups("ales") == [group, other]
    assert fs.search_feature_groups("sales", limit=1, offset=1) == [other]
    assert fs.search_feature_groups("amount") == [group]
    assert fs.search_feature_groups("'\"*") == []
