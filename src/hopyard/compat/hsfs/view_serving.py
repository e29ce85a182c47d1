"""Batches and feature vectors of a view: the signatures of all eras."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pyarrow as pa

from hopyard.compat.hsfs.client.exceptions import FeatureStoreException
from hopyard.compat.hsfs.on_demand import compute_on_demand
from hopyard.compat.hsfs.times import instant
from hopyard.compat.hsfs.util import VersionWarning, warn
from hopyard.compat.hsfs.view_absent import refuse
from hopyard.compat.hsfs.view_rows import in_kind, spine_of
from hopyard.compat.hsfs.view_state import ViewState
from hopyard.compat.hsfs.view_vectors import Server, in_return_type, served
from hopyard.model.plan import Output
from hopyard.queries import Query as CoreQuery

Entry = Mapping[str, Any]


class ServingMethods(ViewState):
    """What gives features to a model that is in use."""

    _server: Server | None = None

    def init_serving(
        self,
        training_dataset_version: int | None = None,
        external: bool | None = None,
        options: dict[str, Any] | None = None,
        init_sql_client: bool | None = None,
        init_rest_client: bool = False,
        reset_rest_client: bool = False,
        config_rest_client: dict[str, Any] | None = None,
        default_client: str | None = None,
        feature_logger: Any = None,
        n_processes: int | None = None,
        **_: Any,
    ) -> None:
        """Prepare feature vectors, with the statistics of a version of training data. There are no clients here."""
        version = training_dataset_version
        if version is None:
            version = 1
            warn(
                "No training dataset version was provided to initialise serving. Defaulting to version 1.",
                VersionWarning,
            )
        self._server = Server(self, int(version))
        self._batch_version = int(version)

    def init_batch_scoring(
        self, training_dataset_version: int | None = None, n_processes: int | None = None
    ) -> None:
        """Choose the version of training data whose statistics transform batches."""
        if training_dataset_version is None:
            warn(
                "No training dataset version was provided to initialise batch scoring . Defaulting to version 1.",
                VersionWarning,
            )
        version = int(training_dataset_version or 1)
        if self._chain().is_fitted_to_train:
            self._record(version)
        self._batch_version = version

    def get_batch_query(
        self, start_time: Any = None, end_time: Any = None, extra_filter: Any = None, lookback: Any = None
    ) -> str:
        """Return the SQL of a batch."""
        return self._batch(start_time, end_time, extra_filter, lookback).to_string()

    def get_batch_data(
        self,
        start_time: Any = None,
        end_time: Any = None,
        read_options: dict[str, Any] | None = None,
        spine: Any = None,
        primary_key: bool = False,
        event_time: bool = False,
        inference_helper_columns: bool = False,
        dataframe_type: str | None = "default",
        transformed: bool | None = True,
        transformation_context: dict[str, Any] | None = None,
        logging_data: bool = False,
        extra_filter: Any = None,
        lookback: Any = None,
        n_processes: int | None = None,
        primary_keys: bool = False,
    ) -> Any:
        """Return the features of the rows of a range of event time: from the start on, before the end."""
        if logging_data:
            refuse("FeatureView.logging_data")
        keys, time = self._identity()
        wanted = {
            *(keys if primary_key or primary_keys else ()),
            *([time] if event_time and time else ()),
        }
        version = self._batch_version or self._last_version
        if extra_filter is None and version is not None and version in self._records():
            stored = self._record(version)["filter"]
        else:
            stored = None
        if spine is not None:
            rows = self._shown(inference_helper_columns).get_batch_data(
                spine=spine_of(spine), dataframe_type="arrow"
            )
            rows = rows.drop_columns(
                [name for name in self._added() if name in rows.column_names and name not in wanted]
            )
        elif extra_filter is None and stored is None:
            rows = self._shown(inference_helper_columns).get_batch_data(
                start_time=instant(start_time),
                end_time=instant(end_time),
                primary_key=bool(set(keys) & wanted),
                event_time=time in wanted,
                dataframe_type="arrow",
            )
        else:
            query = self._batch(
                start_time, end_time, extra_filter, lookback, inference_helper_columns, wanted, stored
            )
            rows = query.read(dataframe_type="arrow")
        if lookback is not None:
            refuse("FeatureView.lookback")
        chain = self._chain()
        if transformed and chain.functions:
            spec = self._core.spec
            places = chain.without(
                [*spec.labels, *spec.training_helper_columns, *_absent(chain, rows.column_names)]
            )
            if version is None and chain.is_fitted_to_train and self._records():
                version = 1
                warn(
                    "No training dataset version was provided for batch scoring. Defaulting to version 1.",
                    VersionWarning,
                )
            context = transformation_context
            if context is None and version is not None and version in self._records():
                context = self._record(version).get("context") or None
            rows = chain.apply(rows, self._fits(chain, version), context, places)
        return in_kind(rows, dataframe_type)

    def get_feature_vector(
        self,
        entry: Entry | None = None,
        passed_features: Entry | None = None,
        external: bool | None = None,
        return_type: str | None = "list",
        allow_missing: bool = False,
        force_rest_client: bool = False,
        force_sql_client: bool = False,
        transform: bool | None = True,
        on_demand_features: bool | None = True,
        request_parameters: Entry | None = None,
        transformation_context: dict[str, Any] | None = None,
        logging_data: bool = False,
        n_processes: int | None = None,
        **_: Any,
    ) -> Any:
        """Return the features of one entity as they are now; None if nothing is found and nothing may be missing."""
        if logging_data:
            refuse("FeatureView.logging_data")
        vector = self._serving().vector(
            entry,
            passed_features,
            request_parameters,
            allow_missing=allow_missing,
            transform=bool(transform),
            on_demand_features=bool(on_demand_features),
            context=transformation_context,
        )
        return in_return_type([vector], self._core.features, return_type, is_single=True)

    def get_feature_vectors(
        self,
        entry: Sequence[Entry] | None = None,
        passed_features: Sequence[Entry] | None = None,
        external: bool | None = None,
        return_type: str | None = "list",
        allow_missing: bool = False,
        force_rest_client: bool = False,
        force_sql_client: bool = False,
        transform: bool | None = True,
        on_demand_features: bool | None = True,
        request_parameters: Sequence[Entry] | Entry | None = None,
        transformation_context: dict[str, Any] | None = None,
        logging_data: bool = False,
        n_processes: int | None = None,
        **_: Any,
    ) -> Any:
        """Return one item per entry, in their order; None where nothing is found and nothing may be missing."""
        if logging_data:
            refuse("FeatureView.logging_data")
        n_vectors = max(len(entry or []), len(passed_features or []))
        if isinstance(request_parameters, Mapping) or request_parameters is None:
            requests: Sequence[Entry | None] = [request_parameters] * n_vectors
        else:
            requests = request_parameters
            n_vectors = max(n_vectors, len(requests))
        entries: Sequence[Entry | None] = entry or [None] * n_vectors
        passed: Sequence[Entry | None] = passed_features or [None] * n_vectors
        if not len(entries) == len(passed) == len(requests):
            raise FeatureStoreException(
                f"Provide one of each per vector: there are {len(entries)} entries, {len(passed)} passed_features and "
                f"{len(requests)} request_parameters."
            )
        server = self._serving()
        vectors = [
            server.vector(
                item,
                known,
                request,
                allow_missing=allow_missing,
                transform=bool(transform),
                on_demand_features=bool(on_demand_features),
                context=transformation_context,
            )
            for item, known, request in zip(entries, passed, requests, strict=True)
        ]
        return in_return_type(vectors, self._core.features, return_type, is_single=False)

    def get_inference_helper(
        self,
        entry: Entry,
        external: bool | None = None,
        return_type: str | None = "pandas",
        force_rest_client: bool = False,
        force_sql_client: bool = False,
        **_: Any,
    ) -> Any:
        """Return the inference helper columns of one entity."""
        found = self._helpers([entry])
        return in_return_type(found, self._core.spec.inference_helper_columns, return_type, is_single=True)

    def get_inference_helpers(
        self,
        entry: Sequence[Entry],
        external: bool | None = None,
        return_type: str | None = "pandas",
        force_rest_client: bool = False,
        force_sql_client: bool = False,
        **_: Any,
    ) -> Any:
        """Return the inference helper columns of several entities."""
        found = self._helpers(entry)
        return in_return_type(found, self._core.spec.inference_helper_columns, return_type, is_single=False)

    def transform(
        self,
        feature_vector: Any,
        external: bool | None = None,
        transformation_context: dict[str, Any] | None = None,
        n_processes: int | None = None,
        **_: Any,
    ) -> Any:
        """Return untransformed vectors transformed: a list, a list of lists, or a dataframe."""
        server = self._serving()
        names = self._core.features
        if isinstance(feature_vector, Mapping):
            return server.transformed(feature_vector, transformation_context)
        if isinstance(feature_vector, list | tuple):
            is_many = bool(feature_vector) and isinstance(feature_vector[0], list | tuple | Mapping)
            rows = feature_vector if is_many else [feature_vector]
            done = [
                list(
                    server.transformed(
                        row if isinstance(row, Mapping) else dict(zip(names, row, strict=True)),
                        transformation_context,
                    ).values()
                )
                for row in rows
            ]
            return done if is_many else done[0]
        kind = type(feature_vector).__module__.partition(".")[0]
        table = (
            pa.Table.from_pandas(feature_vector, preserve_index=False)
            if kind == "pandas"
            else feature_vector.to_arrow()
        )
        return in_kind(server.transformed_table(table, transformation_context), kind)

    execute_mdts = transform

    def compute_on_demand_features(
        self,
        feature_vector: Any = None,
        request_parameters: Any = None,
        external: bool | None = None,
        transformation_context: dict[str, Any] | None = None,
        n_processes: int | None = None,
        **_: Any,
    ) -> Any:
        """Return untransformed vectors with their on-demand features computed from request parameters."""
        return compute_on_demand(self._core.spec, self._core.features, feature_vector, request_parameters)

    execute_odts = compute_on_demand_features

    def _serving(self) -> Server:
        if self._server is None:
            self.init_serving(self._last_version or 1)
        assert self._server is not None
        return self._server

    def _shown(self, inference_helper_columns: bool) -> Any:
        return self._variant(inference_helper_columns=()) if inference_helper_columns else self._core

    def _batch(
        self,
        start_time: Any,
        end_time: Any,
        extra_filter: Any,
        lookback: Any,
        inference_helper_columns: bool = False,
        wanted: set[str] | None = None,
        stored_filter: dict[str, Any] | None = None,
    ) -> CoreQuery:
        """Return the query of a batch, with a filter on the joined rows."""
        if lookback is not None:
            refuse("FeatureView.lookback")
        query = self._shown(inference_helper_columns).get_batch_query(
            start_time=instant(start_time), end_time=instant(end_time)
        )
        if extra_filter is not None:
            shim = self.query
            query = query.filter(extra_filter.core(lambda feature: shim._resolve(query, feature)))
        plan = query.plan
        if stored_filter is not None:
            kept = self._wide(stored_filter=stored_filter).spec.plan.filter
            plan = msgspec.structs.replace(plan, filter=kept)
        extra = [
            Output(name=name, node=0, feature=name) for name in self._added() if name in (wanted or set())
        ]
        plan = msgspec.structs.replace(plan, outputs=(*plan.outputs, *extra))
        return CoreQuery(self._project.session, plan)

    def _helpers(self, entries: Sequence[Entry]) -> list[dict[str, Any] | None]:
        spec = self._core.spec
        names = spec.inference_helper_columns
        if not names:
            raise FeatureStoreException(
                f"Feature view {self.name!r} has no inference helper columns: create it with "
                f"inference_helper_columns=[...]."
            )
        outputs = tuple(out for out in spec.plan.outputs if out.name in names)
        core = served(
            self._variant(
                plan=msgspec.structs.replace(spec.plan, outputs=outputs),
                labels=(),
                training_helper_columns=(),
                inference_helper_columns=(),
                on_demand=(),
            )
        )
        return [
            core.get_feature_vector(
                {name: value for name, value in entry.items() if name in core.serving_keys},
                allow_missing=True,
                return_type="dict",
            )
            for entry in entries
        ]


def _absent(chain: Any, columns: Sequence[str]) -> list[str]:
    """Return the inputs of transformations that a batch does not have, such as labels."""
    made = {name for function in chain.functions for name in function.output_column_names}
    taken = {name for function in chain.functions for name in function.transformation_features}
    return sorted(taken - set(columns) - made)
