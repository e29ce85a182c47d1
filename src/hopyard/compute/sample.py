"""The numbers of the rows whose identity has a small hash."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from hopyard.compute.tally import HASHES


@dataclass(frozen=True, slots=True)
class Sample:
    """The rows with a hash below `HASHES // share`.

    Attributes:
        hashes: of the rows' identities, ascending.
        columns: the numbers of each column, one per row.
    """

    share: int
    hashes: npt.NDArray[np.uint64]
    columns: Mapping[str, pa.Array]

    def below(self, share: int) -> Sample:
        """Return the rows in a smaller part of the hashes."""
        if share == self.share:
            return self
        n_kept = int(np.searchsorted(self.hashes, np.uint64(HASHES // share)))
        return Sample(
            share,
            self.hashes[:n_kept],
            {name: values.slice(0, n_kept) for name, values in self.columns.items()},
        )

    def of(self, names: set[str]) -> Sample:
        """Return the sample with some of its columns."""
        kept = {name: values for name, values in self.columns.items() if name in names}
        return Sample(self.share, self.hashes, kept)

    def beside(self, other: Sample) -> Sample:
        """Return the sample with the columns of another one of the same rows, too."""
        return Sample(self.share, self.hashes, {**self.columns, **other.columns})

    def changed(self, added: Sample, removed: Sample) -> Sample:
        """Return the sample after rows came and others, told apart by their identity, went."""
        stays = ~np.isin(self.hashes, removed.hashes)
        kept = None if stays.all() else pa.array(np.flatnonzero(stays))
        old = self.hashes if kept is None else self.hashes[stays]
        hashes = np.concatenate([old, added.hashes])
        order = np.argsort(hashes, kind="stable")
        places = pa.array(order)

        def merged(name: str) -> pa.Array:
            mine = self.columns[name] if kept is None else self.columns[name].take(kept)
            return pa.concat_arrays([mine, added.columns[name]]).take(places)

        return Sample(self.share, hashes[order], {name: merged(name) for name in self.columns})


def sample_of(share: int, hashes: npt.NDArray[np.uint64], columns: Mapping[str, pa.Array]) -> Sample:
    """Return the sample of rows in any order."""
    order = np.argsort(hashes, kind="stable")
    places = pa.array(order)
    return Sample(share, hashes[order], {name: values.take(places) for name, values in columns.items()})
