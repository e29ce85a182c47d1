"""Feature groups in one line, for tests that need several."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from hopyard.feature_group import FeatureGroup
from hopyard.feature_store import FeatureStore
from hopyard.queries import Query
from hopyard.testing.frames import frame


def make_group(
    fs: FeatureStore,
    name: str,
    features: Mapping[str, str],
    rows: Iterable[Sequence[object]] = (),
    **options: Any,
) -> FeatureGroup:
    """Return a stored group with these features and, as one commit, these rows; options as for creating it."""
    group = fs.create_feature_group(name, features=features, **options).save()
    rows = list(rows)
    if rows:
        group.insert(frame(features, rows))
    return group


def column(query: Query | FeatureGroup, name: str, order_by: Sequence[str] = ("id",)) -> list[Any]:
    """Return one column of a query's result as Python values, in the order of other columns."""
    rows = query.read(dataframe_type="python", order_by=order_by)
    return [row[name] for row in rows]
