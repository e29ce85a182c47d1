"""Arrow IPC files, by pyarrow: read without a copy, for training that reads its data over and over."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa

from hopyard.model.arrow import to_arrow_schema
from hopyard.model.schema import Schema

BATCH_ROWS = 122_880


class ArrowFormat:
    """One file per split, uncompressed, rows in the order of the dataset."""

    def check(self, schema: Schema) -> None:
        """Accept every type: Arrow keeps them all."""

    def write(self, table: pa.Table, folder: Path) -> Sequence[Path]:
        path = folder / "part-00000.arrow"
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, table.schema) as writer:
            writer.write_table(table, max_chunksize=BATCH_ROWS)
        return [path]

    def read(self, files: Sequence[Path], schema: Schema) -> pa.Table:
        wanted = to_arrow_schema(schema)
        tables = [pa.ipc.open_file(pa.memory_map(str(path))).read_all().cast(wanted) for path in files]
        return pa.concat_tables(tables) if tables else wanted.empty_table()
