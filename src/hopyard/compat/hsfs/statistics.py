"""Statistics of feature groups, and the monitoring that there is not, in one place."""

from __future__ import annotations

from typing import Any

from hopyard.compat.absent_feature_store import ABSENT
from hopyard.compat.errors import CompatError
from hopyard.compat.hsfs.descriptive_statistics import GroupStatistics
from hopyard.compat.hsfs.group_state import GroupState
from hopyard.compat.hsfs.notes import change_notes
from hopyard.compat.hsfs.statistics_config import StatisticsConfig, config_of
from hopyard.compat.hsfs.times import instant
from hopyard.compat.hsfs.util import StatisticsWarning, warn


class StatisticsGroup(GroupState):
    """The statistics of a group, and the configs of its monitoring."""

    @property
    def statistics_config(self) -> StatisticsConfig:
        """Which statistics were asked for."""
        return config_of(self.notes.get("statistics_config"))

    @statistics_config.setter
    def statistics_config(self, config: StatisticsConfig | dict[str, Any] | bool | None) -> None:
        checked = config_of(config).to_dict()
        if self._core is None:
            self._draft.notes["statistics_config"] = checked
        else:
            change_notes(self._project, self.notes_key, lambda own: own.update(statistics_config=checked))

    def update_statistics_config(self) -> Any:
        """Return the group: its config is kept when it is set."""
        return self

    @property
    def statistics(self) -> GroupStatistics | None:
        """The statistics of the group as of its last commit; None where they are not enabled."""
        return self.get_statistics()

    def compute_statistics(self, wallclock_time: Any = None) -> None:
        """Compute the statistics as of a point in time, and keep them; warn where they are not enabled."""
        if not self.statistics_config.enabled:
            warn(
                f"The statistics of feature group {self.label!r} are not enabled: set statistics_config.",
                StatisticsWarning,
            )
            return
        config = self.statistics_config
        self.stored.compute_statistics(
            instant(wallclock_time),
            correlations=config.correlations,
            exact_uniqueness=config.exact_uniqueness,
        )

    def get_statistics(
        self,
        computation_time: Any = None,
        feature_names: list[str] | None = None,
        commit_time: Any = None,
    ) -> GroupStatistics | None:
        """Return the statistics as of a point in time, computed on the first look; None where they are not enabled.

        Those of a commit never change: `computation_time` is taken as the time of the commit.
        """
        if not self.statistics_config.enabled:
            return None
        moment = instant(computation_time if commit_time is None else commit_time)
        found = self.stored.get_statistics(moment)
        if self.statistics_config.correlations and found.correlations is None:
            self.compute_statistics(moment)
            found = self.stored.get_statistics(moment)
        return GroupStatistics(found, feature_names)

    def get_all_statistics(
        self, computation_time: Any = None, feature_names: list[str] | None = None
    ) -> list[GroupStatistics]:
        """Return the statistics that are kept, the latest commit first."""
        return self.get_statistics_by_commit_window(None, computation_time, feature_names)

    def get_statistics_by_commit_window(
        self, from_commit_time: Any = None, to_commit_time: Any = None, feature_names: list[str] | None = None
    ) -> list[GroupStatistics]:
        """Return the statistics that are kept of commits after one point in time up to another, the latest first."""
        start, end = instant(from_commit_time), instant(to_commit_time)
        return [
            GroupStatistics(found, feature_names)
            for found in self.stored.get_all_statistics()
            if found.scope == "group"
            and found.committed_at is not None
            and (start is None or start < found.committed_at)
            and (end is None or found.committed_at <= end)
        ]

    def create_scheduled_statistics(self, name: str, *_: Any, **__: Any) -> Any:
        """Raise CompatError: nothing runs by itself."""
        raise CompatError(
            "FeatureGroup.create_scheduled_statistics", ABSENT["FeatureGroup.create_scheduled_statistics"]
        )

    def create_statistics_monitoring(self, name: str, *_: Any, **__: Any) -> Any:
        """Raise CompatError: nothing runs by itself."""
        raise CompatError(
            "FeatureGroup.create_statistics_monitoring", ABSENT["FeatureGroup.create_statistics_monitoring"]
        )

    def create_feature_monitoring(self, name: str, *_: Any, **__: Any) -> Any:
        """Raise CompatError: nothing runs by itself."""
        raise CompatError(
            "FeatureGroup.create_feature_monitoring", ABSENT["FeatureGroup.create_feature_monitoring"]
        )

    def get_feature_monitoring_configs(self, *_: Any, **__: Any) -> Any:
        """Raise CompatError: nothing runs by itself."""
        raise CompatError(
            "FeatureGroup.get_feature_monitoring_configs",
            ABSENT["FeatureGroup.get_feature_monitoring_configs"],
        )

    def get_feature_monitoring_history(self, *_: Any, **__: Any) -> Any:
        """Raise CompatError: nothing runs by itself."""
        raise CompatError(
            "FeatureGroup.get_feature_monitoring_history",
            ABSENT["FeatureGroup.get_feature_monitoring_history"],
        )
