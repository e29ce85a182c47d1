"""CSV, by pyarrow: null is an empty field, text is quoted, instants are ISO 8601 in UTC, floats round-trip."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pc

from hopyard.errors import TrainingDatasetError
from hopyard.model.arrow import to_arrow_schema
from hopyard.model.schema import Schema

_UNKEPT = frozenset({"array", "struct", "binary"})


class CsvFormat:
    """One file per split, with a header, rows in the order of the dataset."""

    def check(self, schema: Schema) -> None:
        unkept = [field for field in schema if field.feature_type.kind in _UNKEPT]
        if unkept:
            raise TrainingDatasetError(
                f"data_format='csv' cannot keep {unkept[0].name!r} ({unkept[0].type}) exactly. "
                f"Use data_format='parquet'."
            )

    def write(self, table: pa.Table, folder: Path) -> Sequence[Path]:
        path = folder / "part-00000.csv"
        pc.write_csv(table, path, pc.WriteOptions(quoting_style="needed"))
        return [path]

    def read(self, files: Sequence[Path], schema: Schema) -> pa.Table:
        wanted = to_arrow_schema(schema)
        options = pc.ConvertOptions(
            column_types=wanted,
            null_values=[""],
            strings_can_be_null=True,
            quoted_strings_can_be_null=False,
        )
        parsing = pc.ParseOptions(newlines_in_values=True, ignore_empty_lines=False)
        tables = [pc.read_csv(path, convert_options=options, parse_options=parsing) for path in files]
        return pa.concat_tables(tables) if tables else wanted.empty_table()
