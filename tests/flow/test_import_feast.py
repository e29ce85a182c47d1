"""Feast repositories of each era, imported: what is created, and that its answers are those of Feast."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from textwrap import dedent

import numpy as np
import pandas as pd
import pytest

import hopyard
from hopyard.errors import ConfigError
from hopyard.integrations.feast import import_feast, plan_import

NOW = datetime(2026, 1, 10, tzinfo=UTC)

OLD = """
    # Feast 0.10: entities by name, Feature, input=, Duration
    from google.protobuf.duration_pb2 import Duration
    from feast import Entity, Feature, FeatureView, FileSource, ValueType

    driver_hourly_stats = FileSource(
        path="%(path)s",
        event_timestamp_column="datetime",
        created_timestamp_column="created",
    )
    driver = Entity(name="driver_id", value_type=ValueType.INT64, description="driver id",)
    driver_hourly_stats_view = FeatureView(
        name="driver_hourly_stats",
        entities=["driver_id"],
        ttl=Duration(seconds=86400 * 1),
        features=[
            Feature(name="conv_rate", dtype=ValueType.FLOAT),
            Feature(name="acc_rate", dtype=ValueType.FLOAT),
            Feature(name="avg_daily_trips", dtype=ValueType.INT64),
        ],
        online=True,
        input=driver_hourly_stats,
        tags={},
    )
"""

MIDDLE = """
    # Feast 0.20: batch_source=, entities by name, timedelta, services with a selection
    from datetime import timedelta
    from feast import Entity, Feature, FeatureView, FileSource, ValueType, FeatureService

    driver_hourly_stats = FileSource(
        path="%(path)s",
        event_timestamp_column="datetime",
        created_timestamp_column="created",
    )
    driver = Entity(name="driver", join_key="driver_id", value_type=ValueType.INT64)
    driver_hourly_stats_view = FeatureView(
        name="driver_hourly_stats",
        entities=["driver"],
        ttl=timedelta(days=1),
        features=[
            Feature("conv_rate", ValueType.FLOAT),
            Feature("acc_rate", ValueType.FLOAT),
            Feature("avg_daily_trips", ValueType.INT64),
        ],
        batch_source=driver_hourly_stats,
    )
    service = FeatureService(
        "driver_activity", [driver_hourly_stats_view[["conv_rate", "avg_daily_trips"]]], tags={"team": "rides"}
    )
"""

NEW = """
    # Feast 0.30 and later: Field, feast.types, entity objects, join_keys, timestamp_field
    import os
    from datetime import timedelta
    from pathlib import Path
    import feast
    from feast import Entity, FeatureService, FeatureView, Field, FileSource, PushSource, RequestSource
    from feast.on_demand_feature_view import on_demand_feature_view
    from feast.types import Float32, Float64, Int64
    import pandas as pd

    HERE = Path(__file__).parent
    DAY = timedelta(days=1)
    driver = Entity(name="driver", join_keys=["driver_id"])
    driver_stats_source = FileSource(
        name="driver_hourly_stats_source",
        path=f"{HERE}/" + os.path.join("data", "stats.parquet"),
        timestamp_field="datetime",
        created_timestamp_column="created",
    )
    driver_stats_fv = FeatureView(
        name="driver_hourly_stats",
        entities=[driver],
        ttl=DAY * 2 - DAY,
        schema=[
            Field(name="driver_id", dtype=Int64),
            Field(name="conv_rate", dtype=Float32),
            Field(name="acc_rate", dtype=Float32),
            Field(name="avg_daily_trips", dtype=Int64, description="Average daily trips"),
        ],
        online=True,
        source=driver_stats_source,
        tags={"team": "driver_performance"},
        owner="rides@example.com",
    )
    input_request = RequestSource(name="vals_to_add", schema=[Field(name="val_to_add", dtype=Int64)])

    @on_demand_feature_view(
        sources=[driver_stats_fv, input_request],
        schema=[Field(name="conv_rate_plus_val1", dtype=Float64)],
    )
    def transformed_conv_rate(inputs: pd.DataFrame) -> pd.DataFrame:
        df = pd.DataFrame()
        df["conv_rate_plus_val1"] = inputs["conv_rate"] + inputs["val_to_add"]
        return df

    driver_activity_v1 = FeatureService(
        name="driver_activity",
        features=[driver_stats_fv[["conv_rate", "avg_daily_trips"]], transformed_conv_rate],
    )
    push = PushSource(name="driver_stats_push_source", batch_source=driver_stats_source)
