"""Online stores that nobody closed and nobody uses any more give back their files, and the room that they map."""

from __future__ import annotations

import gc
from pathlib import Path

import pyarrow as pa

from hopyard.model.position import CommitPosition
from hopyard.online.lmdb import LmdbOnlineStore
from hopyard.ports import EncodedRows, OnlineTable

TABLE = OnlineTable(id="0a1b", name="t", key=(), values=())
N_STORES = 200
"""More than have room in the address space of a process at once, each with a map of one terabyte."""


def test_a_process_may_use_any_number_of_stores_one_after_the_other(tmp_path: Path) -> None:
    for number in range(N_STORES):
        store = LmdbOnlineStore(tmp_path / str(number))
        store.ensure(TABLE)
        assert store.position(TABLE.id) is None
        del store
        gc.collect()


def test_a_store_that_is_in_use_stays_open(tmp_path: Path) -> None:
    kept = LmdbOnlineStore(tmp_path / "kept")
    kept.ensure(TABLE)
    two = EncodedRows(keys=pa.array([b"a", b"b"]), rows=pa.array([bytes(12), bytes(12)]))
    kept.write(TABLE, two, CommitPosition(number=1))
    rows = kept.scan(TABLE.id)
    assert next(rows) == (b"a", bytes(12))
    for number in range(3):
        LmdbOnlineStore(tmp_path / str(number)).ensure(TABLE)
        gc.collect()
    assert list(rows) == [(b"b", bytes(12))], "a scan that was begun goes on"
    kept.close()
