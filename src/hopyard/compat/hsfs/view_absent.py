"""Calls of a feature view that a folder cannot answer."""

from __future__ import annotations

from typing import Any, NoReturn

from hopyard.compat.absent_view import ABSENT
from hopyard.compat.errors import CompatError


def refuse(name: str) -> NoReturn:
    """Raise the CompatError of a call in the table."""
    raise CompatError(name, ABSENT[name])


class AbsentOfView:
    """Vector search, logs of predictions, monitoring."""

    def find_neighbors(
        self,
        embedding: Any,
        feature: Any = None,
        k: int | None = 10,
        filter: Any = None,
        external: bool | None = None,
        return_type: str = "list",
    ) -> Any:
        """Raise CompatError: there is no vector index."""
        refuse("FeatureView.find_neighbors")

    def log(
        self,
        logging_data: Any = None,
        untransformed_features: Any = None,
        predictions: Any = None,
        transformed_features: Any = None,
        inference_helper_columns: Any = None,
        request_parameters: Any = None,
        event_time: Any = None,
        serving_keys: Any = None,
        extra_logging_features: Any = None,
        request_id: Any = None,
        write_options: dict[str, Any] | None = None,
        training_dataset_version: int | None = None,
        model: Any = None,
        **_: Any,
    ) -> Any:
        """Raise CompatError: predictions are inserted into a feature group."""
        refuse("FeatureView.log")

    def read_log(
        self,
        start_time: Any = None,
        end_time: Any = None,
        filter: Any = None,
        transformed: bool | None = False,
        training_dataset_version: int | None = None,
        model: Any = None,
        **_: Any,
    ) -> Any:
        """Raise CompatError: predictions are inserted into a feature group."""
        refuse("FeatureView.read_log")

    def materialize_log(self, wait: bool = False, transformed: bool | None = None, **_: Any) -> Any:
        """Raise CompatError: there is no log."""
        refuse("FeatureView.materialize_log")

    def pause_logging(self) -> None:
        """Raise CompatError: there is no log."""
        refuse("FeatureView.pause_logging")

    def resume_logging(self) -> None:
        """Raise CompatError: there is no log."""
        refuse("FeatureView.resume_logging")

    def delete_log(self, transformed: bool | None = None) -> None:
        """Raise CompatError: there is no log."""
        refuse("FeatureView.delete_log")

    def enable_logging(self, extra_log_columns: Any = None) -> None:
        """Raise CompatError: there is no log."""
        refuse("FeatureView.enable_logging")

    def get_log_timeline(self, *_: Any, **__: Any) -> Any:
        """Raise CompatError: there is no log."""
        refuse("FeatureView.get_log_timeline")

    def create_scheduled_statistics(self, name: str, *_: Any, **__: Any) -> Any:
        """Raise CompatError: monitoring is a job of your own."""
        refuse("FeatureView.create_scheduled_statistics")

    def create_statistics_monitoring(self, name: str, *_: Any, **__: Any) -> Any:
        """Raise CompatError: monitoring is a job of your own."""
        refuse("FeatureView.create_statistics_monitoring")

    def create_feature_monitoring(self, name: str, *_: Any, **__: Any) -> Any:
        """Raise CompatError: monitoring is a job of your own."""
        refuse("FeatureView.create_feature_monitoring")

    def get_feature_monitoring_configs(self, *_: Any, **__: Any) -> Any:
        """Raise CompatError: monitoring is a job of your own."""
        refuse("FeatureView.get_feature_monitoring_configs")

    def get_feature_monitoring_history(self, *_: Any, **__: Any) -> Any:
        """Raise CompatError: monitoring is a job of your own."""
        refuse("FeatureView.get_feature_monitoring_history")
