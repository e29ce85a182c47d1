"""Arguments of a wrong type are refused before anything is stored: what is stored can always be read back."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import hopyard
from hopyard.errors import (
    ConfigError,
    HopyardError,
    JoinKeyError,
    NotFoundError,
    QueryError,
    TimeTravelError,
    TrainingDatasetError,
)
from hopyard.feature_store import FeatureStore
from hopyard.project import Project

ROWS = [{"k": 1, "v": 1.5}, {"k": 2, "v": 2.5}]


def tables(store: Project) -> list[Path]:
    return sorted(Path(store.location).glob("projects/*/groups/*"))


@pytest.mark.parametrize(
    "options",
    [
        {"description": None},
        {"description": 5},
        {"online_enabled": 1},
        {"online_enabled": np.bool_(True)},
        {"online_enabled": "yes"},
        {"primary_key": np.array(["k"])},
        {"foreign_key": {"v": 5}},
        {"primary_key": 1},
        {"foreign_key": 1},
        {"partition_key": 1},
    ],
)
def test_a_group_with_a_wrong_argument_is_not_stored(store: Project, options: dict[str, Any]) -> None:
    fs = store.get_feature_store()
    with pytest.raises(HopyardError):
        fs.create_feature_group("g", **{"primary_key": "k", **options}).insert(ROWS)
    assert fs.list_feature_groups() == []
    assert tables(store) == []


def test_new_rows_only_and_no_old_rows_is_one_too_many(fs: FeatureStore) -> None:
    group = fs.create_feature_group("g", primary_key="k")
    group.insert(ROWS)
    with pytest.raises(ConfigError, match="give one of the two"):
        group.insert(ROWS[:1], operation="insert", overwrite=True)
    assert len(group.read()) == 2


@pytest.mark.parametrize("url", [3, b"x", ["x"]])
def test_a_store_is_opened_by_a_path(url: Any) -> None:
    with pytest.raises(ConfigError, match="must be a folder"):
        hopyard.login(url)


@pytest.mark.parametrize("value", [{"a": {1}}, np.int64(5), float("nan"), b"x", ["a", object()]])
def test_tags_are_what_json_has(fs: FeatureStore, value: Any) -> None:
    group = fs.create_feature_group("g", primary_key="k")
    group.insert(ROWS)
    with pytest.raises(ConfigError, match="'x' cannot have the value"):
        group.add_tag("x", value)
    assert fs.get_feature_group("g").tags == {}


@pytest.mark.parametrize("change", ["update_description", "update_feature_description"])
def test_descriptions_are_text(fs: FeatureStore, change: str) -> None:
    group = fs.create_feature_group("g", primary_key="k", description="before")
    group.insert(ROWS)
    arguments = ("v", None) if change == "update_feature_description" else (None,)
    with pytest.raises(ConfigError, match="A description is text"):
        getattr(group, change)(*arguments)
    assert fs.get_feature_group("g").description == "before"


@pytest.mark.parametrize("commit_id", [5, uuid.UUID(int=1), "", b"x"])
def test_a_commit_id_is_text(fs: FeatureStore, commit_id: Any) -> None:
    group = fs.create_feature_group("g", primary_key="k")
    group.insert(ROWS)
    with pytest.raises(ConfigError, match="commit_id=.* must be text"):
        group.insert(ROWS, commit_id=commit_id)
    assert [commit.number for commit in group.commit_details()] == [1, 0]


@pytest.mark.parametrize("seed", [1.5, True, "a", -1])
def test_a_seed_is_a_whole_number(fs: FeatureStore, seed: Any) -> None:
    group = fs.create_feature_group("g", primary_key="k")
    group.insert(ROWS)
    view = fs.create_feature_view("v", group.select_all())
    with pytest.raises(TrainingDatasetError, match="seed=.* must be a whole number"):
        view.create_train_test_split(0.5, seed=seed)
    four: Any = np.int64(4)
    assert view.create_train_test_split(0.5, seed=four).version == 1


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda g: g.filter(True), "takes a condition"),
        (lambda g: g.filter("v > 1"), "takes a condition"),
        (lambda g: g.filter(g.name == "x"), "in brackets only"),
        (lambda g: g.filter(g.v), "takes a condition"),
        (lambda g: g.filter(g.v > 1 & g.k > 1), "in brackets"),
        (lambda g: g.select_all().join(g), "select_all"),
        (lambda g: g.select_all().join(g.select_all(), max_age=3), "timedelta"),
    ],
)
def test_queries_say_what_they_take(fs: FeatureStore, call: Callable[[Any], object], words: str) -> None:
    group = fs.create_feature_group("g", primary_key="k")
    group.insert(ROWS)
    with pytest.raises(QueryError, match=words):
        call(group)


@pytest.mark.parametrize("options", [{"ttl": 30}, {"features": {"k": int}}, {"features": ["k"]}])
def test_groups_say_what_they_take(fs: FeatureStore, options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="must"):
        fs.create_feature_group("g", primary_key="k", **options)


def test_one_name_is_as_good_as_a_list(fs: FeatureStore) -> None:
    group = fs.create_feature_group("g", primary_key="k")
    group.insert(ROWS)
    assert group.select("v").features == ["v"]
    assert group.select_except("v").features == ["k"]
    assert group.read(order_by="v", dataframe_type="python") == ROWS
    view = fs.create_feature_view(
        "v", group.select_all(), transformation_functions=hopyard.min_max_scaler("v")
    )
    assert len(view.transformations) == 1
    with pytest.raises(TrainingDatasetError, match="takes the name of one feature"):
        hopyard.min_max_scaler(["v"])  # type: ignore[arg-type]


def test_a_group_is_no_query(fs: FeatureStore) -> None:
    group: Any = fs.create_feature_group("g", primary_key="k")
    group.insert(ROWS)
    with pytest.raises(QueryError, match="select_all"):
        fs.create_feature_view("v", group)
    with pytest.raises(AttributeError, match="no attribute 'tail'.*read\\(\\)"):
        group.tail()


@pytest.mark.parametrize("limit", ["3", 2.5, True, -1])
def test_a_limit_is_a_whole_number(fs: FeatureStore, limit: Any) -> None:
    group = fs.create_feature_group("g", primary_key="k")
    group.insert(ROWS)
    for call in (group.show, group.commit_details, lambda n: group.read(limit=n)):
        with pytest.raises(QueryError, match="limit=.* must be a whole number"):
            call(limit)
    one: Any = np.int64(1)
    assert len(group.read(limit=one)) == 1
    assert len(group.commit_details(1)) == 1


def test_a_feature_is_no_condition_of_and_or_not(fs: FeatureStore) -> None:
    """Otherwise `fg.a and fg.b > 1` would silently be `fg.b > 1`."""
    group: Any = fs.create_feature_group("g", primary_key="k")
    group.insert([{"k": 1, "is_new": True}])
    with pytest.raises(QueryError, match="no yes or no"):
        group.filter(group.is_new and group.k > 0)
    with pytest.raises(QueryError, match="no yes or no"):
        group.filter(not group.is_new)


def test_helper_columns_and_labels_are_one_name_or_several(fs: FeatureStore) -> None:
    group = fs.create_feature_group("g", primary_key="key_of_rows")
    group.insert([{"key_of_rows": 1, "v": 1.5, "w": 2.5}])
    query = group.select_all()
    view = fs.create_feature_view("v", query, labels="v", training_helper_columns="key_of_rows")
    assert view.spec.training_helper_columns == ("key_of_rows",)
    wrong: Any
    for wrong in (5, [5], None):
        with pytest.raises(QueryError, match="training_helper_columns=.* must be a name"):
            fs.create_feature_view("other", query, training_helper_columns=wrong)
        with pytest.raises(QueryError, match="labels=.* must be a name"):
            fs.create_feature_view("other", query, labels=wrong)
    for wrong in (5, None, [], [5]):
        with pytest.raises(QueryError, match="label=.* names no column"):
            query.check_leakage(wrong)


@pytest.mark.parametrize("text", [None, 5, b"select 1"])
def test_sql_is_text(fs: FeatureStore, text: Any) -> None:
    with pytest.raises(QueryError, match="takes the text of a SELECT"):
        fs.sql(text)


def test_what_is_no_query_gets_the_advice_that_fits(fs: FeatureStore) -> None:
    group = fs.create_feature_group("g", primary_key="k")
    group.insert(ROWS)
    query: Any = group.select_all()
    view = fs.create_feature_view("v", query)
    for given, advice in (
        (group, "select_all"),
        (view, "view.query"),
        (pd.DataFrame(ROWS), "fs.spine"),
        (5, "select"),
    ):
        with pytest.raises(QueryError, match=rf"takes a query.*{advice}"):
            query.join(given)


def test_a_name_that_is_no_text_is_not_found(fs: FeatureStore) -> None:
    wrong: Any = 1
    with pytest.raises(NotFoundError, match="No feature group named 1"):
        fs.get_feature_group(wrong)
    with pytest.raises(NotFoundError, match="No feature view named 1"):
        fs.get_feature_view(wrong)


def test_features_are_selected_by_name(fs: FeatureStore) -> None:
    group: Any = fs.create_feature_group("g", primary_key="k")
    group.insert(ROWS)
    for call in (group.select, group.select_except):
        for wrong in ([group.v], group.v, 5, None):
            with pytest.raises(QueryError, match="selected by their names"):
                call(wrong)


@pytest.mark.parametrize("options", [{"on": 5}, {"on": [5]}, {"on": []}, {"left_on": 5, "right_on": "k"}])
def test_join_keys_are_names(fs: FeatureStore, options: dict[str, Any]) -> None:
    group = fs.create_feature_group("g", primary_key="k")
    group.insert(ROWS)
    with pytest.raises(JoinKeyError, match=f"{next(iter(options))}=.* names no columns"):
        group.select_all().join(group.select_all(), prefix="b_", **options)


def test_a_dataframe_without_keys_is_told_how_to_name_them(fs: FeatureStore) -> None:
    group = fs.create_feature_group("g", primary_key="k")
    group.insert(ROWS)
    with pytest.raises(JoinKeyError, match=r"primary: none.*spine\(df, primary_key="):
        fs.spine([{"k": 1}]).join(group.select_all())


def test_true_is_no_commit_number(fs: FeatureStore) -> None:
    group = fs.create_feature_group("g", primary_key="k")
    group.insert(ROWS)
    for call in (group.as_of, lambda value: group.read(as_of=value), lambda value: group.as_of(None, value)):
        with pytest.raises(TimeTravelError, match="True.* is no commit number and no instant"):
            call(True)


def test_a_range_of_event_times_does_not_end_before_it_starts(fs: FeatureStore) -> None:
    group = fs.create_feature_group("g", primary_key="k", event_time="at")
    group.insert([{"k": 1, "at": datetime(2025, 5, 1), "v": 1.0}])
    view = fs.create_feature_view("v", group.select_all(), labels="v")
    for call in (view.training_data, view.get_batch_data):
        with pytest.raises(
            QueryError, match="start_time=2025-05-02T00:00:00Z is later than end_time=2025-05-01"
        ):
            call(start_time="2025-05-02", end_time="2025-05-01")
    assert len(view.get_batch_data(start_time="2025-05-01", end_time="2025-05-01")) == 0


def test_a_query_without_columns_is_refused_when_it_is_read(fs: FeatureStore) -> None:
    group = fs.create_feature_group("g", primary_key="k")
    group.insert(ROWS)
    nothing = group.select([])
    for call in (nothing.read, nothing.show, nothing.read_batches):
        with pytest.raises(QueryError, match="no column to return"):
            call()
    joined = nothing.join(group.select(["v"]))
    assert joined.read(order_by="v", dataframe_type="python") == [{"v": 1.5}, {"v": 2.5}]
