"""How old joined rows may be, as the newest programs say it."""

from __future__ import annotations

from typing import Any

from hopyard.compat.hsfs.store_absent import refuse


class FeatureGroupLookback:
    """Raises CompatError: the age is said on the group, or in Hopyard's own join."""

    def __init__(self, key: str = "EVENT_TIME", start: Any = None, end: Any = None) -> None:
        refuse("Lookback")


class Lookback:
    """Raises CompatError: the age is said on the group, or in Hopyard's own join."""

    def __init__(self, default: Any = None, feature_group_lookbacks: Any = None) -> None:
        refuse("Lookback")
