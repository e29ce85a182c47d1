"""The engine's settings: each query runs on a cursor of its own, which must have them, too."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlglot import exp

from hopyard.engines.duckdb import DuckDBEngine
from hopyard.errors import QueryError
from hopyard.ports import Statement


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("TimeZone", "UTC"),
        # The size of a list of files is unknown to DuckDB, which would otherwise join all of them in nested loops.
        ("asof_loop_join_threshold", "0"),
    ],
)
def test_queries_run_with_our_settings(monkeypatch: pytest.MonkeyPatch, setting: str, value: str) -> None:
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    engine = DuckDBEngine()
    found = exp.cast(exp.Anonymous(this="current_setting", expressions=[exp.Literal.string(setting)]), "TEXT")
    tree = exp.select(exp.alias_(found, "value"))
    statement = Statement(tree=tree, schema=pa.schema([("value", pa.string())]))
    assert engine.run(statement).read_all().to_pylist() == [{"value": value}]


def test_it_opens_no_file_outside_of_its_folder(tmp_path: Path) -> None:
    for name in ("inside", "outside"):
        (tmp_path / name).mkdir()
        pq.write_table(pa.table({"n": [1]}), tmp_path / name / "rows.parquet")
    engine = DuckDBEngine(folder=tmp_path / "inside")

    def count(path: Path) -> int:
        files = exp.Array(expressions=[exp.Literal.string(str(path))])
        tree = exp.select("n").from_(exp.Table(this=exp.ReadParquet(expressions=[files])))
        return engine.run(Statement(tree=tree, schema=pa.schema([("n", pa.int64())]))).read_all().num_rows

    assert count(tmp_path / "inside" / "rows.parquet") == 1
    for path in (
        tmp_path / "outside" / "rows.parquet",
        tmp_path / "inside" / ".." / "outside" / "rows.parquet",
    ):
        with pytest.raises(QueryError, match="cannot be run"):
            count(path)