"""


@pytest.fixture
def fs(tmp_path: Path) -> hopyard.FeatureStore:
    return hopyard.login(tmp_path / "store").get_feature_store()


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    folder = tmp_path / "feature_repo"
    (folder / "data").mkdir(parents=True)
    (folder / "feature_store.yaml").write_text(
        "project: rides\nprovider: local\nregistry: data/registry.db\nonline_store:\n    type: sqlite\n"
        "    path: data/online.db\nentity_key_serialization_version: 3\n"
    )
    return folder


def stats(n: int = 400, seed: int = 1) -> pd.DataFrame:
    """Return rows with repeated (key, time), of which the newest `created` counts, in no order."""
    rng = np.random.default_rng(seed)
    hours = rng.integers(0, 24 * 9, n)
    return pd.DataFrame(
        {
            "datetime": pd.Timestamp("2026-01-01") + pd.to_timedelta(hours, unit="h"),
            "driver_id": rng.integers(1001, 1006, n),
            "conv_rate": rng.random(n).astype("float32"),
            "acc_rate": rng.random(n).astype("float32"),
            "avg_daily_trips": rng.integers(0, 1000, n).astype("int32"),
            "created": pd.Timestamp("2026-01-01") + pd.to_timedelta(rng.permutation(n), unit="min"),
        }
    )


def define(repo: Path, text: str, name: str = "example.py", **values: object) -> None:
    (repo / name).write_text(dedent(text % values if values else text))


def entity_rows(n: int = 200, seed: int = 2) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    minutes = rng.integers(0, 24 * 60 * 11, n)
    minutes[: n // 4] -= minutes[: n // 4] % 60  # equal times count as known
    return pd.DataFrame(
        {
            "driver_id": rng.integers(1000, 1007, n),
            "event_timestamp": pd.Timestamp("2026-01-01", tz="UTC") + pd.to_timedelta(minutes, unit="m"),
            "order": np.arange(n),
        }
    )


def by_hand(
    rows: pd.DataFrame, facts: pd.DataFrame, features: list[str], ttl: timedelta | None
) -> pd.DataFrame:
    """Return Feast's point-in-time join, written out: newest event time, then newest `created`, within the ttl."""
    found = []
    for row in rows.itertuples():
        at = row.event_timestamp.tz_localize(None)
        known = facts[(facts["driver_id"] == row.driver_id) & (facts["datetime"] <= at)]
        if ttl is not None:
            known = known[known["datetime"] >= at - ttl]
        known = known.sort_values(["datetime", "created"])
        found.append([None] * len(features) if known.empty else known.iloc[-1][features].tolist())
    return pd.DataFrame(found, columns=features)


def assert_same(found: pd.DataFrame, expected: pd.DataFrame) -> None:
    for name in expected.columns:
        np.testing.assert_array_equal(
            found[name].astype("float64").to_numpy(),
            expected[name].astype("float64").to_numpy(),
            err_msg=name,
        )


ERAS: Mapping[str, str] = {"0.10": OLD, "0.20": MIDDLE, "0.30": NEW}


