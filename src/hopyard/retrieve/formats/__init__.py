"""File formats of training datasets: each writes rows as they come, and reads them back to the same content."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import pyarrow as pa

from hopyard.errors import TrainingDatasetError
from hopyard.model.schema import Schema
from hopyard.retrieve.formats.arrow import ArrowFormat
from hopyard.retrieve.formats.csv import CsvFormat
from hopyard.retrieve.formats.parquet import ParquetFormat


class Writer(Protocol):
    """The files of one split while they are written."""

    def write(self, rows: pa.Table) -> None:
        """Write the next rows. How they are cut into calls changes no byte of the files."""

    def close(self) -> Sequence[Path]:
        """Finish, and return the files, in order; an empty split has one, too."""


class Format(Protocol):
    """One file format."""

    def check(self, schema: Schema) -> None:
        """Raise TrainingDatasetError if a column cannot be kept exactly."""

    def open(self, folder: Path, schema: pa.Schema) -> Writer:
        """Return a writer of one split into its folder, which is there and empty."""

    def read(self, files: Sequence[Path], schema: Schema) -> pa.Table:
        """Return the content of files, in order, with exactly this schema."""

    def batches(self, files: Sequence[Path], schema: Schema) -> Iterator[pa.Table]:
        """Yield the content of files, a part at a time."""


_FORMATS: dict[str, Format] = {"arrow": ArrowFormat(), "csv": CsvFormat(), "parquet": ParquetFormat()}


def get_format(data_format: str) -> Format:
    """Return a file format by name. Raises TrainingDatasetError with the list of names."""
    if data_format not in _FORMATS:
        raise TrainingDatasetError(
            f"data_format={data_format!r} is unknown. There are: {', '.join(sorted(_FORMATS))}."
        )
    return _FORMATS[data_format]
