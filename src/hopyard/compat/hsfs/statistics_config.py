"""Which statistics a program asks for."""

from __future__ import annotations

from typing import Any


class StatisticsConfig:
    """What is to be computed, and of which features."""

    def __init__(
        self,
        enabled: bool | None = True,
        correlations: bool | None = False,
        histograms: bool | None = False,
        exact_uniqueness: Any = False,
        columns: list[str] | None = None,
        kll: bool = False,
        histogram_bins: int | None = None,
    ) -> None:
        """2020's fourth argument was the columns; a list there is told from a truth value."""
        if isinstance(exact_uniqueness, list | tuple):
            columns, exact_uniqueness = list(exact_uniqueness), False
        self.enabled = True if enabled is None else enabled
        self.correlations = bool(correlations)
        self.histograms = bool(histograms)
        self.exact_uniqueness = bool(exact_uniqueness)
        self.columns = list(columns or [])
        self.kll = kll
        self.histogram_bins = histogram_bins

    def to_dict(self) -> dict[str, Any]:
        """The config as a dictionary, by the original's names."""
        return dict(vars(self))

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in vars(self).items())
        return f"StatisticsConfig({shown})"


def config_of(value: Any) -> StatisticsConfig:
    """Return the config that an argument means: a config, a dictionary, a truth value or nothing."""
    if isinstance(value, StatisticsConfig):
        return value
    if isinstance(value, dict):
        known = set(vars(StatisticsConfig()))
        unknown = sorted(set(value) - known)
        if unknown:
            raise TypeError(
                f"statistics_config has an unknown key {unknown[0]!r}. It has: {', '.join(sorted(known))}."
            )
        return StatisticsConfig(**value)
    if value is None or isinstance(value, bool):
        return StatisticsConfig(enabled=value is not False)
    raise TypeError(
        f"statistics_config must be a StatisticsConfig, a dictionary, a bool or None, and is {value!r}."
    )
