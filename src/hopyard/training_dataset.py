"""The user's training dataset: a version of a view's data that can be proven and made again."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from hopyard.model.lineage import Lineage
from hopyard.model.manifest import Manifest
from hopyard.retrieve.convert import to_dataframe
from hopyard.retrieve.dataset import delete_dataset, rebuild
from hopyard.retrieve.dataset_files import dataset_folder, read_split
from hopyard.retrieve.lineage import provenance
from hopyard.retrieve.proof import Verification, verify
from hopyard.session import Session
from hopyard.time import from_micros


class TrainingDataset:
    """A materialised, versioned training dataset. Made by `FeatureView.create_*`."""

    def __init__(self, session: Session, manifest: Manifest) -> None:
        self._session = session
        self._manifest = manifest

    @property
    def version(self) -> int:
        """The dataset's version, counted per feature view version."""
        return self._manifest.version

    @property
    def manifest(self) -> Manifest:
        """What the dataset was made from and what its content is; also in `manifest.json` in its folder."""
        return self._manifest

    @property
    def splits(self) -> list[str]:
        """The names of the splits, train first; `all` where there is no split."""
        return [split.name for split in self._manifest.splits]

    @property
    def balance(self) -> dict[str, dict[str, dict[object, int]]]:
        """How many rows have each value of each label, by split and label: `balance["train"]["is_late"][True]`.

        Null is None; of a label with more than 20 values there are the 20 most frequent ones.
        """
        return {
            split.name: {
                label.label: {count.value.to_python(): count.n_rows for count in label.counts}
                for label in split.balance
            }
            for split in self._manifest.splits
        }

    @property
    def created_at(self) -> datetime:
        """When it was made, in UTC."""
        return from_micros(self._manifest.created_at_us)

    @property
    def location(self) -> str:
        """The dataset's folder."""
        return str(dataset_folder(self._session, self._manifest))

    def read(self, split: str | None = None, *, dataframe_type: str = "default") -> Any:
        """Return the rows of a split, transformed, with labels, in the order of row identity.

        Args:
            split: its name; may be left out where there is only one.
            dataframe_type: see `Query.read`.
        Raises:
            NotFoundError, TrainingDatasetError: no such split, or its files are gone.
        """
        return to_dataframe(read_split(self._session, self._manifest, split), dataframe_type)

    def verify(self) -> Verification:
        """Return `same`, `different` (where) or `cannot tell` (what is gone).

        The files are compared with their checksums, and the content is computed again from the tables as they were
        committed, and compared by its hashes.
        """
        return verify(self._session, self._manifest)

    def rebuild(self) -> TrainingDataset:
        """Write the files again from the tables as they were, also after `delete()`, and return the dataset.

        Raises:
            TrainingDatasetError: the content would not be the same; nothing was written.
        """
        self._manifest = rebuild(self._session, self._manifest)
        return self

    def provenance(self) -> Lineage:
        """Return what the dataset was made from: the feature view, and the feature groups with their commits."""
        return provenance(self._session, self._manifest)

    def delete(self) -> None:
        """Remove the dataset and its files. This object keeps the manifest, so `rebuild()` can bring it back."""
        delete_dataset(self._session, self._manifest)

    def __repr__(self) -> str:
        rows = ", ".join(f"{split.name}: {split.n_rows} rows" for split in self._manifest.splits)
        return f"TrainingDataset({self._manifest.view}_{self._manifest.view_version}, version={self.version}, {rows})"
