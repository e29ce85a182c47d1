"""Whether a training dataset is what its manifest says: intact on disk, and the same when it is made again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa

from hopyard.compute.row_hash import row_hashes
from hopyard.errors import HopyardError, UntrustedCodeError
from hopyard.model.manifest import Manifest, SplitContent
from hopyard.model.plan import GroupSource
from hopyard.model.schema import Field
from hopyard.retrieve.contents import Contents
from hopyard.retrieve.dataset import is_same, libraries, repeat, stored_recipe
from hopyard.retrieve.dataset_files import broken_files, read_batches
from hopyard.retrieve.progress import progress
from hopyard.retrieve.training import TrainingData
from hopyard.session import Session

SHOWN_ROWS = 3


@dataclass(frozen=True, slots=True)
class Verification:
    """The answer of `TrainingDataset.verify()`.

    Attributes:
        status: `same`: the files are intact, and the tables give the same content again. `different`: they do not.
            `cannot tell`: what the dataset was made from is gone.
        details: what differs (files; columns with their group, its commit and some rows) or what is gone, a sentence
            each.
    """

    status: Literal["same", "different", "cannot tell"]
    details: tuple[str, ...] = ()

    @property
    def is_same(self) -> bool:
        return self.status == "same"

    def __str__(self) -> str:
        return self.status if not self.details else f"{self.status}: {'; '.join(self.details)}"


def verify(session: Session, manifest: Manifest) -> Verification:
    """Return whether the files are intact and the tables still give the same content; see `Verification`.

    Raises:
        UntrustedCodeError: a function of the view may not run here.
    """
    broken = broken_files(session, manifest)
    try:
        recipe = stored_recipe(session, manifest)
        with progress(f"verify {manifest.label}") as tell, Contents(manifest.labels, tell=tell) as contents:
            repeat(session, manifest, recipe, contents.open)
            found = contents.finish()
        different = _differences(session, manifest, found, are_intact=not broken)
    except UntrustedCodeError:
        raise
    except HopyardError as error:
        return Verification("different" if broken else "cannot tell", (*broken, str(error)))
    return Verification("different" if broken or different else "same", (*broken, *different))


def _differences(
    session: Session, manifest: Manifest, found: tuple[SplitContent, ...], *, are_intact: bool
) -> list[str]:
    pairs = [(old, new) for old, new in zip(manifest.splits, found, strict=True) if not is_same(old, new)]
    if not pairs:
        return []
    differences = [_summary(old, new) for old, new in pairs]
    if are_intact:
        comparison = _Comparison(session, manifest)
        repeat(session, manifest, stored_recipe(session, manifest), comparison.open)
        differences += comparison.finish()
    now = libraries()
    differences += [
        f"{name} is {now[name]} now, and was {version}"
        for name, version in manifest.libraries.items()
        if now.get(name, version) != version
    ]
    return differences


def _summary(old: SplitContent, new: SplitContent) -> str:
    if old.n_rows != new.n_rows:
        return f"split {old.name!r} had {old.n_rows} rows, and now has {new.n_rows}"
    if old.before != new.before:
        return f"split {old.name!r} has other values before transformation"
    return f"split {old.name!r} is the same before transformation, but not after it"


class _Comparison:
    """A sink that compares rows with those of the files, column by column."""

    def __init__(self, session: Session, manifest: Manifest) -> None:
        self._manifest = manifest
        self._names = [split.name for split in manifest.splits]
        self._stored = [_Reader(read_batches(session, manifest, name)) for name in self._names]
        self._n_seen = [0] * len(self._names)
        self._n_different: dict[tuple[int, str], int] = {}
        self._examples: dict[tuple[int, str], list[int]] = {}

    def open(self, data: TrainingData) -> _Comparison:
        return self

    def take(self, place: int, before: pa.Table, after: pa.Table) -> None:
        start = self._n_seen[place]
        self._n_seen[place] += after.num_rows
        stored = self._stored[place].next_rows(after.num_rows)
        if stored.num_rows < after.num_rows:  # there are more rows now: those at the end have no counterpart
            after = after.slice(0, stored.num_rows)
        for field in self._manifest.schema:
            is_other = _hashes(stored, field) != _hashes(after, field)
            if is_other.any():
                key = (place, field.name)
                rows = (np.flatnonzero(is_other) + start).tolist()
                self._n_different[key] = self._n_different.get(key, 0) + len(rows)
                self._examples.setdefault(key, []).extend(rows[:SHOWN_ROWS])

    def finish(self) -> list[str]:
        """Return a sentence for each column that differs."""
        return [
            f"{name!r} ({self._origin(name)}) differs in {n:,} rows of split {self._names[place]!r}, such "
            f"as row {', '.join(map(str, self._examples[place, name][:SHOWN_ROWS]))}"
            for (place, name), n in self._n_different.items()
        ]

    def _origin(self, name: str) -> str:
        """Return where a column comes from: the group and its commit, through which transformation."""
        plan = self._manifest.plan
        output = next((out for out in plan.outputs if out.name == name), None)
        if output is None:
            # Results are named after their first feature, unless a function of the user's names them.
            specs = self._manifest.transformations
            made = [spec for spec in specs if name in spec.outputs or name.startswith(f"{spec.features[0]}_")]
            return f"{made[-1].name} of {', '.join(made[-1].features)}" if made else "transformed"
        node = plan.nodes[output.node]
        if not isinstance(node.source, GroupSource):
            return "the dataframe"
        return f"{node.source.label}, commit {node.commit}"


class _Reader:
    """Hands out the next rows of a stored split, as many as are asked for."""

    def __init__(self, tables: Iterator[pa.Table]) -> None:
        self._tables = tables
        self._rest: pa.Table | None = None

    def next_rows(self, n_rows: int) -> pa.Table:
        parts = [] if self._rest is None else [self._rest]
        while (
            sum(part.num_rows for part in parts) < n_rows and (table := next(self._tables, None)) is not None
        ):
            parts.append(table)
        whole = pa.concat_tables(parts)
        self._rest = whole.slice(n_rows)
        return whole.slice(0, n_rows)


def _hashes(rows: pa.Table, field: Field) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    return row_hashes(rows, (field,))
