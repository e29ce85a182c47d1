"""Arrow IPC files, by pyarrow: read without a copy, for training that reads its data over and over."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa

from hopyard.model.arrow import to_arrow_schema
from hopyard.model.schema import Schema
from hopyard.retrieve.formats.rows import Blocks

BATCH_ROWS = 122_880


class ArrowWriter:
    """Writes a split as one file, a batch at a time."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._path, self._blocks = path, Blocks(schema, BATCH_ROWS)
        self._file = pa.OSFile(str(path), "wb")
        self._writer = pa.ipc.new_file(self._file, schema)

    def write(self, rows: pa.Table) -> None:
        for block in self._blocks.add(rows):
            self._writer.write_table(block)

    def close(self) -> Sequence[Path]:
        with self._file, self._writer:
            self._writer.write_table(self._blocks.rest())
        return [self._path]


class ArrowFormat:
    """One file per split, uncompressed, rows in the order of the dataset."""

    def check(self, schema: Schema) -> None:
        """Accept every type: Arrow keeps them all."""

    def open(self, folder: Path, schema: pa.Schema) -> ArrowWriter:
        return ArrowWriter(folder / "part-00000.arrow", schema)

    def read(self, files: Sequence[Path], schema: Schema) -> pa.Table:
        wanted = to_arrow_schema(schema)
        tables = [pa.ipc.open_file(pa.memory_map(str(path))).read_all().cast(wanted) for path in files]
        return pa.concat_tables(tables) if tables else wanted.empty_table()

    def batches(self, files: Sequence[Path], schema: Schema) -> Iterator[pa.Table]:
        wanted = to_arrow_schema(schema)
        for path in files:
            with pa.OSFile(str(path)) as file, pa.ipc.open_file(file) as reader:
                for place in range(reader.num_record_batches):
                    yield pa.Table.from_batches([reader.get_batch(place)]).cast(wanted)
