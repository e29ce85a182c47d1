"""What becomes of a repository's files, keys and services, and that nothing is created where something is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from textwrap import dedent
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake
from typer.testing import CliRunner

import hopyard
from hopyard.cli import app
from hopyard.errors import ConfigError
from hopyard.integrations.feast import import_feast, plan_import

HEADER = """
from datetime import timedelta
from feast import *
from feast.types import *
driver = Entity(name="driver", join_keys=["driver_id"])
customer = Entity(name="customer", join_keys=["customer_id"])
"""
DAY = pd.Timestamp("2026-01-05", tz="UTC")

Define = Callable[..., Path]


@pytest.fixture
def fs(tmp_path: Path) -> hopyard.FeatureStore:
    return hopyard.login(tmp_path / "store").get_feature_store()


@pytest.fixture
def define(tmp_path: Path) -> Define:
    """Return a function that makes a repository of definitions and files, and gives its folder."""
    repo = tmp_path / "repo"
    repo.mkdir()
    (repo / "feature_store.yaml").write_text("project: p\nprovider: local\n")

    def make(definitions: str, **frames: pd.DataFrame | pa.Table) -> Path:
        (repo / "defs.py").write_text(HEADER + dedent(definitions))
        for name, frame in frames.items():
            table = (
                frame if isinstance(frame, pa.Table) else pa.Table.from_pandas(frame, preserve_index=False)
            )
            pq.write_table(table, repo / f"{name}.parquet")
        return repo

    return make


def frame(**columns: Any) -> pd.DataFrame:
    n = max(len(values) for values in columns.values())
    return pd.DataFrame({"driver_id": range(1, n + 1), "ts": [DAY] * n, **columns})


def view(name: str = "v", arguments: str = "", source: str = "", entities: str = "driver") -> str:
    source = source or f'FileSource(path="{name}.parquet", timestamp_field="ts")'
    return f'{name} = FeatureView(name="{name}", entities=[{entities}], source={source}, {arguments})\n'


def problems(repo: Path, fs: hopyard.FeatureStore | None = None) -> list[str]:
    return [found.message for found in plan_import(repo, fs).problems]


def read(fs: hopyard.FeatureStore, name: str, *order: str) -> dict[str, list[Any]]:
    group = fs.get_feature_group(name)
    table: pa.Table = group.read(dataframe_type="arrow", order_by=list(order or group.primary_key))
    found: dict[str, list[Any]] = table.to_pydict()
    return found


def test_two_entities_in_one_service(define: Define, fs: hopyard.FeatureStore) -> None:
    """Each view is joined by its own keys; a pair of keys is one key."""
    rng = np.random.default_rng(3)
    n = 300
    hours = pd.to_timedelta(rng.integers(0, 100, n), unit="h")
    drivers = pd.DataFrame({"driver_id": rng.integers(0, 5, n), "ts": DAY + hours, "a": rng.random(n)})
    pairs = pd.DataFrame(
        {
            "customer_id": rng.integers(0, 4, n).astype(str),
            "driver_id": rng.integers(0, 5, n),
            "at": DAY + hours,
            "b": rng.random(n),
        }
    )
    drivers = drivers.drop_duplicates(["driver_id", "ts"], keep="last")
    pairs = pairs.drop_duplicates(["driver_id", "customer_id", "at"], keep="last")
    repo = define(
        view("drivers", "ttl=timedelta(hours=5)")
        + view("pairs", "", 'FileSource(path="pairs.parquet", timestamp_field="at")', "customer, driver")
        + 's = FeatureService(name="s", features=[drivers, pairs])',
        drivers=drivers,
        pairs=pairs,
    )
    import_feast(fs, repo)
    rows = pd.DataFrame(
        {
            "customer_id": rng.integers(0, 5, 200).astype(str),
            "driver_id": rng.integers(0, 6, 200),
            "event_timestamp": DAY + pd.to_timedelta(rng.integers(0, 110 * 60, 200), unit="min"),
        }
    )
    found, _ = fs.get_feature_view("s").training_data(spine=rows)
    expected = []
    for row in rows.itertuples():
        mine = drivers[(drivers.driver_id == row.driver_id) & (drivers.ts <= row.event_timestamp)]
        mine = mine[mine.ts >= row.event_timestamp - timedelta(hours=5)].sort_values("ts")
        ours = pairs[(pairs.driver_id == row.driver_id) & (pairs.customer_id == row.customer_id)]
        ours = ours[ours["at"] <= row.event_timestamp].sort_values("at")
        expected.append(
            (np.nan if mine.empty else mine.iloc[-1]["a"], np.nan if ours.empty else ours.iloc[-1]["b"])
        )
    np.testing.assert_array_equal(found[["a", "b"]].to_numpy("float64"), np.array(expected))
    assert np.isnan(np.array(expected)).any(axis=0).all()


def test_other_keys_and_full_names(define: Define, fs: hopyard.FeatureStore) -> None:
    repo = define(
        view("places", "", "", 'Entity(name="place", join_keys=["place_id"])')
        + """
