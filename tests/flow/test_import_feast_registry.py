"""Where files cannot be read, Feast's registry tells what they make; its bytes are never trusted."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest

import hopyard
from hopyard.integrations.feast import import_feast, plan_import
from hopyard.integrations.feast.registry import read_registry

DAY = pd.Timestamp("2026-01-05", tz="UTC")


def varint(value: int) -> bytes:
    found = bytearray()
    while value > 127:
        found.append(value & 127 | 128)
        value >>= 7
    return bytes([*found, value])


def message(*fields: tuple[int, int | str | bytes]) -> bytes:
    """Return a protobuf message of numbers, texts and messages."""
    found = b""
    for number, value in fields:
        if isinstance(value, int):
            found += varint(number << 3) + varint(value)
        else:
            data = value.encode() if isinstance(value, str) else value
            found += varint(number << 3 | 2) + varint(len(data)) + data
    return found


def registry() -> bytes:
    entity = message((1, "driver"), (2, 4), (3, "Who drives"), (4, "driver_id"))
    file = message((2, "v.parquet"))
    source = message((1, 1), (3, "ts"), (5, "made"), (2, message((1, "Rate"), (2, "rate"))), (11, file))
    trips = message(
        (1, "trips"), (2, "p"), (3, "driver"), (12, message((1, "driver_id"), (2, 4))),
        (4, message((1, "rate"), (2, 5), (4, "Of offers"))), (5, message((1, "team"), (2, "x"))),
        (6, message((1, 86400))), (7, source), (8, 1),
    )  # fmt: skip
    queries = message((1, "queries"), (2, "p"), (3, "driver"), (7, message((1, 2))))
    derived = message((1, "derived"), (2, "p"), (3, "driver"), (7, source), (14, trips))
    computed = message(
        (1, "computed"), (2, "p"), (3, "driver"), (7, source), (15, message((1, message((1, "f")))))
    )
    elsewhere = message((1, "elsewhere"), (2, "another_project"), (7, source))
    service = message(
        (1, "ranking"),
        (2, "p"),
        (3, message((1, "trips"), (2, message((1, "rate"), (2, 5))))),
    )
    views = [(6, message((1, view))) for view in (trips, queries, derived, computed, elsewhere)]
    return message((1, message((1, entity))), *views, (7, message((1, service))), (3, "1"))


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    folder = tmp_path / "repo"
    (folder / "data").mkdir(parents=True)
    (folder / "feature_store.yaml").write_text("project: p\nregistry: data/registry.db\n")
    (folder / "data" / "registry.db").write_bytes(registry())
    (folder / "defs.py").write_text(
        "from feast import *\nfor name in names():\n    globals()[name] = FeatureView(name=name)\n"
    )
    rows = pd.DataFrame(
        {"driver_id": [1, 1], "ts": [DAY] * 2, "made": [DAY, DAY - timedelta(1)], "Rate": [0.5, 9.0]}
    )
    rows.to_parquet(folder / "v.parquet")
    return folder


def test_views_of_a_loop_are_those_of_the_registry(repo: Path, tmp_path: Path) -> None:
    fs = hopyard.login(tmp_path / "store").get_feature_store()
    done = import_feast(fs, repo)
    assert [found.message for found in done.problems] == []
    assert [found.what for found in done.unreadable] == ["definition file"]
    absent = {found.what: found.message for found in done.absent}
    assert list(absent) == [f"feature view '{name}'" for name in ("queries", "derived", "computed")]
    assert "other feature views" in absent["feature view 'derived'"]
    assert "made by a transformation" in absent["feature view 'computed'"]
    assert any("read from the registry" in note.message for note in done.notes)
    group = fs.get_feature_group("trips")
    assert (group.primary_key, group.ttl, group.tags) == (["driver_id"], timedelta(days=1), {"team": "x"})
    assert group.online_enabled and group["rate"].description == "Of offers"
    rows = pd.DataFrame({"driver_id": [1, 1], "event_timestamp": [DAY, DAY + timedelta(days=2)]})
    found, _ = fs.get_feature_view("ranking").training_data(spine=rows)
    assert found["rate"].tolist()[0] == 0.5 and found["rate"].isna().tolist() == [False, True]


def test_the_registry_is_not_asked_where_the_files_tell(repo: Path) -> None:
    """It may have what was removed from the files since."""
    (repo / "defs.py").write_text(
        "from feast import *\n"
        'v = FeatureView(name="v", entities=[Entity(name="driver_id")], '
        'source=FileSource(path="v.parquet", timestamp_field="ts"))\n'
    )
    assert [plan.name for plan in plan_import(repo).groups] == ["v"]


def test_the_files_win_over_the_registry(repo: Path) -> None:
    (repo / "defs.py").write_text(
        (repo / "defs.py").read_text()
        + 'v = FeatureView(name="trips", entities=[Entity(name="driver_id")], ttl=None, '
        'source=FileSource(path="v.parquet", timestamp_field="ts", field_mapping={"Rate": "rate"}))\n'
    )
    plan = plan_import(repo)
    assert plan.problems == []
    assert [(group.name, group.ttl) for group in plan.groups] == [("trips", None)]


@pytest.mark.parametrize("cut", range(1, 200, 7))
def test_damage_is_no_registry_or_a_smaller_one(cut: int, repo: Path) -> None:
    file = repo / "data" / "registry.db"
    file.write_bytes(registry()[:-cut])
    read_registry(file, repo, "p")
    damaged = bytearray(registry())
    damaged[cut] ^= 255
    file.write_bytes(damaged)
    read_registry(file, repo, "p")
    plan_import(repo)


def test_a_sqlite_file_is_no_registry(repo: Path) -> None:
    file = repo / "data" / "registry.db"
    file.write_bytes(b"SQLite format 3\0" + bytes(range(256)) * 16)
    assert read_registry(file, repo, "p") == []
