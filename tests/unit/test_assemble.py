"""Rows put together from columns that one Arrow array could not hold."""

from __future__ import annotations

import pyarrow as pa
import pytest

from hopyard.retrieve.ahead import ahead
from hopyard.retrieve.assemble import _taken

TEXTS = ["a" * 50, None, "", "b" * 10, "c" * 100]
PLACES = [4, None, 0, 1, 4, 4, 2, None, 3, 0]


@pytest.mark.parametrize("max_bytes", [1, 100, 500, 2**31])
@pytest.mark.parametrize("n_chunks", [1, 2])
def test_a_column_that_is_too_large_is_taken_in_parts(max_bytes: int, n_chunks: int) -> None:
    half = len(TEXTS) // n_chunks
    table = pa.table({"text": pa.chunked_array([TEXTS[:half], TEXTS[half:]], pa.string())})
    found = _taken(table, {"named": "text"}, pa.array(PLACES, pa.int64()), max_bytes=max_bytes)
    assert list(found) == ["named"]
    assert found["named"].type == pa.string()
    assert found["named"].to_pylist() == [None if place is None else TEXTS[place] for place in PLACES]


def test_nothing_is_taken_from_nothing() -> None:
    table = pa.table({"text": pa.array(TEXTS)})
    assert len(_taken(table, {"text": "text"}, pa.array([], pa.int64()), max_bytes=1)["text"]) == 0


def test_parts_come_in_order_and_an_error_reaches_who_reads() -> None:
    def make(start: int) -> pa.Table:
        if start == 3:
            raise ValueError("no part 3")
        return pa.table({"n": [start]})

    assert [part["n"][0].as_py() for part in ahead(map(make, range(3)))] == [0, 1, 2]
    assert list(ahead(map(make, range(0)))) == []
    parts = ahead(map(make, range(5)))
    with pytest.raises(ValueError, match="no part 3"):
        list(parts)
