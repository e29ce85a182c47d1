"""More than 2 GiB of text in one column, which is more than a 32-bit offset of Arrow's reaches."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pytest

import hopyard

pytestmark = pytest.mark.skipif(
    "HOPYARD_TEST_LARGE" not in os.environ, reason="needs 12 GB of memory: set HOPYARD_TEST_LARGE=1"
)
N_ROWS = 2200
TEXT = "x" * 2**20


@pytest.mark.parametrize("n_chunks", [1, 2])
def test_goes_in_and_comes_back(tmp_path: Path, n_chunks: int) -> None:
    group = (
        hopyard.login(tmp_path / "store")
        .get_feature_store()
        .get_or_create_feature_group("documents", version=1, primary_key=["id"], online_enabled=True)
    )
    chunk = pa.array([TEXT] * (N_ROWS // n_chunks), pa.large_string() if n_chunks == 1 else pa.string())
    text = pa.chunked_array([chunk] * n_chunks)
    group.insert(pa.table({"id": pa.array(range(N_ROWS)), "text": text}))

    assert group.freshness().n_behind == 0
    read = group.read(dataframe_type="arrow")
    assert read.num_rows == N_ROWS
    assert set(read.column("text").unique().to_pylist()) == {TEXT}
