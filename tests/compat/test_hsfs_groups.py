"""Feature groups as programs of each era make, fill, read and change them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from hopyard.compat import hsfs
from hopyard.compat.errors import CompatError
from hopyard.compat.hsfs.client.exceptions import FeatureStoreException, RestAPIError
from hopyard.compat.hsfs.feature import Feature
from hopyard.compat.hsfs.feature_store import FeatureStore
from hopyard.compat.hsfs.statistics_config import StatisticsConfig
from hopyard.compat.hsfs.util import FeatureGroupWarning, StatisticsWarning, ValidationWarning, VersionWarning


@pytest.fixture
def fs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FeatureStore:
    monkeypatch.setenv("HOPYARD_URL", str(tmp_path / "store"))
    monkeypatch.delenv("HOPSWORKS_PROJECT", raising=False)
    return hsfs.connection().get_feature_store()


def stores(**changes: Any) -> pd.DataFrame:
    return pd.DataFrame({"store": [1, 2, 3], "size": [10.0, 20.0, 30.0], **changes})


def test_a_connection_of_2020_says_so(fs: FeatureStore, capsys: pytest.CaptureFixture[str]) -> None:
    with hsfs.connection("host.example", 443, "demo", region_name="eu", api_key_value="x") as conn:
        assert conn.get_feature_store().name == "demo_featurestore"
        assert conn.get_feature_store("other_featurestore").name == "other_featurestore"
    assert "Connected. Call `.close()` to terminate connection gracefully." in capsys.readouterr().out
    with pytest.raises(ConnectionError, match="connect"):
        conn.get_feature_store()


def test_nothing_is_stored_before_the_first_rows(fs: FeatureStore) -> None:
    group = fs.create_feature_group("stores", 1, primary_key=["store"])
    assert group.core is None and fs.get_feature_group("stores", 1) is None
    with pytest.raises(FeatureStoreException, match="insert"):
        group.read()
    group.save(stores())
    found = fs.get_feature_group("stores", 1)
    assert found == group and found is not None and found.read()["size"].tolist() == [10.0, 20.0, 30.0]


def test_versions_are_chosen_with_a_warning(fs: FeatureStore) -> None:
    fs.create_feature_group("stores", version=1, primary_key=["store"]).save(stores())
    group = fs.create_feature_group("stores", primary_key=["store"])
    with pytest.warns(VersionWarning, match="incremented version to `2`"):
        group.save(stores())
    assert group.version == 2
    with pytest.warns(VersionWarning, match="No version provided for getting feature group `stores`"):
        found = fs.get_feature_group("stores")
    assert found is not None and found.version == 1
    assert [item.version for item in fs.get_feature_groups("stores")] == [1, 2]
    assert fs.get_feature_group("nothing", 1) is None


def test_what_exists_is_refused_as_a_server_would(fs: FeatureStore) -> None:
    fs.create_feature_group("stores", version=1, primary_key=["store"]).save(stores())
    with pytest.raises(RestAPIError, match="stores"):
        fs.create_feature_group("stores", version=1, primary_key=["store"]).save(stores())


def test_writes_return_a_pair_and_for_2020_the_group(fs: FeatureStore) -> None:
    written = fs.create_feature_group("stores", version=1, primary_key=["store"]).save(
        stores(), {"wait_for_job": True}
    )
    assert written.name == "stores" and written.version == 1
    job, report = written
    assert job is not None and job.get_state() == "FINISHED" and job.executions[0].success and report is None
    again, _ = fs.get_or_create_feature_group("stores", 1).insert(
        stores(), False, "upsert", None, {"wait_for_job": False}, wait=True
    )
    assert again.name == "stores_1_offline_fg_materialization"


@pytest.mark.parametrize(
    "convert",
    [
        lambda df: df,
        lambda df: df.set_index("Store", drop=False),
        pl.from_pandas,
        lambda df: pl.from_pandas(df).lazy(),
        lambda df: pa.Table.from_pandas(df, preserve_index=False),
        lambda df: df.to_dict("records"),
        lambda df: df.to_dict("list"),
    ],
)
@pytest.mark.filterwarnings("ignore::hopyard.compat.hsfs.util.FeatureGroupWarning")
def test_frames_of_any_kind_have_their_names_corrected(fs: FeatureStore, convert: Any) -> None:
    frame = convert(pd.DataFrame({"Store": [1, 2], "Weekly Sales": [1.5, 2.5]}))
    group = fs.create_feature_group("sales", version=1, primary_key=["Store"])
    group.insert(frame)
    assert [feature.name for feature in group.features] == ["store", "weekly_sales"]
    assert sorted(group.read(dataframe_type="python")) == [[1, 1.5], [2, 2.5]]


def test_rows_without_names_are_numbered(fs: FeatureStore) -> None:
    group = fs.create_feature_group("rows", version=1, primary_key=["col_0"])
    group.insert([[1, 2.0], [3, 4.0]])
    assert sorted(group.read(dataframe_type="python")) == [[1, 2.0], [3, 4.0]]


def test_corrected_names_are_told_and_the_frame_stays(fs: FeatureStore) -> None:
    frame = pd.DataFrame({"Store": [1], "Weekly Sales": [1.5]})
    with pytest.warns(FeatureGroupWarning, match="Weekly Sales"):
        fs.create_feature_group("sales", version=1, primary_key=["store"]).save(frame)
    assert list(frame.columns) == ["Store", "Weekly Sales"]


def test_positions_of_each_era(fs: FeatureStore) -> None:
    schema = [Feature("store", "int", "which", True), Feature("size", "double")]
    config = StatisticsConfig(True, True, True, ["size"])
    of_2020 = fs.create_feature_group("a", 1, "text", True, "HUDI", [], ["store"], schema, config)
    of_2021 = fs.create_feature_group("b", 1, "text", True, "HUDI", [], ["store"], "size", schema, config)
    today = fs.create_feature_group(
        "c", 1, "text", True, "DELTA", [], ["store"], None, None, None, schema, config, None
    )
    of_2023 = fs.create_feature_group("d", 1, "text", True, "HUDI", [], ["store"], None, schema, config, None)
    for group in (of_2020, of_2021, today, of_2023):
        group.save()
        assert [(f.name, f.type, f.primary) for f in group.features] == [
            ("store", "int", True),
            ("size", "double", False),
        ]
        assert group.statistics_config.columns == ["size"] and group.online_enabled
        assert group["store"].description == "which"


@pytest.mark.parametrize(
    "config", [None, True, False, {"enabled": True, "histograms": True}, StatisticsConfig()]
)
def test_statistics_configs(fs: FeatureStore, config: Any) -> None:
    group = fs.create_feature_group("stores", version=1, primary_key=["store"], statistics_config=config)
    group.save(stores())
    found = fs.get_feature_group("stores", 1)
    assert found is not None and found.statistics_config.enabled is (config is not False)
    if config is False:
        with pytest.warns(StatisticsWarning, match="not enabled"):
            found.compute_statistics()
        assert found.statistics is None
    else:
        found.compute_statistics()
        assert found.statistics.feature_descriptive_statistics[0].feature_name == "store"


def test_storage_is_checked(fs: FeatureStore) -> None:
    group = fs.create_feature_group("stores", version=1, primary_key=["store"])
    group.insert(stores(), storage="offline")
    with pytest.raises(FeatureStoreException, match="Invalid storage: disk"):
        group.insert(stores(), storage="disk")
    with pytest.raises(FeatureStoreException, match="Online storage is not enabled for this feature group"):
        group.insert(stores(), storage="online")


def test_a_wrong_schema_is_told_in_the_originals_words(fs: FeatureStore) -> None:
    group = fs.create_feature_group("stores", version=1, primary_key=["store"])
    group.insert(stores())
    with pytest.raises(FeatureStoreException, match="not compatible with Feature Group schema"):
        group.insert(stores(size=["a", "b", "c"]))


def test_overwriting_and_parts(fs: FeatureStore) -> None:
    group = fs.create_feature_group("stores", version=1, primary_key=["store"])
    group.insert(stores())
    group.insert(stores().head(1), overwrite=True)
    assert len(group.read()) == 1
    with group.multi_part_insert() as writer:
        writer.insert(stores())
    group.multi_part_insert(stores(store=[4, 5, 6]))
    group.finalize_multi_part_insert()
    assert len(group.read()) == 6


def test_rows_are_removed_by_key(fs: FeatureStore) -> None:
    group = fs.create_feature_group("stores", version=1, primary_key=["store"], online_enabled=True)
    group.insert(stores())
    group.commit_delete_record(stores().head(1))
    group.remove_rows(pl.DataFrame({"store": [2]}))
    assert group.read()["store"].tolist() == [3] and group.read(online=True)["store"].tolist() == [3]


def test_time_travel_by_the_keys_and_texts_of_commits(fs: FeatureStore) -> None:
    group = fs.create_feature_group("stores", version=1, primary_key=["store"])
    group.insert(stores())
    group.insert(stores(size=[11.0, 20.0, 30.0]))
    group.insert(stores(store=[4, 5, 6]))
    details = group.commit_details()
    newest, middle, oldest = details
    assert newest > middle > oldest
    assert [details[key]["rowsInserted"] for key in details] == [3, 0, 3]
    assert details[middle]["rowsUpdated"] == 1 and len(details[middle]["committedOn"]) == 17
    assert list(group.commit_details(limit=1)) == list(group.commit_details(1)) == [newest]
    assert list(group.commit_details(middle)) == [middle, oldest]
    for then in (oldest, details[oldest]["committedOn"], datetime.fromtimestamp(oldest / 1000, UTC)):
        assert sorted(group.read(then)["size"]) == sorted(group.as_of(then).read()["size"]) == [10, 20, 30]
    changed = group.read_changes(oldest, middle)
    assert changed[["store", "size"]].values.tolist() == [[1, 11.0]]
    pulled = group.select_all().pull_changes(oldest, newest).read()
    assert sorted(pulled["store"]) == [1, 4, 5, 6]


def events() -> pd.DataFrame:
    times = pd.to_datetime(["2022-01-01", "2022-01-02", "2022-01-03"])
    return pd.DataFrame({"id": [1, 1, 2], "at": times, "amount": [1.0, 2.0, 3.0]})


def test_reading_by_event_time_is_half_open(fs: FeatureStore) -> None:
    group = fs.create_feature_group("events", version=1, primary_key=["id"], event_time="at")
    group.insert(events())
    read = group.read(start_time="2022-01-01", end_time="2022-01-03")
    assert sorted(read["amount"]) == [1.0, 2.0]
    assert sorted(group.select(["amount"]).read(start_time="20220102")["amount"]) == [2.0, 3.0]
    with pytest.raises(FeatureStoreException, match="cannot be combined"):
        group.read("20220101", start_time="20220101")
    timeless = fs.create_feature_group("stores", version=1, primary_key=["store"])
    timeless.insert(stores())
    with pytest.raises(FeatureStoreException, match="no event time"):
        timeless.read(start_time="20220101")


def test_a_schedulers_interval_is_the_default(fs: FeatureStore, monkeypatch: pytest.MonkeyPatch) -> None:
    group = fs.create_feature_group("events", version=1, primary_key=["id"], event_time="at")
    group.insert(events())
    monkeypatch.setenv("HOPS_START_TIME", "2022-01-02T00:00:00Z")
    monkeypatch.setenv("HOPS_END_TIME", "2022-01-03T00:00:00Z")
    assert group.read()["amount"].tolist() == [2.0]
    assert len(group.read(start_time="2021-01-01")) == 3


@pytest.mark.parametrize(("factor", "unit"), [(1, "s"), (1000, "ms"), (1_000_000, "us")])
def test_whole_number_event_times_are_told_by_their_digits(fs: FeatureStore, factor: int, unit: str) -> None:
    group = fs.create_feature_group("events", version=1, primary_key=["id"], event_time="at")
    seconds = [1_640_995_200, 1_641_081_600]
    group.insert(pd.DataFrame({"id": [1, 1], "at": [s * factor for s in seconds], "x": [1.0, 2.0]}))
    assert group.core is not None and group.core.spec.event_time_unit == unit
    assert group.read(start_time="2022-01-02")["x"].tolist() == [2.0]


def test_the_online_rows_are_the_newest(fs: FeatureStore) -> None:
    group = fs.create_feature_group(
        "events", version=1, primary_key=["id"], event_time="at", online_enabled=True
    )
    group.insert(events())
    assert sorted(group.read(online=True)["amount"]) == [2.0, 3.0]
    assert len(group.show(1, online=True)) == 1
    offline = fs.create_feature_group("offline", version=1, primary_key=["id"])
    offline.insert(events().tail(1))
    with pytest.raises(FeatureStoreException, match="not enabled"):
        offline.read(online=True)


def test_forms_of_frames(fs: FeatureStore) -> None:
    group = fs.create_feature_group("stores", version=1, primary_key=["store"])
    group.insert(stores())
    assert isinstance(group.read(dataframe_type="polars"), pl.DataFrame)
    assert group.read(dataframe_type="numpy").shape == (3, 2)
    with pytest.raises(CompatError, match="spark"):
        group.read(dataframe_type="spark")
    with pytest.raises(ValueError, match="not supported"):
        group.read(dataframe_type="excel")


def test_features_are_added_and_described(fs: FeatureStore) -> None:
    group = fs.create_feature_group("stores", version=1, description="a", primary_key=["store"])
    group.insert(stores())
    group.append_features([Feature("city", "varchar(20)", "where", default_value="Stockholm")])
    group.update_feature_description("size", "in m2").update_description("all shops")
    group.update_features(Feature("store", description="which"))
    found = fs.get_feature_group("stores", 1)
    assert found is not None and found.description == "all shops"
    assert [feature.description for feature in found.features] == ["which", "in m2", "where"]
    assert set(found.read()["city"]) == {"Stockholm"}
    assert found.city.type == "string"
    with pytest.raises(AttributeError, match="no attribute 'town'"):
        _ = found.town


def test_tags_keywords_and_search(fs: FeatureStore) -> None:
    group = fs.create_feature_group(
        "stores", version=1, primary_key=["store"], tags={"name": "team", "value": "a"}
    )
    with pytest.raises(FeatureStoreException, match="not saved yet"):
        group.add_tag("x", 1)
    group.save(stores())
    group.add_tag("Owner Data", {"name": "Jane"})
    group.set_keywords(["retail"])
    assert group.add_keywords("shops") == ["retail", "shops"] == fs.get_all_keywords()
    assert group.get_tags() == {"team": "a", "Owner Data": {"name": "Jane"}} == group.get_tag()
    assert group.get_tag("nothing") is None
    assert fs._store.get_feature_group("stores", 1).keywords == ["retail", "shops"]
    assert [hit.label for hit in fs._store.search("Jane")] == ["stores_1"]
    assert fs.search_feature_groups("STOR", keyword_filter=["retail"]) == [group]
    wanted = {"name": "Owner Data", "key": "name", "value": "Jane"}
    assert fs.search_feature_groups(tag_filter=[wanted]) == [group]
    assert fs.search_feature_groups("STOR", keyword_filter="wholesale") == []
    assert [feature.name for feature in fs.search_features("siz")] == ["size"]
    group.delete_tag("team")
    assert group.delete_keyword("shops") == ["retail"] and "team" not in group.get_tags()
    group.delete()
    assert fs.get_feature_group("stores", 1) is None and fs.get_all_keywords() == []


def test_provenance(fs: FeatureStore) -> None:
    raw = fs.create_feature_group("raw", version=1, primary_key=["store"])
    raw.save(stores())
    made = fs.create_feature_group("made", version=1, primary_key=["store"], parents=[raw])
    made.save(stores())
    assert made.get_parent_feature_groups().accessible == [raw]
    assert raw.get_generated_feature_groups().accessible == [made]
    raw.delete()
    assert made.get_parent_feature_groups().deleted == ["raw_1"]


def test_expectation_suites_are_kept(fs: FeatureStore) -> None:
    suite = {
        "expectation_suite_name": "sizes",
        "expectations": [
            {"expectation_type": "expect_column_values_to_not_be_null", "kwargs": {"column": "size"}}
        ],
        "meta": {},
    }
    group = fs.create_feature_group("stores", version=1, primary_key=["store"], expectation_suite=suite)
    group.save(stores(), validation_options={"run_validation": False})
    found = fs.get_feature_group("stores", 1)
    assert found is not None and found.expectation_suite is not None
    assert found.expectation_suite.expectations[0].kwargs == {"column": "size"}
    found.delete_expectation_suite()
    assert found.get_expectation_suite() is None


def test_a_suite_that_cannot_be_run_is_told(fs: FeatureStore, monkeypatch: pytest.MonkeyPatch) -> None:
    suite = hsfs.expectation_suite.ExpectationSuite("sizes", [])
    group = fs.create_feature_group("stores", version=1, primary_key=["store"], expectation_suite=suite)
    with pytest.warns(ValidationWarning, match="not run"):
        _, report = group.save(stores())
    assert report is None and len(group.read()) == 3


def test_sql_in_the_words_of_2020(fs: FeatureStore) -> None:
    fs.create_feature_group("stores", version=1, primary_key=["store"]).save(stores())
    found = fs.sql("SELECT `fg`.`size` FROM `default_featurestore`.`stores_1` `fg` ORDER BY 1", "python")
    assert found == [[10.0], [20.0], [30.0]]


@pytest.mark.parametrize(
    "call",
    [
        lambda fs: fs.create_external_feature_group("x", None, "select 1", version=1, online_enabled=True),
        lambda fs: fs.get_storage_connector("x", "S3"),
        lambda fs: fs.create_feature_group("x", 1, embedding_index=object()),
        lambda fs: hsfs.embedding.EmbeddingIndex(),
        lambda fs: fs.create_feature_group("x", 1).find_neighbors([1.0]),
        lambda fs: fs.create_feature_group("x", 1).insert_stream(None),
        lambda fs: fs.create_feature_group("x", 1).materialization_job.schedule("0 0 * * *"),
    ],
)
def test_absent_calls_name_the_nearest_thing(fs: FeatureStore, call: Any) -> None:
    with pytest.raises(CompatError, match=r"is not available on Hopyard\. .* See docs/"):
        call(fs)
