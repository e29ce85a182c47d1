"""Training data of a view, in memory and as files: the signatures of all eras."""

from __future__ import annotations

from typing import Any

from hopyard.compat.hsfs.core.job import Job
from hopyard.compat.hsfs.view_absent import refuse
from hopyard.compat.hsfs.view_rows import Request, asked, make, read_again, shaped, target_of
from hopyard.compat.hsfs.view_state import ViewState


class TrainingMethods(ViewState):
    """What makes and reads training data."""

    def training_data(
        self,
        start_time: Any = None,
        end_time: Any = None,
        description: str | None = "",
        extra_filter: Any = None,
        statistics_config: Any = None,
        read_options: dict[str, Any] | None = None,
        spine: Any = None,
        primary_key: bool = False,
        event_time: bool = False,
        training_helper_columns: bool = False,
        dataframe_type: str | None = "default",
        transformation_context: dict[str, Any] | None = None,
        lookback: Any = None,
        n_processes: int | None = None,
        primary_keys: bool = False,
    ) -> Any:
        """Return features and labels in memory, and count a version of training data."""
        return self._in_memory(
            asked("all", start_time=start_time, end_time=end_time),
            extra_filter,
            spine,
            lookback,
            primary_key=primary_key or primary_keys,
            event_time=event_time,
            training_helper_columns=training_helper_columns,
            dataframe_type=dataframe_type,
            context=transformation_context,
        )

    def train_test_split(
        self,
        test_size: float | None = None,
        train_start: Any = "",
        train_end: Any = "",
        test_start: Any = "",
        test_end: Any = "",
        description: str | None = "",
        extra_filter: Any = None,
        statistics_config: Any = None,
        read_options: dict[str, Any] | None = None,
        spine: Any = None,
        primary_key: bool = False,
        event_time: bool = False,
        training_helper_columns: bool = False,
        dataframe_type: str | None = "default",
        transformation_context: dict[str, Any] | None = None,
        lookback: Any = None,
        n_processes: int | None = None,
        primary_keys: bool = False,
    ) -> Any:
        """Return X_train, X_test, y_train, y_test in memory, and count a version of training data."""
        request = asked(
            "two",
            test_size=test_size,
            train_start=train_start,
            train_end=train_end,
            test_start=test_start,
            test_end=test_end,
        )
        return self._in_memory(
            request,
            extra_filter,
            spine,
            lookback,
            primary_key=primary_key or primary_keys,
            event_time=event_time,
            training_helper_columns=training_helper_columns,
            dataframe_type=dataframe_type,
            context=transformation_context,
        )

    def train_validation_test_split(
        self,
        validation_size: float | None = None,
        test_size: float | None = None,
        train_start: Any = "",
        train_end: Any = "",
        validation_start: Any = "",
        validation_end: Any = "",
        test_start: Any = "",
        test_end: Any = "",
        description: str | None = "",
        extra_filter: Any = None,
        statistics_config: Any = None,
        read_options: dict[str, Any] | None = None,
        spine: Any = None,
        primary_key: bool = False,
        event_time: bool = False,
        training_helper_columns: bool = False,
        dataframe_type: str | None = "default",
        transformation_context: dict[str, Any] | None = None,
        lookback: Any = None,
        n_processes: int | None = None,
        primary_keys: bool = False,
    ) -> Any:
        """Return X_train, X_val, X_test, y_train, y_val, y_test in memory, and count a version of training data."""
        request = asked(
            "three",
            validation_size=validation_size,
            test_size=test_size,
            train_start=train_start,
            train_end=train_end,
            validation_start=validation_start,
            validation_end=validation_end,
            test_start=test_start,
            test_end=test_end,
        )
        return self._in_memory(
            request,
            extra_filter,
            spine,
            lookback,
            primary_key=primary_key or primary_keys,
            event_time=event_time,
            training_helper_columns=training_helper_columns,
            dataframe_type=dataframe_type,
            context=transformation_context,
        )

    def create_training_data(
        self,
        start_time: Any = "",
        end_time: Any = "",
        storage_connector: Any = None,
        location: str | None = "",
        description: str | None = "",
        extra_filter: Any = None,
        data_format: str | None = "parquet",
        coalesce: bool | None = False,
        seed: int | None = None,
        statistics_config: Any = None,
        write_options: dict[str, Any] | None = None,
        spine: Any = None,
        transformation_context: dict[str, Any] | None = None,
        lookback: Any = None,
        primary_key: bool = False,
        event_time: bool = False,
        training_helper_columns: bool = False,
        n_processes: int | None = None,
    ) -> tuple[int, Job]:
        """Write training data as files, and return its version and the job, which has ended."""
        return self._as_files(
            asked("all", start_time=start_time, end_time=end_time, seed=seed),
            extra_filter,
            spine,
            lookback,
            storage_connector,
            target_of(data_format, description, location),
            transformation_context,
        )

    def create_train_test_split(
        self,
        test_size: float | None = None,
        train_start: Any = "",
        train_end: Any = "",
        test_start: Any = "",
        test_end: Any = "",
        storage_connector: Any = None,
        location: str | None = "",
        description: str | None = "",
        extra_filter: Any = None,
        data_format: str | None = "parquet",
        coalesce: bool | None = False,
        seed: int | None = None,
        statistics_config: Any = None,
        write_options: dict[str, Any] | None = None,
        spine: Any = None,
        transformation_context: dict[str, Any] | None = None,
        lookback: Any = None,
        primary_key: bool = False,
        event_time: bool = False,
        training_helper_columns: bool = False,
        n_processes: int | None = None,
    ) -> tuple[int, Job]:
        """Write train and test as files, and return the version and the job, which has ended."""
        request = asked(
            "two",
            test_size=test_size,
            seed=seed,
            train_start=train_start,
            train_end=train_end,
            test_start=test_start,
            test_end=test_end,
        )
        return self._as_files(
            request,
            extra_filter,
            spine,
            lookback,
            storage_connector,
            target_of(data_format, description, location),
            transformation_context,
        )

    def create_train_validation_test_split(
        self,
        validation_size: float | None = None,
        test_size: float | None = None,
        train_start: Any = "",
        train_end: Any = "",
        validation_start: Any = "",
        validation_end: Any = "",
        test_start: Any = "",
        test_end: Any = "",
        storage_connector: Any = None,
        location: str | None = "",
        description: str | None = "",
        extra_filter: Any = None,
        data_format: str | None = "parquet",
        coalesce: bool | None = False,
        seed: int | None = None,
        statistics_config: Any = None,
        write_options: dict[str, Any] | None = None,
        spine: Any = None,
        transformation_context: dict[str, Any] | None = None,
        lookback: Any = None,
        primary_key: bool = False,
        event_time: bool = False,
        training_helper_columns: bool = False,
        n_processes: int | None = None,
    ) -> tuple[int, Job]:
        """Write train, validation and test as files, and return the version and the job, which has ended."""
        request = asked(
            "three",
            validation_size=validation_size,
            test_size=test_size,
            seed=seed,
            train_start=train_start,
            train_end=train_end,
            validation_start=validation_start,
            validation_end=validation_end,
            test_start=test_start,
            test_end=test_end,
        )
        return self._as_files(
            request,
            extra_filter,
            spine,
            lookback,
            storage_connector,
            target_of(data_format, description, location),
            transformation_context,
        )

    def get_training_data(
        self,
        training_dataset_version: int,
        read_options: dict[str, Any] | None = None,
        primary_key: bool = False,
        event_time: bool = False,
        training_helper_columns: bool = False,
        dataframe_type: str | None = "default",
        transformation_context: dict[str, Any] | None = None,
        n_processes: int | None = None,
        primary_keys: bool = False,
    ) -> Any:
        """Return features and labels of a version."""
        return self._again(
            training_dataset_version,
            "all",
            primary_key=primary_key or primary_keys,
            event_time=event_time,
            training_helper_columns=training_helper_columns,
            dataframe_type=dataframe_type,
            context=transformation_context,
        )

    def get_train_test_split(
        self,
        training_dataset_version: int,
        read_options: dict[str, Any] | None = None,
        primary_key: bool = False,
        event_time: bool = False,
        training_helper_columns: bool = False,
        dataframe_type: str | None = "default",
        transformation_context: dict[str, Any] | None = None,
        n_processes: int | None = None,
        primary_keys: bool = False,
    ) -> Any:
        """Return X_train, X_test, y_train, y_test of a version."""
        return self._again(
            training_dataset_version,
            "two",
            primary_key=primary_key or primary_keys,
            event_time=event_time,
            training_helper_columns=training_helper_columns,
            dataframe_type=dataframe_type,
            context=transformation_context,
        )

    def get_train_validation_test_split(
        self,
        training_dataset_version: int,
        read_options: dict[str, Any] | None = None,
        primary_key: bool = False,
        event_time: bool = False,
        training_helper_columns: bool = False,
        dataframe_type: str | None = "default",
        transformation_context: dict[str, Any] | None = None,
        n_processes: int | None = None,
        primary_keys: bool = False,
    ) -> Any:
        """Return X_train, X_val, X_test, y_train, y_val, y_test of a version."""
        return self._again(
            training_dataset_version,
            "three",
            primary_key=primary_key or primary_keys,
            event_time=event_time,
            training_helper_columns=training_helper_columns,
            dataframe_type=dataframe_type,
            context=transformation_context,
        )

    def _in_memory(
        self,
        request: Request,
        extra_filter: Any,
        spine: Any,
        lookback: Any,
        *,
        context: dict[str, Any] | None,
        **shape: Any,
    ) -> Any:
        _refuse_lookback(lookback)
        version, tables, chain = make(self, request, extra_filter=extra_filter, spine=spine, context=context)
        return shaped(self, tables, chain, self._record(version)["fits"], context=context, **shape)

    def _as_files(
        self,
        request: Request,
        extra_filter: Any,
        spine: Any,
        lookback: Any,
        storage_connector: Any,
        target: dict[str, Any],
        context: dict[str, Any] | None,
    ) -> tuple[int, Job]:
        _refuse_lookback(lookback)
        if storage_connector is not None:
            refuse("FeatureView.create_training_data.storage_connector")
        version, _, _ = make(
            self, request, extra_filter=extra_filter, spine=spine, context=context, target=target
        )
        return version, Job(f"{self.name}_{self.version}_{version}_create_fv_td")

    def _again(self, version: int, kind: str, *, context: dict[str, Any] | None, **shape: Any) -> Any:
        record, tables = read_again(self, int(version), kind)
        used = context if context is not None else record["context"] or None
        return shaped(self, tables, self._chain(), record["fits"], context=used, **shape)


def _refuse_lookback(lookback: Any) -> None:
    if lookback is not None:
        refuse("FeatureView.lookback")
