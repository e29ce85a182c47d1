"""The engine's settings: each query runs on a cursor of its own, which must have them, too."""

from __future__ import annotations

import pyarrow as pa
import pytest
from sqlglot import exp

from hopyard.engines.duckdb import DuckDBEngine
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