@pytest.mark.parametrize("era", ERAS)
def test_features_are_those_of_feasts_join(era: str, repo: Path, fs: hopyard.FeatureStore) -> None:
    facts = stats()
    facts.to_parquet(repo / "data" / "stats.parquet")
    define(repo, ERAS[era], **({} if era == "0.30" else {"path": "data/stats.parquet"}))
    done = import_feast(fs, repo)
    assert done.problems == []
    group = fs.get_feature_group("driver_hourly_stats")
    assert (group.primary_key, group.event_time, group.ttl) == (["driver_id"], "datetime", timedelta(days=1))
    assert group.online_enabled
    types = {feature.name: feature.type for feature in group.spec.features}
    assert types["conv_rate"] == "float" and types["avg_daily_trips"] == "bigint"
    assert len(group.read()) == len(facts.drop_duplicates(["driver_id", "datetime"])) < len(facts)

    rows = entity_rows()
    if era == "0.10":  # without a service, features are joined to the rows by hand
        query = fs.spine(rows, event_time="event_timestamp", primary_key="driver_id").join(
            group.select_features()
        )
        found = query.read()
        assert_same(
            found, by_hand(rows, facts, ["conv_rate", "acc_rate", "avg_daily_trips"], timedelta(days=1))
        )
        return
    view = fs.get_feature_view("driver_activity")
    assert view.features == ["conv_rate", "avg_daily_trips"]
    features, y = view.training_data(spine=rows)
    assert y is None
    assert list(features.columns) == [*rows.columns, "conv_rate", "avg_daily_trips"]
    expected = by_hand(rows, facts, ["conv_rate", "avg_daily_trips"], timedelta(days=1))
    assert 0 < expected["conv_rate"].isna().sum() < len(rows)
    assert_same(features, expected)


def test_vectors_are_the_newest_rows(repo: Path, fs: hopyard.FeatureStore) -> None:
    facts = stats().assign(
        datetime=lambda df: df["datetime"] + (pd.Timestamp.now().floor("h") - df["datetime"].max())
    )
    facts.to_parquet(repo / "data" / "stats.parquet")
    define(repo, NEW)
    import_feast(fs, repo)
    view = fs.get_feature_view("driver_activity")
    view.init_serving()
    assert view.serving_keys == ["driver_id"]
    latest = facts.sort_values(["datetime", "created"]).groupby("driver_id").last()
    fresh = latest[latest["datetime"] > pd.Timestamp.now() - timedelta(hours=23)]
    assert len(fresh)
    for driver, row in fresh.iterrows():
        vector = view.get_feature_vector({"driver_id": driver})
        assert vector == [pytest.approx(row["conv_rate"]), row["avg_daily_trips"]]
    assert view.get_feature_vector({"driver_id": 7}, allow_missing=True) == [None, None]


def test_again_changes_nothing(repo: Path, fs: hopyard.FeatureStore) -> None:
    stats().to_parquet(repo / "data" / "stats.parquet")
    define(repo, NEW)
    first = import_feast(fs, repo)
    commits = fs.get_feature_group("driver_hourly_stats").commit_details()
    again = import_feast(fs, repo)
    assert [group["status"] for group in first.document()["feature_groups"]] == ["created"]
    assert [group["status"] for group in again.document()["feature_groups"]] == ["unchanged"]
    assert [view["status"] for view in again.document()["feature_views"]] == ["unchanged"]
    assert fs.get_feature_group("driver_hourly_stats").commit_details() == commits
    assert len(fs.list_feature_groups()) == 2 and len(fs.list_feature_views()) == 1


def test_a_file_that_grew_brings_its_new_rows(repo: Path, fs: hopyard.FeatureStore) -> None:
    facts = stats()
    facts.iloc[:300].to_parquet(repo / "data" / "stats.parquet")
    define(repo, NEW)
    import_feast(fs, repo)
    facts.to_parquet(repo / "data" / "stats.parquet")
    again = import_feast(fs, repo)
    assert again.document()["feature_groups"][0]["status"] == "rows added"
    features, _ = fs.get_feature_view("driver_activity").training_data(spine=entity_rows())
    assert_same(features, by_hand(entity_rows(), facts, ["conv_rate", "avg_daily_trips"], timedelta(days=1)))


def test_what_differs_is_told_and_nothing_changes(repo: Path, fs: hopyard.FeatureStore) -> None:
    stats().to_parquet(repo / "data" / "stats.parquet")
    define(repo, NEW)
    import_feast(fs, repo)
    define(repo, NEW.replace("ttl=DAY * 2 - DAY", "ttl=DAY * 3"))
    with pytest.raises(ConfigError, match="ttl is 1 day, 0:00:00, not 3 days, 0:00:00"):
        import_feast(fs, repo)
    define(repo, NEW.replace('["conv_rate", "avg_daily_trips"]]', '["conv_rate"]]'))
    with pytest.raises(ConfigError, match="driver_activity_1 already, with other features"):
        import_feast(fs, repo)


