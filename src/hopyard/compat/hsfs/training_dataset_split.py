"""A split of a training dataset, as programs describe it."""

from __future__ import annotations

from typing import Any


class TrainingDatasetSplit:
    """The name of a split, and its share or its range of event time."""

    TIME_SERIES_SPLIT = "TIME_SERIES_SPLIT"
    RANDOM_SPLIT = "RANDOM_SPLIT"
    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"

    def __init__(
        self,
        name: str,
        split_type: str,
        percentage: float | None = None,
        start_time: Any = None,
        end_time: Any = None,
        **_: Any,
    ) -> None:
        self.name = name
        self.split_type = split_type
        self.percentage = percentage
        self.start_time = start_time
        self.end_time = end_time

    def to_dict(self) -> dict[str, Any]:
        """The split as a dictionary, by the original's names."""
        return {
            "name": self.name,
            "splitType": self.split_type,
            "percentage": self.percentage,
            "startTime": self.start_time,
            "endTime": self.end_time,
        }

    def __repr__(self) -> str:
        return f"TrainingDatasetSplit({self.name!r}, {self.split_type!r}, {self.percentage!r})"
