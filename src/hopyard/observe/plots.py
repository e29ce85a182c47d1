"""Plots of feature groups and training datasets: their statistics, with what is said about their features."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from hopyard.ingest.create import current_group
from hopyard.ingest.statistics import group_statistics
from hopyard.model.manifest import Manifest
from hopyard.model.specs import FeatureGroupSpec, FeatureSpec
from hopyard.model.statistics import Statistics, StatisticsConfig
from hopyard.observe.dataset_statistics import dataset_statistics
from hopyard.plots.compose import plot_statistics
from hopyard.plots.distribution import About
from hopyard.plots.plot import Plot
from hopyard.session import Session
from hopyard.time import Instant

UNIT_TAG = "unit"
"""The tag of a feature whose text stands on the axis of its values."""


def plot_group(
    session: Session,
    spec: FeatureGroupSpec,
    columns: Sequence[str] | str | None,
    *,
    at: Instant | int | None,
    against: Instant | int | None,
    correlations: bool,
    clusters: bool,
) -> Plot:
    """Return a plot of a group; see `FeatureGroup.plot`."""
    spec = current_group(session, spec)
    config = spec.statistics_config
    config = msgspec.structs.replace(config, correlations=correlations or config.correlations)

    def known(when: Instant | int | None) -> Statistics:
        return _asked(
            group_statistics(session, spec, when, config, with_clusters=clusters), config, clusters=clusters
        )

    return plot_statistics(
        known(at),
        columns,
        against=None if against is None else known(against),
        about={feature.name: _about(feature) for feature in spec.features},
    )


def plot_dataset(
    session: Session,
    manifest: Manifest,
    columns: Sequence[str] | str | None,
    *,
    split: str | None,
    against: str | None,
    before_transformation: bool,
    correlations: bool,
    clusters: bool,
) -> Plot:
    """Return a plot of a split of a training dataset; see `TrainingDataset.plot`."""
    config = StatisticsConfig(correlations=correlations)

    def known(name: str | None) -> Statistics:
        found = dataset_statistics(
            session,
            manifest,
            name,
            before_transformation=before_transformation,
            config=config,
            with_clusters=clusters,
        )
        return _asked(found, config, clusters=clusters)

    return plot_statistics(known(split), columns, against=None if against is None else known(against))


def _asked(found: Statistics, config: StatisticsConfig, *, clusters: bool) -> Statistics:
    """Return statistics without what is kept and was not asked for."""
    return msgspec.structs.replace(
        found,
        correlations=found.correlations if config.correlations else None,
        clusters=found.clusters if clusters else None,
    )


def _about(feature: FeatureSpec) -> About:
    unit = feature.tags.get(UNIT_TAG)
    return About(description=feature.description, unit=unit if isinstance(unit, str) else "")
