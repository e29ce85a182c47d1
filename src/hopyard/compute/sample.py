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

    def without(self, gone: Sample) -> Sample:
        """Return the sample after rows, told apart by their identity, went."""
        places = np.flatnonzero(~np.isin(self.hashes, gone.hashes))
        kept = pa.array(places)
        columns = {name: values.take(kept) for name, values in self.columns.items()}
        return Sample(self.share, self.hashes[places], columns)

    def plus(self, come: Sample) -> Sample:
        """Return the sample with more rows, of the same columns."""
        hashes = np.concatenate([self.hashes, come.hashes])
        columns = {
            name: pa.concat_arrays([values, come.columns[name]]) for name, values in self.columns.items()
        }
        return sample_of(self.share, hashes, columns)


def sample_of(share: int, hashes: npt.NDArray[np.uint64], columns: Mapping[str, pa.Array]) -> Sample:
    """Return the sample of rows in any order."""
    order = np.argsort(hashes, kind="stable")
    places = pa.array(order)
    return Sample(share, hashes[order], {name: values.take(places) for name, values in columns.items()})
