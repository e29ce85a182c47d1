"""Statistics of feature groups: what Hopyard can answer about them, in one place."""

from __future__ import annotations

from typing import Any

from hopyard.compat.absent_feature_store import ABSENT
from hopyard.compat.errors import CompatError
from hopyard.compat.hsfs.group_state import GroupState
from hopyard.compat.hsfs.notes import change_notes
from hopyard.compat.hsfs.statistics_config import StatisticsConfig, config_of
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
    def statistics(self) -> Any:
        """Raise CompatError, see `get_statistics`."""
        return self.get_statistics()

    def compute_statistics(self, wallclock_time: Any = None) -> None:
        """Warn that nothing is computed ahead: nothing is missing until it is asked for."""
        warn(
            f"Statistics of feature group {self.label!r} are computed when they are asked for: by Hopyard's own group, "
            f"group.core.get_statistics().",
            StatisticsWarning,
        )

    def get_statistics(
        self,
        computation_time: Any = None,
        feature_names: list[str] | None = None,
        commit_time: Any = None,
    ) -> Any:
        """Raise CompatError: the statistics of Hopyard's own group, `core`, have other names."""
        raise CompatError("FeatureGroup.get_statistics", ABSENT["FeatureGroup.get_statistics"])

    def get_all_statistics(
        self, computation_time: Any = None, feature_names: list[str] | None = None
    ) -> list[Any]:
        """Raise CompatError: the statistics of Hopyard's own group, `core`, have other names."""
        raise CompatError("FeatureGroup.get_all_statistics", ABSENT["FeatureGroup.get_all_statistics"])

    def get_statistics_by_commit_window(
        self, from_commit_time: Any = None, to_commit_time: Any = None, feature_names: list[str] | None = None
    ) -> Any:
        """Raise CompatError: the statistics of Hopyard's own group, `core`, have other names."""
        raise CompatError(
            "FeatureGroup.get_statistics_by_commit_window",
            ABSENT["FeatureGroup.get_statistics_by_commit_window"],
        )

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
