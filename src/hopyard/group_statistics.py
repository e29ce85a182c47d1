"""What a feature group tells about its values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Literal

from hopyard.ingest.statistics import (
    all_statistics,
    compute_statistics,
    configure_statistics,
    get_statistics,
)
from hopyard.model.specs import FeatureGroupSpec
from hopyard.model.statistics import Statistics, StatisticsConfig, config_of
from hopyard.observe.plots import plot_group
from hopyard.plots.plot import Plot
from hopyard.session import Session
from hopyard.time import Instant


class GroupStatisticsMethods:
    """The methods of `FeatureGroup` about statistics."""

    _session: Session
    _spec: FeatureGroupSpec

    if TYPE_CHECKING:

        def _stored(self) -> FeatureGroupSpec: ...

    @property
    def statistics_config(self) -> StatisticsConfig:
        """Which statistics are computed, and when."""
        return self._spec.statistics_config

    @property
    def statistics(self) -> Statistics:
        """The statistics of the group as of its last commit; see `get_statistics`."""
        return self.get_statistics()

    def get_statistics(
        self, at: Instant | int | None = None, *, of: Literal["group", "written"] = "group"
    ) -> Statistics:
        """Return the statistics of the group as of a commit: computed on the first look, then kept.

        Args:
            at: an instant, or a commit number; None: the last commit.
            of: `group`: all rows as of the commit. `written`: the rows that the commit brought; counts, nulls, least
                and greatest values, known since the insert.
        Raises:
            TimeTravelError: no such commit; or a vacuum removed it before its statistics were computed.
            NotFoundError: nothing is known of the rows that the commit brought.
            ConfigError: `of` is something else.
        """
        return get_statistics(self._session, self._stored(), at, of=of)

    def compute_statistics(
        self,
        at: Instant | int | None = None,
        *,
        correlations: bool | None = None,
        clusters: bool = False,
        exact_uniqueness: bool | None = None,
    ) -> Statistics:
        """Compute the statistics of the group as of a commit anew, keep them and return them.

        Args:
            at: see `get_statistics`.
            correlations: also Pearson's correlations of the numeric columns; None: as the group's config says.
            clusters: also k-means clusters of a sample of 10,000 rows, on the plane of two principal components.
            exact_uniqueness: count distinct values exactly, and compute uniqueness and entropy; None: as the config
                says.
        Raises:
            TimeTravelError: no such commit, or it can no longer be read.
        """
        return compute_statistics(
            self._session,
            self._stored(),
            at,
            correlations=correlations,
            exact_uniqueness=exact_uniqueness,
            with_clusters=clusters,
        )

    def plot(
        self,
        columns: Sequence[str] | str | None = None,
        *,
        at: Instant | int | None = None,
        against: Instant | int | None = None,
        correlations: bool = False,
        clusters: bool = False,
    ) -> Plot:
        """Return a plot of the group as of a commit; its statistics are computed if they are not kept.

        A feature's tag `unit` stands on its axis, and its description below its name.

        Args:
            columns: only these, in this order; None: all.
            at: see `get_statistics`.
            against: an instant or a commit number: the group as it was then, drawn beside it.
            correlations, clusters: see `compute_statistics`.
        Raises:
            TimeTravelError, NotFoundError: no such commit, or no such column.
        """
        return plot_group(
            self._session,
            self._stored(),
            columns,
            at=at,
            against=against,
            correlations=correlations,
            clusters=clusters,
        )

    def get_all_statistics(self) -> list[Statistics]:
        """Return all statistics that are kept of the group and of the rows of its commits, the latest commit first."""
        return all_statistics(self._session, self._stored())

    def update_statistics_config(self, config: StatisticsConfig | Mapping[str, object]) -> None:
        """Change which statistics are computed from now on; those that are kept stay.

        Raises:
            ConfigError, NotFoundError: an option or a column that is not there; the message lists those that are.
        """
        self._spec = configure_statistics(self._session, self._stored(), config_of(config))