def test_what_has_no_counterpart_is_told_with_its_line(repo: Path, fs: hopyard.FeatureStore) -> None:
    stats().to_parquet(repo / "data" / "stats.parquet")
    define(repo, NEW)
    absent = plan_import(repo, fs).document()["no_counterpart"]
    assert {found["what"] for found in absent} == {
        "on demand feature view 'transformed_conv_rate'",
        "feature service 'driver_activity'",
    }
    line = next(i for i, text in enumerate(dedent(NEW).splitlines(), 1) if text.startswith("def transformed"))
    assert f"example.py:{line}" in {found["where"] for found in absent}


def test_groups_are_described_and_tagged(repo: Path, fs: hopyard.FeatureStore) -> None:
    stats().to_parquet(repo / "data" / "stats.parquet")
    define(repo, NEW)
    import_feast(fs, repo)
    group = fs.get_feature_group("driver_hourly_stats")
    assert group.tags == {"team": "driver_performance", "owner": "rides@example.com"}
    assert group["avg_daily_trips"].description == "Average daily trips"


def test_without_data_the_groups_are_empty(repo: Path, fs: hopyard.FeatureStore) -> None:
    stats().to_parquet(repo / "data" / "stats.parquet")
    define(repo, NEW)
    import_feast(fs, repo, with_data=False)
    assert len(fs.get_feature_group("driver_hourly_stats").read()) == 0
    import_feast(fs, repo)
    assert len(fs.get_feature_group("driver_hourly_stats").read()) > 0


def test_pieces_give_the_rows_of_the_whole(repo: Path) -> None:
    facts = stats(1_000)
    facts.to_parquet(repo / "data" / "stats.parquet", row_group_size=90)
    define(repo, NEW)
    plan = plan_import(repo).groups[0]
    pieces = [table for table, _ in plan.source.tables(plan.rows, 100)]
    assert len(pieces) > 5
    found = pd.concat(piece.to_pandas() for piece in pieces).sort_values(["driver_id", "datetime"])
    kept = facts.sort_values("created").drop_duplicates(["driver_id", "datetime"], keep="last")
    kept = kept.sort_values(["driver_id", "datetime"])
    assert found["conv_rate"].tolist() == kept["conv_rate"].tolist()


TODAY = """
    # What `feast init` makes of late: a project, on-demand views, push sources, label views, structs and maps
    from datetime import timedelta
    from typing import Any

    import pandas as pd
    from feast import (
        ConflictPolicy, Entity, FeatureService, FeatureStore, FeatureView, Field, FileSource, LabelView, Project,
        PushSource, RequestSource,
    )
    from feast.feature_logging import LoggingConfig
    from feast.infra.offline_stores.file_source import FileLoggingDestination
    from feast.on_demand_feature_view import on_demand_feature_view
    from feast.permissions.permission import Permission
    from feast.types import Array, Float32, Float64, Int64, Json, Map, String, Struct

    project = Project(name="rides", description="Drivers")
    driver = Entity(name="driver", join_keys=["driver_id"], description="Who drives")
    stats_source = FileSource(
        name="stats", path="data/stats.parquet", timestamp_field="datetime", created_timestamp_column="created"
    )
    stats = FeatureView(
        name="driver_stats",
        entities=[driver],
        ttl=timedelta(weeks=52 * 10),
        schema=[
            Field(name="conv_rate", dtype=Float32),
            Field(name="profile", dtype=Struct({"name": String, "age": Int64})),
            Field(name="limits", dtype=Map, description="By city"),
            Field(name="config", dtype=Json),
            Field(name="embedding", dtype=Array(Float32), vector_index=True, vector_length=2),
        ],
        source=stats_source,
        enable_validation=True,
        version="latest",
    )
    asked = RequestSource(name="asked", schema=[Field(name="km", dtype=Int64)])

    @on_demand_feature_view(
        sources=[stats[["conv_rate"]], asked], schema=[Field(name="p", dtype=Float64)], mode="python"
    )
    def per_km(inputs: dict[str, Any]) -> dict[str, Any]:
        return {"p": [rate / km for rate, km in zip(inputs["conv_rate"], inputs["km"])]}

    first = FeatureService(
        name="driver_v1",
        features=[stats[["conv_rate", "embedding"]]],
        logging_config=LoggingConfig(destination=FileLoggingDestination(path="data")),
    )
    pushed = PushSource(name="pushed", batch_source=stats_source)
    fresh = FeatureView(
        name="driver_stats_fresh", entities=[driver], schema=[Field(name="conv_rate", dtype=Float32)], source=pushed
    )
    second = FeatureService(name="driver_v2", features=[fresh, per_km])
    labels = LabelView(
        name="labels",
        entities=[driver],
        schema=[Field(name="is_good", dtype=Int64)],
        source=PushSource(
            name="labels_push", batch_source=FileSource(path="data/labels.csv", timestamp_field="at")
        ),
        conflict_policy=ConflictPolicy.LAST_WRITE_WINS,
        tags={"feast.io/labeling-method": "table"},
    )
    readers = Permission(name="readers", types=[FeatureView], actions=[])
    store = FeatureStore(repo_path=".")

    if __name__ == "__main__":
        store.apply([driver, stats])
"""


