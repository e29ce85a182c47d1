"""What a manifest says of the rows of each split, gathered as they come: hashes, balance of labels, files."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path
from types import TracebackType
from typing import Self

import pyarrow as pa

from hopyard.compute.hashing import ContentHasher
from hopyard.model.arrow import to_arrow_schema
from hopyard.model.manifest import ContentHash, LabelBalance, LabelCount, SplitContent
from hopyard.model.plan import Value, literal
from hopyard.model.schema import Schema
from hopyard.retrieve.dataset_files import training_file
from hopyard.retrieve.formats import Format, Writer
from hopyard.retrieve.training import TrainingData

MOST_LABEL_VALUES = 1_000
"""A label with more values is no class: nobody asks for its balance."""
SHOWN_VALUES = 20


class Contents:
    """A sink that hashes the rows of each split and counts its labels, and writes files if it has a format.

    Args:
        folder: is there; each split gets a folder of its own in it.
    """

    def __init__(
        self, labels: Sequence[str], *, format_: Format | None = None, folder: Path | None = None
    ) -> None:
        self._labels, self._format, self._folder = labels, format_, folder
        self._parts: list[_Part] = []
        self._pool = ThreadPoolExecutor(2)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown()

    def open(self, data: TrainingData) -> Contents:
        """Get ready for the rows. Raises TrainingDatasetError: the format cannot keep them."""
        self._parts = [_Part(name, data, self._labels) for name in data.names]
        if self._format is not None and self._folder is not None:
            self._format.check(data.schema)
            for part in self._parts:
                (self._folder / part.name).mkdir()
                part.writer = self._format.open(self._folder / part.name, to_arrow_schema(data.schema))
        return self

    def take(self, place: int, before: pa.Table, after: pa.Table) -> None:
        part = self._parts[place]
        part.n_rows += before.num_rows
        # Hashing and writing are done in C without the interpreter's lock, for most of the time.
        work = [self._pool.submit(part.take_before, before), self._pool.submit(part.take_after, after)]
        wait(work)
        for done in work:
            done.result()

    def finish(self) -> tuple[SplitContent, ...]:
        """Finish the files, and return the content of each split."""
        return tuple(part.content(self._folder) for part in self._parts)


class _Part:
    def __init__(self, name: str, data: TrainingData, labels: Sequence[str]) -> None:
        self.name, self.n_rows = name, 0
        self.writer: Writer | None = None
        self._before = ContentHasher(data.before_schema)
        # Without transformations it is the same content, and hashed once.
        self._after = ContentHasher(data.schema) if data.fitted else None
        self._labels = [_Balance(label) for label in labels if _is_counted(data.before_schema, label)]

    def take_before(self, rows: pa.Table) -> None:
        self._before.update(rows)
        for balance in self._labels:
            balance.update(rows.column(balance.label))

    def take_after(self, rows: pa.Table) -> None:
        if self._after is not None:
            self._after.update(rows)
        if self.writer is not None:
            self.writer.write(rows)

    def content(self, folder: Path | None) -> SplitContent:
        before: ContentHash = self._before.result()
        paths = () if self.writer is None else self.writer.close()
        return SplitContent(
            name=self.name,
            n_rows=self.n_rows,
            balance=tuple(found for balance in self._labels if (found := balance.result()) is not None),
            before=before,
            after=before if self._after is None else self._after.result(),
            files=() if folder is None else tuple(training_file(path, folder) for path in paths),
        )


def _is_counted(schema: Schema, label: str) -> bool:
    """Return whether a label is there (a spine may lack it) and has values that can be counted."""
    return any(field.name == label and field.feature_type.kind not in ("array", "struct") for field in schema)


class _Balance:
    """Counts the values of a label; -0.0 counts as 0.0."""

    def __init__(self, label: str) -> None:
        self.label = label
        self._counts: dict[Value, int] | None = {}

    def update(self, column: pa.ChunkedArray) -> None:
        if self._counts is None:
            return
        counted = column.value_counts()
        if len(counted) > MOST_LABEL_VALUES:
            self._counts = None
            return
        for value, n in zip(
            counted.field("values").to_pylist(), counted.field("counts").to_pylist(), strict=True
        ):
            key = literal(value + 0.0 if isinstance(value, float) else value)
            self._counts[key] = self._counts.get(key, 0) + n
            if len(self._counts) > MOST_LABEL_VALUES:
                self._counts = None
                return

    def result(self) -> LabelBalance | None:
        if self._counts is None:
            return None
        ordered = sorted(self._counts.items(), key=lambda pair: (-pair[1], _rank(pair[0].to_python())))
        counts = tuple(LabelCount(value=value, n_rows=n) for value, n in ordered[:SHOWN_VALUES])
        return LabelBalance(label=self.label, n_values=len(self._counts), counts=counts)


def _rank(value: object) -> tuple[object, ...]:
    """Return what values that are as frequent are ordered by: their own order, NaN and null last."""
    return (value is None, value != value, value)
