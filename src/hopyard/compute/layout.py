"""How a feature group is laid out online."""

from __future__ import annotations

from hopyard.model.specs import FeatureGroupSpec
from hopyard.ports import OnlineTable


def online_table(spec: FeatureGroupSpec) -> OnlineTable:
    """Return the online table of a group: its primary key, then all other features but the event time, in order."""
    values = [f for f in spec.features if f.name not in spec.primary_key and f.name != spec.event_time]
    return OnlineTable(
        id=spec.id,
        name=spec.label,
        key=tuple(spec.feature(name).field for name in spec.primary_key),
        values=tuple(feature.field for feature in values),
        event_time=spec.event_time,
        event_time_type=spec.feature(spec.event_time).type if spec.event_time else "timestamp",
        event_time_unit=spec.event_time_unit,
        defaults=tuple(feature.default for feature in values),
    )
