"""Which files a write looks into, and what a merge says about the rows that it can meet."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from groups import make_group
from hopyard.feature_group import FeatureGroup
from hopyard.ingest.probe import files_to_probe
from hopyard.model.commit import DataFile, Snapshot
from hopyard.offline.change import merge_condition
from hopyard.testing.frames import frame
from hopyard.testing.store import open_store

FEATURES = {"id": "bigint", "at": "timestamp", "x": "double"}
START = datetime(2024, 1, 1, tzinfo=UTC)


def snapshot(*ranges: dict[str, tuple[int, int]]) -> Snapshot:
    files = tuple(DataFile(path=f"f{n}", n_rows=1, size_bytes=1, ranges=r) for n, r in enumerate(ranges))
    return Snapshot(
        location="x", commit=1, table_version=1, committed_at_us=0, files=files, columns=("id", "at")
    )


def kept(found: Snapshot) -> list[str]:
    return [file.path for file in found.files]


def times(*micros: int | None) -> pa.Array:
    return pa.array(micros, pa.int64()).cast(pa.timestamp("us", "UTC"))


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        ([5], ["f0", "f3"]),
        ([10, 25], ["f0", "f1", "f3"]),
        ([0, 100], ["f0", "f3"]),
        ([11, 19], ["f3"]),  # around them, not in them
        ([30], ["f1", "f3"]),
        ([2**63 - 1], ["f2", "f3"]),
        ([-(2**63)], ["f3"]),
        ([], []),
    ],
)
def test_files_whose_ranges_hold_no_incoming_value_are_left_out(values: list[int], wanted: list[str]) -> None:
    base = snapshot({"id": (0, 10)}, {"id": (20, 30)}, {"id": (2**63 - 5, 2**63 + 900)}, {})
    found = files_to_probe(base, pa.table({"id": pa.array(values, pa.int64())}), ["id"])
    assert kept(found) == (wanted if values else ["f3"])


def test_each_column_of_the_identity_counts_and_no_other() -> None:
    base = snapshot(
        {"id": (1, 9), "at": (0, 99)}, {"id": (1, 9), "at": (100, 199)}, {"id": (50, 60), "at": (0, 999)}
    )
    rows = pa.table({"id": pa.array([5, 6]), "at": times(150, 160)})
    assert kept(files_to_probe(base, rows, ["id", "at"])) == ["f1"]
    assert kept(files_to_probe(base, rows, ["id"])) == ["f0", "f1"]
    text = pa.table({"id": pa.array(["5"])})
    assert kept(files_to_probe(base, text, ["id"])) == ["f0", "f1", "f2"]


def test_dates_are_compared_as_days() -> None:
    base = snapshot({"id": (0, 1)}, {"id": (19_000, 20_000)})
    rows = pa.table({"id": pa.array([19_500], pa.int32()).cast(pa.date32())})
    assert kept(files_to_probe(base, rows, ["id"])) == ["f1"]


def test_a_merge_bounds_numbers_and_times_of_the_identity_with_literals() -> None:
    rows = pa.table({"id": pa.array([3, -4]), "at": times(5_000, 9_000), "s": ["x'y", "z"], "x": [1, 2]})
    text = merge_condition(rows, ("id", "at", "s")).sql(dialect="postgres")
    assert '"target"."id" >= ARROW_CAST(-4, \'Int64\')' in text
    assert '"target"."at" <= ARROW_CAST(10000, ' in text
    assert '"target"."s" = "source"."s"' in text
    assert "x'y" not in text and '"x"' not in text


@pytest.fixture
def group(tmp_path: Path) -> FeatureGroup:
    fs = open_store(tmp_path / "store").get_feature_store()
    return make_group(fs, "g", FEATURES, primary_key="id", event_time="at")


def assert_upserts_replace(group: FeatureGroup, rows: list[tuple[int, datetime, float]]) -> None:
    """Insert rows twice with other values, each once more alone: there is always one row per identity."""
    group.insert(frame(FEATURES, rows))
    for index, (id_, at, x) in enumerate(rows):
        commit = group.insert(frame(FEATURES, [(id_, at, x + 1)]))
        assert (commit.n_updated, commit.n_inserted) == (1, 0), index
    found = {(row["id"], row["at"]): row["x"] for row in group.read(dataframe_type="python")}
    assert found == {(id_, at): x + 1 for id_, at, x in rows}
    assert len(group.read(dataframe_type="python")) == len(rows)


def test_rows_at_the_ends_of_the_ranges_are_found(group: FeatureGroup) -> None:
    """Statistics are cut to milliseconds; whole numbers end at 2^63."""
    micros = [0, 1, 999, 1_000, 1_235, -1, -999, -1_000, -1_001]
    assert_upserts_replace(
        group,
        [
            (id_, START + timedelta(microseconds=us), 0.0)
            for id_ in (-(2**63), -1, 0, 2**63 - 1)
            for us in micros
        ],
    )


def test_rows_before_1970_are_found(group: FeatureGroup) -> None:
    start = datetime(1969, 12, 31, 23, 59, 59, 998_500, UTC)
    assert_upserts_replace(group, [(1, start + timedelta(microseconds=700 * n), 0.0) for n in range(5)])
    assert_upserts_replace(group_of_year(group, 1), [(1, datetime(1, 1, 1, tzinfo=UTC), 0.0)])


def group_of_year(group: FeatureGroup, year: int) -> FeatureGroup:
    group.insert(frame(FEATURES, [(1, datetime(year, 1, 1, tzinfo=UTC), 5.0)]), overwrite=True)
    return group
