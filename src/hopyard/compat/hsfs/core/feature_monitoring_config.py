"""Monitoring: nothing runs by itself, and what programs import of it says so."""

from __future__ import annotations

from typing import Any

from hopyard.compat.hsfs.store_absent import refuse


class FeatureMonitoringConfig:
    """Raises CompatError: nothing runs by itself."""

    def __init__(self, *_: Any, **__: Any) -> None:
        refuse("FeatureMonitoringConfig")