def test_a_repository_of_today(repo: Path, fs: hopyard.FeatureStore) -> None:
    facts = stats(20).drop_duplicates("driver_id")
    n = len(facts)
    facts = facts.assign(
        profile=[{"name": "x", "age": 4}] * n,
        limits=[{"kyoto": 1.5}] * n,
        config=['{"a": 1}'] * n,
        embedding=[[0.5, 1.5]] * n,
    )
    facts.to_parquet(repo / "data" / "stats.parquet")
    (repo / "data" / "labels.csv").write_text("driver_id,at,is_good\n1001,2026-01-01T00:00:00Z,1\n")
    define(repo, TODAY)
    done = import_feast(fs, repo)
    assert done.unreadable == []
    assert {found.what for found in done.absent} == {
        "on demand feature view 'per_km'",
        "feature service 'driver_v2'",
        "permission 'readers'",
    }
    assert [group.name for group in fs.list_feature_groups()] == [
        "driver_stats",
        "driver_stats_fresh",
        "entities_driver_id",
        "labels",
    ]
    group = fs.get_feature_group("driver_stats")
    types = {feature.name: feature.type for feature in group.spec.features}
    assert types["profile"] in ("struct<age:bigint,name:string>", "struct<name:string,age:bigint>")
    assert (types["limits"], types["config"]) == ("struct<kyoto:double>", "string")
    assert group["driver_id"].description == "Who drives"
    assert fs.get_feature_group("labels").tags == {"feast_io_labeling_method": "table"}
    view = fs.get_feature_view("driver_v1")
    row = facts.iloc[0]
    spine = pd.DataFrame({"driver_id": [row.driver_id], "event_timestamp": [row.datetime]})
    features, _ = view.training_data(spine=spine)
    assert list(features["embedding"][0]) == [0.5, 1.5]
    assert features["conv_rate"].tolist() == [row.conv_rate]
    view.init_serving()
    vector = view.get_feature_vector({"driver_id": int(row.driver_id)})
    assert vector == [row.conv_rate, [0.5, 1.5]]


