"""File formats of training datasets: each writes a table as files and reads them back to the same content."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from hopyard.errors import TrainingDatasetError
from hopyard.model.schema import Schema
from hopyard.retrieve.formats.arrow import ArrowFormat
from hopyard.retrieve.formats.csv import CsvFormat
from hopyard.retrieve.formats.parquet import ParquetFormat


class Format(Protocol):
    """One file format."""

    def check(self, schema: Schema) -> None:
        """Raise TrainingDatasetError if a column cannot be kept exactly."""

    def write(self, table: pa.Table, folder: Path) -> Sequence[Path]:
        """Write a split into its folder and return the files, in order."""

    def read(self, files: Sequence[Path], schema: Schema) -> pa.Table:
        """Return the content of files, in order, with exactly this schema."""


_FORMATS: dict[str, Format] = {"arrow": ArrowFormat(), "csv": CsvFormat(), "parquet": ParquetFormat()}


def get_format(data_format: str) -> Format:
    """Return a file format by name. Raises TrainingDatasetError with the list of names."""
    if data_format not in _FORMATS:
        raise TrainingDatasetError(
            f"data_format={data_format!r} is unknown. There are: {', '.join(sorted(_FORMATS))}."
        )
    return _FORMATS[data_format]
