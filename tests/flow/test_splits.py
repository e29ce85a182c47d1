"""Splits by groups, by strata and by a column that names them, through a view."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import hopyard
from hopyard.errors import NotFoundError, TrainingDatasetError
from hopyard.feature_view import FeatureView
from hopyard.project import Project

START = datetime(2026, 1, 1, tzinfo=UTC)
N = 3000
FOLDS = {0: "train", 1: "train", 2: "test", 3: None}


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> FeatureView:
    fs = hopyard.login(tmp_path_factory.mktemp("splits") / "store").get_feature_store()
    visits = fs.create_feature_group("visits", primary_key="visit", event_time="at")
    visits.insert(
        [
            {
                "visit": n,
                "at": START + timedelta(minutes=n),
                "patient": n % 70,
                "minutes": float(n % 45),
                "is_ill": n % 10 == 0,
                "fold": FOLDS[n % 4],
            }
            for n in range(N)
        ]
    )
    return fs.create_feature_view(
        "illness",
        visits.select(["visit", "minutes", "is_ill"]),
        labels="is_ill",
        training_helper_columns="visit",
    )


def visits_of(view: FeatureView, **options: Any) -> tuple[set[int], set[int]]:
    train, test, _, _ = view.train_test_split(**options, training_helper_columns=True)
    return set(train["visit"]), set(test["visit"])


@pytest.mark.parametrize("exact", [None, True, False])
def test_a_group_is_in_one_split(view: FeatureView, *, exact: bool | None) -> None:
    train, test = visits_of(view, test_size=0.3, group_by="patient", exact=exact)
    assert train | test == set(range(N))
    patients = {n % 70 for n in test}
    assert patients.isdisjoint(n % 70 for n in train)
    if exact is not False:
        assert len(patients) == 21, "shares count the groups"


def test_every_stratum_is_cut_in_the_same_shares(view: FeatureView) -> None:
    dataset = view.create_train_test_split(0.2, stratify_by="is_ill")
    assert dataset.balance == {
        "train": {"is_ill": {False: 2160, True: 240}},
        "test": {"is_ill": {False: 540, True: 60}},
    }
    assert dataset.verify().is_same
    assert dataset.manifest.split == type(dataset.manifest.split)(
        names=("train", "test"), ratios=(0.8, 0.2), mode="exact", stratify_by=("is_ill",)
    )
    before = {name: dataset.read(name) for name in dataset.splits}
    dataset.delete()
    dataset.rebuild()
    assert all(dataset.read(name).equals(frame) for name, frame in before.items())


def test_a_column_names_the_split(view: FeatureView) -> None:
    train, test = visits_of(view, split_column="fold")
    assert train == {n for n in range(N) if n % 4 in (0, 1)}
    assert test == {n for n in range(N) if n % 4 == 2}
    dataset = view.create_train_test_split(split_column="fold")
    assert dataset.verify().is_same
    assert [split.n_rows for split in dataset.manifest.splits] == [1500, 750]
    assert "fold" not in dataset.read("train").columns
    assert view.check_leakage(training_dataset_version=dataset.version).n_rows == 2250


def test_a_dataframe_is_split_alike_in_any_order(view: FeatureView) -> None:
    frame = view.query.read().assign(at=START, patient=lambda frame: frame["visit"] % 70)
    for options in ({"group_by": "patient"}, {"stratify_by": "is_ill"}):
        found = visits_of(view, test_size=0.3, spine=frame, **options)
        assert visits_of(view, test_size=0.3, spine=frame.sample(frac=1, random_state=1), **options) == found


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"test_size": 0.2, "group_by": "patient", "stratify_by": "is_ill"}, "one of the two"),
        ({"test_size": 0.2, "stratify_by": "is_ill", "exact": False}, "leave out exact=False"),
        ({"test_size": 0.2, "stratify_by": "visit"}, "3,000 distinct values in 3,000 rows"),
        ({"test_size": 0.2, "group_by": 5}, "group_by=5 must be the name"),
        ({"test_size": 0.2, "split_column": "fold"}, "leave them out"),
        ({"split_column": 3}, "must be the name of a column"),
        ({"split_column": "minutes"}, "is double: it must be a string"),
        ({"train_end": "2026-01-02", "group_by": "patient"}, "group_by= belong to a split by size"),
    ],
)
def test_splits_that_cannot_be(view: FeatureView, options: dict[str, Any], message: str) -> None:
    with pytest.raises(TrainingDatasetError, match=message):
        view.train_test_split(**options)


def test_a_column_that_is_not_there_is_refused(view: FeatureView) -> None:
    with pytest.raises(NotFoundError, match="'patiant'.*'patient'"):
        view.train_test_split(0.2, group_by="patiant")


def test_names_of_no_split_and_columns_that_a_model_sees_are_refused(store: Project) -> None:
    fs = store.get_feature_store()
    rows = fs.create_feature_group("rows", primary_key="k")
    rows.insert([{"k": n, "part": ["train", "test", "tset"][n % 3], "y": n % 2} for n in range(9)])
    hidden = fs.create_feature_view("hidden", rows.select(["k", "y"]), labels="y")
    with pytest.raises(TrainingDatasetError, match="name no split: 'tset'. The splits are 'train', 'test'"):
        hidden.create_train_test_split(split_column="part")
    assert hidden.get_training_datasets() == []
    seen = fs.create_feature_view("seen", rows.select(["part", "y"]), labels="y")
    with pytest.raises(TrainingDatasetError, match="'part' is a feature or a label"):
        seen.train_test_split(split_column="part")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([None, 1.5, None, 2.5], {None: 2, 1.5: 1, 2.5: 1}),
        (["b", "a", "b", None], {"b": 2, "a": 1, None: 1}),
        ([START, START, None, START], {START: 3, None: 1}),
        ([float(n) for n in range(30)], {float(n): 1 for n in range(20)}),
        ([[1.0], [2.0]], None),
    ],
)
def test_balance_of_labels_of_every_kind(
    store: Project, values: list[Any], expected: dict[Any, int] | None
) -> None:
    group = store.get_feature_store().create_feature_group("rows", primary_key="k")
    group.insert([{"k": n, "y": value} for n, value in enumerate(values)])
    view = store.get_feature_store().create_feature_view("v", group.select_all(), labels="y")
    dataset = view.create_training_data()
    assert dataset.balance == {"all": {} if expected is None else {"y": expected}}
    assert dataset.verify().is_same