s = FeatureService(name="trip", features=[
    places.with_name("origin").with_join_key_map({"place_id": "origin_id"}),
    places[["rain"]].with_name("goal").with_join_key_map({"place_id": "goal_id"}),
])
""",
        places=pd.DataFrame({"place_id": [1, 2], "ts": [DAY] * 2, "rain": [0.5, 1.5], "snow": [1, 2]}),
    )
    done = import_feast(fs, repo)
    rows = pd.DataFrame({"goal_id": [1, 2], "origin_id": [2, 9], "event_timestamp": [DAY] * 2})
    found, _ = fs.get_feature_view("trip").training_data(spine=rows)
    assert found["origin__rain"].tolist()[0] == 1.5 and found["origin__rain"].isna().tolist() == [False, True]
    assert found["goal__rain"].tolist() == [0.5, 1.5]
    assert "goal__snow" not in found and "origin__snow" in found
    assert any("full_feature_names=True" in note.message for note in done.notes)


def test_a_view_without_entities(define: Define, fs: hopyard.FeatureStore) -> None:
    repo = define(
        view("market", "ttl=timedelta(days=2)", "", "") + 's = FeatureService(name="s", features=[market])',
        market=pd.DataFrame({"ts": [DAY, DAY + timedelta(days=1)], "price": [1.0, 2.0]}),
    )
    import_feast(fs, repo)
    times = [DAY + timedelta(hours=hours) for hours in (-1, 1, 24, 73)]
    rows = pd.DataFrame({"entityless": [0] * 4, "event_timestamp": times})
    found, _ = fs.get_feature_view("s").training_data(spine=rows)
    assert found["price"].isna().tolist() == [True, False, False, True]
    assert found["price"].dropna().tolist() == [1.0, 2.0]


def test_mapped_columns(define: Define, fs: hopyard.FeatureStore) -> None:
    source = 'FileSource(path="v.parquet", timestamp_field="TS", field_mapping={"drv": "driver_id", "X Y": "Rate-1"})'
    rows = pd.DataFrame({"drv": [1], "TS": [DAY], "X Y": [0.5]})
    done = import_feast(fs, define(view("v", 'schema=[Field(name="Rate-1", dtype=Float64)]', source), v=rows))
    assert read(fs, "v") == {"driver_id": [1], "ts": [DAY.to_pydatetime()], "rate_1": [0.5]}
    assert sorted((old, new) for _, old, new in done.renamed) == [("Rate-1", "rate_1"), ("TS", "ts")]


def test_all_columns_are_features_where_none_is_declared(define: Define, fs: hopyard.FeatureStore) -> None:
    source = 'FileSource(path="v.parquet", event_timestamp_column="ts", created_timestamp_column="made")'
    rows = frame(b=["x", "y"], a=[1, 2], made=[DAY] * 2)
    import_feast(fs, define(view("v", "", source), v=rows))
    assert [feature.name for feature in fs.get_feature_group("v").features] == ["driver_id", "ts", "b", "a"]


def test_an_index_and_the_event_time_are_no_features(define: Define, fs: hopyard.FeatureStore) -> None:
    fields = 'schema=[Field(name="ts", dtype=UnixTimestamp), Field(name="a", dtype=Int64)]'
    rows = frame(a=[1, 2]).set_index(pd.Index(["x", "y"]))
    table = pa.Table.from_pandas(rows)
    assert "__index_level_0__" in table.schema.names
    same = 'FileSource(path="v.parquet", timestamp_field="ts")'
    import_feast(fs, define(view("v", fields) + view("w", "", same), v=table))
    for name in "vw":
        assert [feature.name for feature in fs.get_feature_group(name).features] == ["driver_id", "ts", "a"]


def test_services_with_equal_keys_share_the_group_of_their_rows(
    define: Define, fs: hopyard.FeatureStore
) -> None:
    small = frame(b=[1]).astype({"driver_id": "int32"})
    services = "".join(f's{n} = FeatureService(name="s{n}", features=[{n}])\n' for n in "vw")
    import_feast(fs, define(view("w") + view("v") + services, v=frame(a=[1]), w=small))
    assert [group.name for group in fs.list_feature_groups()] == ["entities_driver_id", "v", "w"]
    rows = pd.DataFrame({"driver_id": [1], "event_timestamp": [DAY]})
    for service, feature in (("sv", "a"), ("sw", "b")):
        assert fs.get_feature_view(service).training_data(spine=rows)[0][feature].tolist() == [1]
    assert import_feast(fs, define(view("w") + view("v") + services)).problems == []


def test_a_service_that_comes_later_shares_the_rows(define: Define, fs: hopyard.FeatureStore) -> None:
    first = view("w") + 's = FeatureService(name="s", features=[w])\n'
    import_feast(fs, define(first, w=frame(b=[1]).astype({"driver_id": "int32"})))
    later = view("v") + 't = FeatureService(name="t", features=[v])'
    done = import_feast(fs, define(first + later, v=frame(a=[2])))
    assert [found["status"] for found in done.document()["feature_views"]] == ["unchanged", "created"]
    rows = pd.DataFrame({"driver_id": [1], "event_timestamp": [DAY]})
    assert fs.get_feature_view("t").training_data(spine=rows)[0]["a"].tolist() == [2]


def test_a_service_of_functions_alone_is_not_created(define: Define, fs: hopyard.FeatureStore) -> None:
    text = """
    @on_demand_feature_view(sources=[RequestSource(name="r", schema=[])], schema=[])
    def f(inputs):
        return inputs
    s = FeatureService(name="s", features=[f])
    """
    done = import_feast(fs, define(view("v").rstrip() + dedent(text), v=frame(a=[1])))
    assert any("only on-demand views" in found.message for found in done.absent)
    assert fs.list_feature_views() == []


def test_the_only_timestamps_are_the_event_time(define: Define, fs: hopyard.FeatureStore) -> None:
    repo = define(view("v", "", 'FileSource(path="v.parquet")'), v=frame(a=[1]))
    import_feast(fs, repo)
    assert fs.get_feature_group("v").event_time == "ts"
    repo = define(view("v", "", 'FileSource(path="v.parquet")'), v=frame(a=[DAY]))
    assert "the file has 2 of timestamps" in problems(repo)[0]


@pytest.mark.parametrize("zone", ["", "Z", "+02:00"])
def test_csv(zone: str, define: Define, fs: hopyard.FeatureStore) -> None:
    source = 'FileSource(path="v.csv", timestamp_field="ts")'
    repo = define(view("v", 'schema=[Field(name="a", dtype=Float64), Field(name="s", dtype=String)]', source))
    (repo / "v.csv").write_text(
        f"driver_id,ts,a,s\n1,2026-01-05 02:00:00{zone},1,007\n2,2026-01-06{zone and ' 00:00:00' + zone},,8\n"
    )
    import_feast(fs, repo)
    found = read(fs, "v")
    first = datetime(2026, 1, 5, 0 if zone.startswith("+") else 2, tzinfo=UTC)
    assert (found["ts"][0], found["a"], found["s"]) == (first, [1.0, None], ["007", "8"])


def test_delta_and_folders(define: Define, fs: hopyard.FeatureStore) -> None:
    repo = define(
        view("d", "", 'FileSource(path="d", timestamp_field="ts")')
        + view("f", "", 'FileSource(path="f/", timestamp_field="ts")')
    )
    write_deltalake(str(repo / "d"), pa.Table.from_pandas(frame(a=[1])))
    write_deltalake(str(repo / "d"), pa.Table.from_pandas(frame(a=[7, 8])), mode="overwrite")
    for part in (1, 2):
        (repo / "f" / f"year={part}").mkdir(parents=True)
        pq.write_table(
            pa.Table.from_pandas(frame(a=[part]).assign(driver_id=part)),
            repo / "f" / f"year={part}" / "x.parquet",
        )
    import_feast(fs, repo)
    assert read(fs, "d")["a"] == [7, 8]
    assert (read(fs, "f")["a"], read(fs, "f")["year"]) == ([1, 2], [1, 2])
    again = import_feast(fs, repo)
    assert {group["status"] for group in again.document()["feature_groups"]} == {"unchanged"}
    write_deltalake(str(repo / "d"), pa.Table.from_pandas(frame(a=[9]).assign(driver_id=5)), mode="append")
    assert import_feast(fs, repo).document()["feature_groups"][0]["status"] == "rows added"


def test_rows_that_match_nothing_are_left_out(define: Define, fs: hopyard.FeatureStore) -> None:
    rows = pd.DataFrame({"driver_id": [1.0, None, 3.0], "ts": [DAY, DAY, None], "a": [1, 2, 3]})
    repo = define(
        view("v", 'schema=[Field(name="driver_id", dtype=Int64), Field(name="a", dtype=Int64)]'), v=rows
    )
    done = import_feast(fs, repo)
    assert read(fs, "v")["driver_id"] == [1]
    assert any(note.message.startswith("2 rows without a key or an event time") for note in done.notes)


def test_of_equal_rows_without_created_the_last_counts(define: Define, fs: hopyard.FeatureStore) -> None:
    rows = frame(a=[1, 2]).assign(driver_id=1)
    done = import_feast(fs, define(view(), v=rows))
    assert read(fs, "v")["a"] == [2]
    assert any("repeat the identity" in note.message for note in done.notes)


def test_nanoseconds_are_cut_off(define: Define, fs: hopyard.FeatureStore) -> None:
    nanos = pa.array([1_500, -1_500, -2_000], pa.timestamp("ns"))
    table = pa.table({"driver_id": [1, 2, 3], "ts": nanos, "a": [1, 2, 3]})
    import_feast(fs, define(view(), v=table))
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    assert [(at - epoch) / timedelta(microseconds=1) for at in read(fs, "v")["ts"]] == [1, -2, -2]


@pytest.mark.parametrize(
    ("values", "declared", "expected"),
    [
        (pa.array([1], pa.int32()), "Int64", "bigint"),
        (pa.array([1], pa.int8()), "Int32", "int"),
        (pa.array([1], pa.int64()), "Int32", "bigint"),
        (pa.array([0.5], pa.float64()), "Float32", "double"),
        (pa.array([0.5], pa.float32()), "Float64", "double"),
        (pa.array([1.0, None]), "Int64", "bigint"),
        (pa.array([1.5]), "Int64", "double in the file and declared bigint"),
        (pa.array([2**53 + 1]), "Float64", "bigint in the file and declared double"),
        (pa.array([2**40]), "Float64", "double"),
        (pa.array([None, None]), "String", "string"),
        (pa.array([None, None]), None, "only nulls"),
        (pa.array(["x"]), "Int64", "string in the file and declared bigint"),
        (pa.array([1]), "String", "bigint in the file and declared string"),
        (pa.array([1]), "UnixTimestamp", "bigint in the file and declared timestamp"),
        (pa.array(["x"]).dictionary_encode(), "String", "string"),
        (pa.array([datetime(2026, 1, 1)], pa.timestamp("ns")), "UnixTimestamp", "timestamp"),
        (pa.array([[1.0]]), "Array(Float32)", "array<double>"),
        (pa.array([[1]], pa.list_(pa.int32())), "Array(Int64)", "array<bigint>"),
        (pa.array([["x"]]), "Array(Int64)", "array<string> in the file and declared array<bigint>"),
        (pa.array([{"a": 1}]), "Map", "struct<a:bigint>"),
        (
            pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64())),
            "Map",
            "array<struct<key:string,value:bigint>>",
        ),
        (pa.array([timedelta(1)]), "Int64", "is no feature type"),
        (pa.array([b"x"]), "Bytes", "binary"),
        (pa.array([True]), "Bool", "boolean"),
    ],
)
def test_types(
    values: pa.Array, declared: str | None, expected: str, define: Define, fs: hopyard.FeatureStore
) -> None:
    n = len(values)
    table = pa.table({"driver_id": list(range(n)), "ts": [DAY.to_pydatetime()] * n, "a": values})
    repo = define(view("v", f'schema=[Field(name="a", dtype={declared})]' if declared else ""), v=table)
    if " " in expected:
        assert expected in problems(repo)[0]
        return
    import_feast(fs, repo)
    group = fs.get_feature_group("v")
    assert {feature.name: feature.type for feature in group.spec.features}["a"] == expected
    assert len(read(fs, "v")["a"]) == n


def test_rows_of_the_future_stay_offline(define: Define, fs: hopyard.FeatureStore) -> None:
    rows = frame(a=[1, 2]).assign(ts=[DAY, pd.Timestamp("2200-01-01", tz="UTC")])
    done = import_feast(fs, define(view("v", "online=True"), v=rows))
    assert not fs.get_feature_group("v").online_enabled
    assert any("dated later than now" in note.message for note in done.notes)
    assert import_feast(fs, define(view("v", "online=True"), v=rows)).problems == []


def test_an_offline_view_is_offline(define: Define, fs: hopyard.FeatureStore) -> None:
    import_feast(fs, define(view("v", "online=False"), v=frame(a=[1])))
    assert not fs.get_feature_group("v").online_enabled


def test_a_very_long_ttl(define: Define, fs: hopyard.FeatureStore) -> None:
    text = view("v", "ttl=timedelta(seconds=8640000000)") + 's = FeatureService(name="s", features=[v])'
    import_feast(fs, define(text, v=frame(a=[1])))
    rows = pd.DataFrame({"driver_id": [1], "event_timestamp": [DAY + timedelta(days=40_000)]})
    found, _ = fs.get_feature_view("s").training_data(spine=rows)
    assert found["a"].tolist() == [1]


def test_several_join_keys_of_one_entity(define: Define, fs: hopyard.FeatureStore) -> None:
    text = view("v", "", "", 'Entity(name="e", join_keys=["driver_id", "city"])')
    import_feast(fs, define(text, v=frame(city=["x"], a=[1])))
    assert fs.get_feature_group("v").primary_key == ["driver_id", "city"]


def test_a_group_made_by_hand_stands_in_for_a_view(define: Define, fs: hopyard.FeatureStore) -> None:
    repo = define(
        view("v")
        + view("w", "", 'BigQuerySource(table="t", timestamp_field="ts")')
        + 's = FeatureService(name="s", features=[v, w[["b"]]])',
        v=frame(a=[1]),
    )
    (repo / "defs.py").write_text(
        (repo / "defs.py")
        .read_text()
        .replace("feast import *", "feast import *\nfrom feast import BigQuerySource")
    )
    first = import_feast(fs, repo)
    assert fs.list_feature_views() == []
    assert any(
        "not created, since it needs what is not imported: w" in found.message for found in first.absent
    )
    hand = fs.create_feature_group("w", primary_key="driver_id", event_time="ts")
    hand.insert(frame(b=[2.5]))
    import_feast(fs, repo)
    rows = pd.DataFrame({"driver_id": [1], "event_timestamp": [DAY]})
    found, _ = fs.get_feature_view("s").training_data(spine=rows)
    assert found[["a", "b"]].to_numpy().tolist() == [[1, 2.5]]


BAD = {
    "no file": (view("gone"), "gone.parquet"),
    "no column": (view("v", 'schema=[Field(name="zz", dtype=Int64)]'), "feature 'zz' is not in"),
    "no key": (view("v", "", "", "customer"), "join key 'customer_id' is not in"),
    "no time": (
        view("v", "", 'FileSource(path="v.parquet", timestamp_field="t")'),
        "timestamp_field 't' is not in",
    ),
    "no created": (
        view("v", "", 'FileSource(path="v.parquet", timestamp_field="ts", created_timestamp_column="c")'),
        "created_timestamp_column 'c' is not in",
    ),
    "time is a number": (
        view("v", "", 'FileSource(path="v.parquet", timestamp_field="a")'),
        "event time 'a' is int64",
    ),
    "key is a double": (
        view("v", "", "", 'Entity(name="e", join_keys=["x"])'),
        "join key 'x' is double",
    ),
    "two of one name": (
        view("v") + 'w = FeatureView(name="v", entities=[], source=None)',
        "another feature view has",
    ),
    "two that become one": (
        view("v") + 'w = FeatureView(name="V", entities=[driver], source=v.source)',
        "its feature group would be 'v'",
    ),
    "columns that become one": (
        view("v", "", 'FileSource(path="v.parquet", timestamp_field="ts", field_mapping={"x": "A"})'),
        "would both be called 'a'",
    ),
    "no feature of the view": (
        view("v") + 's = FeatureService(name="s", features=[v[["zz"]]])',
        "'v' has no feature 'zz'",
    ),
    "no parquet": (
        view("v", "", 'FileSource(path="feature_store.yaml", timestamp_field="ts")'),
        "cannot be read as parquet",
    ),
    "no delta": (
        view("v", "", 'FileSource(path="v.parquet", file_format=DeltaFormat(), timestamp_field="ts")'),
        "cannot be read as delta",
    ),
    "only keys": (
        view("v", "", 'FileSource(path="keys.parquet", timestamp_field="ts")'),
        "it has no features",
    ),
    "keys of two types": (
        view("v")
        + view("w", "", 'FileSource(path="text.parquet", timestamp_field="ts")')
        + 's = FeatureService(name="s", features=[v])\nt = FeatureService(name="t", features=[w])',
        "the key 'driver_id' is bigint in one feature view and string in another",
    ),
    "names that are too long": (
        view("v", "", "", 'Entity(name="e", join_keys=["a"])')
        + f'k = "{"k" * 60}"\ns = FeatureService(name="s", features=[v.with_join_key_map({{"a": k + "1"}})])\n'
        't = FeatureService(name="t", features=[v.with_join_key_map({"a": k + "2"})])',
        "as that of other keys",
    ),
    "twice in a service": (
        view("v") + 's = FeatureService(name="s", features=[v, v])',
        "it has v twice",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_nothing_is_created_where_something_is_wrong(
    case: str, define: Define, fs: hopyard.FeatureStore
) -> None:
    text, message = BAD[case]
    good = view("good", "", 'FileSource(path="v.parquet", timestamp_field="ts")')
    repo = define(
        "from feast.data_format import DeltaFormat\n" + good + text,
        v=frame(a=[1, 2], x=[0.5, 1.5]),
        keys=frame(k=[1])[["driver_id", "ts"]],
        text=frame(k=[1]).astype({"driver_id": str}),
    )
    found = plan_import(repo, fs).problems
    assert any(message in problem.message for problem in found), found
    assert all(problem.where and problem.where.file == "defs.py" for problem in found)
    with pytest.raises(ConfigError, match="nothing was created"):
        import_feast(fs, repo)
    assert fs.list_feature_groups() == []


def test_all_problems_are_listed_at_once(define: Define) -> None:
    repo = define(
        view("v", 'schema=[Field(name="x", dtype=Int64), Field(name="y", dtype=Int64)]') + view("gone"),
        v=frame(a=[1]),
    )
    assert len(problems(repo)) == 3


def test_a_csv_value_that_is_not_of_its_type(define: Define) -> None:
    source = 'FileSource(path="v.csv", timestamp_field="ts")'
    repo = define(view("v", 'schema=[Field(name="a", dtype=Int64)]', source))
    (repo / "v.csv").write_text("driver_id,ts,a\n" + "1,2026-01-05,1\n" * 50_000 + "1,2026-01-05,oops\n")
    assert "oops" in problems(repo)[0]


def test_a_csv_time_that_is_none(define: Define) -> None:
    repo = define(view("v", "", 'FileSource(path="v.csv", timestamp_field="ts")'))
    (repo / "v.csv").write_text("driver_id,ts,a\n1,2026-01-05,1\n2,yesterday,2\n")
    assert "yesterday" in problems(repo)[0]


def run(*arguments: str, store: Path) -> Any:
    return CliRunner().invoke(app, ["--url", str(store), "import", "feast", *arguments])


def test_the_command(define: Define, tmp_path: Path) -> None:
    repo = define(view("v") + 's = FeatureService(name="s", features=[v])', v=frame(a=[1]))
    store = tmp_path / "new_store"
    dry = run(str(repo), "--dry-run", "--json", store=store)
    assert dry.exit_code == 0, dry.output
    assert not store.exists()
    document = json.loads(dry.stdout)
    assert [group["status"] for group in document["feature_groups"]] == ["planned"]
    assert run(str(repo), "--no-data", store=store).exit_code == 0
    assert hopyard.login(store).get_feature_store().get_feature_group("v").commit_details()[0].number == 0
    done = run(str(repo), store=store)
    assert done.exit_code == 0 and "rows added" in done.stdout and "Imported." in done.stdout
    (repo / "v.parquet").unlink()
    bad = run(str(repo), "--json", store=store)
    assert bad.exit_code == 1
    assert json.loads(bad.stdout)["problems"][0]["where"] == "defs.py:7"


def test_the_command_makes_a_project(define: Define, tmp_path: Path) -> None:
    repo, store = define(view("v"), v=frame(a=[1])), tmp_path / "new_store"
    hopyard.login(store)
    asked = ["--url", str(store), "--project", "other", "import", "feast", str(repo)]
    assert CliRunner().invoke(app, [*asked, "--dry-run"]).exit_code == 0
    assert CliRunner().invoke(app, ["--url", str(store), "--project", "other", "ls"]).exit_code == 1
    assert CliRunner().invoke(app, asked).exit_code == 0
    other = hopyard.login(store, project="other").get_feature_store()
    assert [group.name for group in other.list_feature_groups()] == ["v"]
    assert hopyard.login(store).get_feature_store().list_feature_groups() == []


def test_the_command_makes_no_store_where_something_is_wrong(define: Define, tmp_path: Path) -> None:
    store = tmp_path / "new_store"
    bad = run(str(define(view("gone"))), store=store)
    assert bad.exit_code == 1 and "Nothing was created" in bad.stdout
    assert not store.exists()


@pytest.mark.parametrize(
    "text", ["- a\n- b\n", "a: [", "x", "", "a: !!python/object/apply:os.system ['touch hacked']"]
)
def test_settings_that_are_none(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "feature_store.yaml").write_text(text)
    with pytest.raises(ConfigError, match="feature_store.yaml"):
        plan_import(tmp_path)
    assert not (tmp_path / "hacked").exists()


def test_a_folder_above_the_repository(define: Define) -> None:
    repo = define(view("v"))
    with pytest.raises(ConfigError, match=f"There is one in {repo}"):
        plan_import(repo.parent)


def test_a_repository_of_a_registry_alone(define: Define) -> None:
    repo = define("")
    (repo / "data").mkdir()
    (repo / "data" / "registry.db").write_bytes(b"\x0a\x04")
    assert "registry.db has none that can be read, either" in problems(repo)[0]
