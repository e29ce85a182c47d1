"""CSV, by pyarrow: null is an empty field, text is quoted, instants are ISO 8601 in UTC, floats round-trip."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pc

from hopyard.errors import TrainingDatasetError
from hopyard.model.arrow import to_arrow_schema
from hopyard.model.schema import Schema

_UNKEPT = frozenset({"array", "struct", "binary"})


class CsvWriter:
    """Writes a split as one file."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        self._path, self._schema = path, schema
        self._writer = pc.CSVWriter(path, schema, write_options=pc.WriteOptions(quoting_style="needed"))

    def write(self, rows: pa.Table) -> None:
        self._writer.write_table(rows.cast(self._schema))

    def close(self) -> Sequence[Path]:
        self._writer.close()
        return [self._path]


class CsvFormat:
    """One file per split, with a header, rows in the order of the dataset."""

    def check(self, schema: Schema) -> None:
        unkept = [field for field in schema if field.feature_type.kind in _UNKEPT]
        if unkept:
            raise TrainingDatasetError(
                f"data_format='csv' cannot keep {unkept[0].name!r} ({unkept[0].type}) exactly. "
                f"Use data_format='parquet'."
            )

    def open(self, folder: Path, schema: pa.Schema) -> CsvWriter:
        return CsvWriter(folder / "part-00000.csv", schema)

    def read(self, files: Sequence[Path], schema: Schema) -> pa.Table:
        convert, parse = _options(schema)
        tables = [pc.read_csv(path, convert_options=convert, parse_options=parse) for path in files]
        return pa.concat_tables(tables) if tables else to_arrow_schema(schema).empty_table()

    def batches(self, files: Sequence[Path], schema: Schema) -> Iterator[pa.Table]:
        convert, parse = _options(schema)
        for path in files:
            with pc.open_csv(path, convert_options=convert, parse_options=parse) as reader:
                yield from (pa.Table.from_batches([batch]) for batch in reader)


def _options(schema: Schema) -> tuple[pc.ConvertOptions, pc.ParseOptions]:
    converting = pc.ConvertOptions(
        column_types=to_arrow_schema(schema),
        null_values=[""],
        strings_can_be_null=True,
        quoted_strings_can_be_null=False,
    )
    return converting, pc.ParseOptions(newlines_in_values=True, ignore_empty_lines=False)
