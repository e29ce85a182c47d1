"""The user's training dataset: rows for a model that can be proven and made again."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hopyard.compute.convert import check_limit, to_dataframe
from hopyard.described import Described
from hopyard.errors import TrainingDatasetError
from hopyard.ingest.draft import check_version
from hopyard.model.lineage import Lineage
from hopyard.model.manifest import Manifest
from hopyard.model.names import check_name
from hopyard.model.statistics import Statistics, StatisticsConfig, config_of
from hopyard.observe.dataset_statistics import dataset_statistics
from hopyard.observe.plots import plot_dataset
from hopyard.plots.plot import Plot
from hopyard.queries import Query, query_over
from hopyard.retrieve.dataset import (
    Target,
    change_manifest,
    check_target,
    create_dataset,
    delete_dataset,
    rebuild,
)
from hopyard.retrieve.dataset_files import dataset_folder, full_path, read_spine, read_split
from hopyard.retrieve.layout import recipe_of_query
from hopyard.retrieve.lineage import provenance
from hopyard.retrieve.proof import Verification, verify
from hopyard.retrieve.split_request import RandomRequest, named_request
from hopyard.session import Session
from hopyard.time import from_micros


@dataclass(frozen=True, slots=True)
class Draft:
    """A dataset that is not made yet: how it is to be kept, split and labelled."""

    target: Target
    request: RandomRequest | None
    labels: tuple[str, ...]


class TrainingDataset(Described[Manifest]):
    """A versioned training dataset. Made by `FeatureView.create_*`, or by `FeatureStore.create_training_dataset`.

    The latter has no rows before `save`.
    """

    def __init__(
        self, session: Session, manifest: Manifest | None = None, *, draft: Draft | None = None
    ) -> None:
        self._session = session
        self._stored = manifest
        self._draft = draft

    @property
    def name(self) -> str:
        """The name under which it is registered: `delays_1` for a dataset of view `delays` version 1."""
        return self._draft.target.name if self._draft else self._manifest.label

    @property
    def version(self) -> int:
        """The dataset's version, counted per name. Raises TrainingDatasetError before `save`, as all that follows."""
        return self._manifest.version

    @property
    def manifest(self) -> Manifest:
        """What the dataset was made from and what its content is; also in `manifest.json` in its folder."""
        return self._manifest

    @property
    def _manifest(self) -> Manifest:
        if self._stored is None:
            raise TrainingDatasetError(
                f"Training dataset {self.name!r} has no rows yet: call save(query), or save(dataframe)."
            )
        return self._stored

    def save(self, source: object) -> TrainingDataset:
        """Make the dataset of a query, or of a dataframe as it is, and return it.

        The rows of a query are ordered by the row identity of its left-most group; a dataframe keeps its own order, and
        is stored with the dataset.

        Args:
            source: a `Query`, or any dataframe that `FeatureGroup.insert` takes.
        Raises:
            NotFoundError: a label that is no column.
            AlreadyExistsError: the version was taken meanwhile.
            TrainingDatasetError: it was saved already, or cannot be written; nothing was kept.
        """
        if self._draft is None:
            raise TrainingDatasetError(
                f"Training dataset {self.name!r} version {self.version} was saved already, and never changes. Create "
                f"another version."
            )
        draft = self._draft
        query = source if isinstance(source, Query) else query_over(self._session, source)
        self._stored = create_dataset(
            self._session, draft.target, recipe_of_query(query.plan, query.frame, draft.labels), draft.request
        )
        self._draft = None
        return self

    def get_query(self) -> Query:
        """Return the query that the dataset was made of, at the commits that were read."""
        rows = None if self._manifest.spine is None else read_spine(self._session, self._manifest)
        return Query(self._session, self._manifest.plan, rows)

    def show(self, n: int = 10, split: str | None = None) -> Any:
        """Return the first `n` rows of a split, as a dataframe; see `read`."""
        check_limit(n)
        rows = read_split(self._session, self._manifest, split)
        return to_dataframe(rows.slice(0, n), "default")

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

    def get_statistics(
        self,
        split: str | None = None,
        *,
        before_transformation: bool = False,
        statistics_config: StatisticsConfig | Mapping[str, object] | None = None,
        clusters: bool = False,
    ) -> Statistics:
        """Return the statistics of a split, computed on the first look and kept for its content.

        Args:
            split: its name; None: the first one (train), or all rows where there is no split.
            before_transformation: of the features as they were read from the groups, instead of what a model sees.
            statistics_config: which ones; None: all but correlations and exact uniqueness.
            clusters: also k-means clusters of a sample of 10,000 rows.
        Raises:
            NotFoundError: no such split, or no such column.
            TrainingDatasetError, TimeTravelError: the files are gone; or, before transformation, what the rows were
                made from.
        """
        return dataset_statistics(
            self._session,
            self._manifest,
            split,
            before_transformation=before_transformation,
            config=None if statistics_config is None else config_of(statistics_config),
            with_clusters=clusters,
        )

    def plot(
        self,
        columns: Sequence[str] | str | None = None,
        *,
        split: str | None = None,
        against: str | None = None,
        before_transformation: bool = False,
        correlations: bool = False,
        clusters: bool = False,
    ) -> Plot:
        """Return a plot of a split; its statistics are computed if they are not kept.

        Args:
            columns: only these, in this order; None: all.
            split: see `get_statistics`.
            against: the name of another split, which is drawn beside it.
            before_transformation: see `get_statistics`.
            correlations: also Pearson's correlations of the numeric columns.
            clusters: also k-means clusters of a sample of 10,000 rows.
        Raises:
            NotFoundError, TrainingDatasetError, TimeTravelError: as `get_statistics`.
        """
        return plot_dataset(
            self._session,
            self._manifest,
            columns,
            split=split,
            against=against,
            before_transformation=before_transformation,
            correlations=correlations,
            clusters=clusters,
        )

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
        self._stored = rebuild(self._session, self._manifest)
        return self

    def provenance(self) -> Lineage:
        """Return what the dataset was made from: the feature view, and the feature groups with their commits."""
        return provenance(self._session, self._manifest)

    def delete(self) -> None:
        """Remove the dataset and its files. This object keeps the manifest, so `rebuild()` can bring it back."""
        delete_dataset(self._session, self._manifest)

    @property
    def _about(self) -> Manifest:
        return self._manifest

    def _redescribe(self, change: Callable[[Manifest], Manifest]) -> None:
        self._stored = change_manifest(self._session, self._manifest, change)

    def __repr__(self) -> str:
        if self._stored is None:
            return f"TrainingDataset({self.name}, not saved)"
        rows = ", ".join(f"{split.name}: {split.n_rows} rows" for split in self._manifest.splits)
        return f"TrainingDataset({self.name}, version={self.version}, {rows})"


def draft_dataset(
    session: Session,
    name: str,
    version: int | None,
    *,
    description: str,
    data_format: str,
    splits: Mapping[str, float],
    seed: int | None,
    label: Sequence[str] | str,
    location: str | os.PathLike[str],
) -> Draft:
    """Return a dataset that is not made yet; see `FeatureStore.create_training_dataset`."""
    check_name("training dataset", name)
    check_version(version)
    target = Target(
        name=name,
        version=version,
        data_format=data_format,
        description=description,
        location=full_path(location),
    )
    check_target(session, target)
    return Draft(target, named_request(splits, seed), (label,) if isinstance(label, str) else tuple(label))