LOANS = {
    "entity.py": """
        from feast import Entity, ValueType

        zipcode = Entity(name="zipcode", value_type=ValueType.INT64)
        dob_ssn = Entity(name="dob_ssn", value_type=ValueType.STRING, description="Birth and number",
                         labels={"owner": "risk"})
    """,
    "sources/__init__.py": "",
    "sources/files.py": """
        import os.path as osp
        from feast.infra.offline_stores.file_source import FileSource
        from feast.data_format import ParquetFormat

        data_path = osp.join(osp.dirname(osp.dirname(osp.abspath(__file__))), "data")
        zipcode_source = FileSource(
            path=f"{data_path}/" + "zipcode.parquet",
            file_format=ParquetFormat(),
            event_timestamp_column="event_timestamp",
            created_timestamp_column="created_timestamp",
        )
        credit_source = FileSource(
            path=osp.join(data_path, "credit.parquet"),
            timestamp_field="event_timestamp",
            created_timestamp_column="created_timestamp",
        )
    """,
    "features.py": """
        from datetime import timedelta
        from feast import Feature, FeatureService, FeatureView, Field, ValueType
        import feast.types
        from entity import *
        from sources.files import credit_source, zipcode_source

        zipcode_features = FeatureView(
            name="zipcode_features",
            entities=["zipcode"],
            ttl=timedelta(days=3650),
            features=[Feature(name="city", dtype=ValueType.STRING), Feature("population", ValueType.INT64)],
            batch_source=zipcode_source,
        )
        credit_history = FeatureView(
            name="credit_history",
            entities=[dob_ssn],
            ttl=timedelta(days=90),
            schema=[Field(name=n, dtype=feast.types.Int64) for n in ("card_due", "missed_payments")],
            source=credit_source,
        )
        loans = FeatureService(name="loan-model_V1", features=[zipcode_features, credit_history[["card_due"]]])
    """,
}


def test_loans_in_several_files(repo: Path, fs: hopyard.FeatureStore) -> None:
    """Old and new forms side by side, two entities, and a selection, as credit scoring repositories have them."""
    rng = np.random.default_rng(5)
    zips = pd.DataFrame(
        {
            "zipcode": np.repeat([94109, 10001], 3).astype("int32"),
            "event_timestamp": pd.to_datetime(["2017-01-01", "2018-01-01", "2019-01-01"] * 2),
            "created_timestamp": pd.to_datetime(["2019-06-01"] * 6),
            "city": ["a", "b", "c", "d", "e", "f"],
            "population": rng.integers(0, 9, 6),
            "not_declared": 1,
        }
    )
    people = [f"1980010{i}_{i}" for i in range(4)]
    credit = pd.DataFrame(
        {
            "dob_ssn": rng.choice(people, 60),
            "event_timestamp": pd.Timestamp("2018-01-01")
            + pd.to_timedelta(rng.integers(0, 600, 60), unit="D"),
            "created_timestamp": pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.permutation(60), unit="s"),
            "card_due": rng.integers(0, 10_000, 60),
            "missed_payments": rng.integers(0, 3, 60),
        }
    )
    zips.to_parquet(repo / "data" / "zipcode.parquet")
    credit.to_parquet(repo / "data" / "credit.parquet")
    (repo / "sources").mkdir()
    for name, text in LOANS.items():
        define(repo, text, name)
    done = import_feast(fs, repo)
    assert done.unreadable == []
    assert ("feature service", "loan-model_V1", "loan_model_v1") in done.renamed
    rows = pd.DataFrame(
        {
            "zipcode": rng.choice([94109, 10001, 5], 100),
            "dob_ssn": rng.choice(people, 100),
            "event_timestamp": pd.Timestamp("2017-06-01")
            + pd.to_timedelta(rng.integers(0, 1000, 100), unit="D"),
            "loan_amount": rng.random(100),
        }
    )
    found, _ = fs.get_feature_view("loan_model_v1").training_data(spine=rows)
    assert list(found.columns) == [*rows.columns, "city", "population", "card_due"]
    for row, city, due in zip(rows.itertuples(), found["city"], found["card_due"], strict=True):
        mine = zips[(zips.zipcode == row.zipcode) & (zips.event_timestamp <= row.event_timestamp)]
        assert (None if mine.empty else mine.iloc[-1].city) == (None if pd.isna(city) else city)
        known = credit[(credit.dob_ssn == row.dob_ssn) & (credit.event_timestamp <= row.event_timestamp)]
        known = known[known.event_timestamp >= row.event_timestamp - timedelta(days=90)]
        known = known.sort_values(["event_timestamp", "created_timestamp"])
        assert (None if known.empty else known.iloc[-1].card_due) == (None if pd.isna(due) else due)
    assert 0 < found["card_due"].isna().sum() < len(found)
