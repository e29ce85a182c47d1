"""What was made from what, both ways, without anybody declaring it."""

from __future__ import annotations

from pathlib import Path

import pytest

from groups import make_group
from hopyard.errors import NotFoundError, TrainingDatasetError
from hopyard.feature_store import FeatureStore
from hopyard.feature_view import FeatureView
from hopyard.testing.frames import frame
from hopyard.testing.store import open_store

RATES = {"item": "string", "rate": "double"}
SALES = {"sale": "bigint", "item": "string", "is_late": "boolean"}


@pytest.fixture
def fs(tmp_path: Path) -> FeatureStore:
    fs = open_store(tmp_path / "store").get_feature_store()
    make_group(fs, "rates", RATES, [("pen", 1.0)], primary_key="item")
    make_group(fs, "sales", SALES, [(1, "pen", False), (2, "pen", True)], primary_key="sale")
    make_group(fs, "unused", RATES, [], primary_key="item")
    return fs


@pytest.fixture
def view(fs: FeatureStore) -> FeatureView:
    sales, rates = fs.get_feature_group("sales"), fs.get_feature_group("rates")
    query = sales.select_all().join(rates.select(["rate"]), on=["item"])
    return fs.create_feature_view("late", query, labels="is_late")


def test_views_know_their_groups_and_groups_their_views(fs: FeatureStore, view: FeatureView) -> None:
    assert [(group.name, group.version) for group in view.get_parent_feature_groups()] == [
        ("sales", 1),
        ("rates", 1),
    ]
    for name in ("sales", "rates"):
        (found,) = fs.get_feature_group(name).get_generated_feature_views()
        assert (found.name, found.version) == ("late", 1)
    assert fs.get_feature_group("unused").get_generated_feature_views() == []


def test_a_training_dataset_names_the_commit_of_each_group(fs: FeatureStore, view: FeatureView) -> None:
    dataset = view.create_training_data()
    fs.get_feature_group("rates").insert(frame(RATES, [("ink", 2.0)]))
    lineage = dataset.provenance()
    assert [node.id for node in lineage.nodes] == [
        "feature group rates_1",
        "feature group sales_1",
        "feature view late_1",
        "training dataset late_1 version 1",
    ]
    commits = {edge.source: edge.commit for edge in lineage.sources("training dataset late_1 version 1")}
    commit = dataset.manifest.plan.nodes[1].commit
    assert commits == {"feature view late_1": None, "feature group sales_1": 1, "feature group rates_1": 1}
    assert commit == 1
    later = view.create_training_data().provenance()
    assert {edge.commit for edge in later.sources("training dataset late_1 version 2")} == {None, 1, 2}
    assert "training dataset late_1 version 1" not in [node.id for node in later.nodes]


def test_what_was_deleted_is_still_named(fs: FeatureStore, view: FeatureView) -> None:
    dataset = view.create_training_data()
    fs.get_feature_group("rates").delete(force=True)
    assert [group.name for group in view.get_parent_feature_groups()] == ["sales"]
    assert [node.id for node in dataset.provenance().nodes if node.is_deleted] == ["feature group rates_1"]
    assert "feature group rates_1 (deleted)" in str(dataset.provenance())


def test_a_flowchart_has_every_node_and_edge(view: FeatureView) -> None:
    assert view.create_training_data().provenance().to_mermaid().splitlines() == [
        "flowchart LR",
        '    n0["feature group rates_1"]',
        '    n1["feature group sales_1"]',
        '    n2["feature view late_1"]',
        '    n3["training dataset late_1 version 1"]',
        "    n1 --> n2",
        "    n0 --> n2",
        "    n2 --> n3",
        '    n1 -->|"commit 1"| n3',
        '    n0 -->|"commit 1"| n3',
    ]


def test_the_batch_query_reads_what_get_batch_data_reads(fs: FeatureStore, view: FeatureView) -> None:
    query = view.get_batch_query()
    assert "is_late" not in query.features
    assert query.read(dataframe_type="python") == view.get_batch_data(dataframe_type="python")


def test_tags_of_a_view(fs: FeatureStore, view: FeatureView) -> None:
    view.add_tag("owner", "ops")
    stored = fs.get_feature_view("late")
    assert stored.get_tag("owner") == "ops"
    stored.delete_tag("owner")
    with pytest.raises(NotFoundError, match="owner"):
        view.delete_tag("owner")
    with pytest.raises(NotFoundError, match="owner"):
        fs.get_feature_view("late").get_tag("owner")


def test_deletion_says_what_went(fs: FeatureStore, view: FeatureView) -> None:
    view.create_training_data()
    with pytest.raises(TrainingDatasetError, match="training dataset"):
        view.delete()
    assert view.delete(force=True) == ["training dataset 1 of late_1", "feature view late_1"]
