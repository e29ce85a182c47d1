"""Feature vectors: asked of Hopyard, transformed, and answered with the original's errors and shapes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import pyarrow as pa

from hopyard.compat.hsfs.client.exceptions import FeatureStoreException
from hopyard.compat.hsfs.on_demand import computed_names
from hopyard.compat.hsfs.transformation_chain import Chain, Fit
from hopyard.compat.hsfs.view_rows import in_kind
from hopyard.compat.hsfs.view_state import ViewState
from hopyard.errors import FeatureVectorError, ServingError
from hopyard.feature_view import FeatureView as CoreView
from hopyard.model.plan import Plan

Entry = Mapping[str, Any]


class Server:
    """A view that is ready to serve: features in the order of the query, without labels and helper columns."""

    def __init__(self, view: ViewState, version: int | None) -> None:
        """Raises FeatureStoreException: a group is not online, or there are no statistics."""
        self._view = view
        self.version = version
        self._chain: Chain = view._chain()
        self._fits: list[Fit] = view._fits(self._chain, version) if self._chain.functions else []
        self._context: dict[str, Any] | None = None
        if version is not None and version in view._records():
            self._context = view._record(version).get("context") or None
        spec = view.core.spec
        self._places = self._chain.without([*spec.labels, *spec.training_helper_columns])
        self._core = served(view._variant())
        self.serving_keys = self._core.serving_keys
        self._parameters = {field.name for item in spec.on_demand for field in item.takes}
        self._computed = computed_names(spec)
        self._stored: CoreView | None = None
        self._accepted = {
            *self.serving_keys,
            *_join_names(spec.plan),
            *(field.name for field in spec.plan.root.source.fields),
        }

    @property
    def computed(self) -> set[str]:
        """The on-demand features."""
        return self._computed

    def vector(
        self,
        entry: Entry | None,
        passed: Entry | None,
        request: Entry | None,
        *,
        allow_missing: bool,
        transform: bool,
        on_demand_features: bool,
        context: dict[str, Any] | None,
    ) -> dict[str, Any] | None:
        """Return one vector by name; None: no row was found for any of its features."""
        core = self._core if on_demand_features or not self._computed else self._without_computed()
        values = self._values(core, entry, passed, request, allow_missing=allow_missing)
        if values is None or core is not self._core:
            return values
        return self.transformed(values, context) if transform else values

    def transformed(self, values: Entry, context: dict[str, Any] | None = None) -> dict[str, Any]:
        """Return a vector with the results of the transformations."""
        if not self._chain.functions:
            return dict(values)
        used = context if context is not None else self._context
        return self._chain.row(values, self._fits, used, self._places)

    def transformed_table(self, table: pa.Table, context: dict[str, Any] | None = None) -> pa.Table:
        """Return rows with the results of the transformations."""
        if not self._chain.functions:
            return table
        used = context if context is not None else self._context
        return self._chain.apply(table, self._fits, used, self._places)

    def _without_computed(self) -> CoreView:
        """Return the view without its on-demand features, which needs no request parameters."""
        if self._stored is None:
            plan = self._view.core.spec.plan
            outputs = tuple(out for out in plan.outputs if out.name not in self._computed)
            plan = msgspec.structs.replace(plan, outputs=outputs)
            self._stored = served(self._view._variant(plan=plan, on_demand=()))
        return self._stored

    def _values(
        self,
        core: CoreView,
        entry: Entry | None,
        passed: Entry | None,
        request: Entry | None,
        *,
        allow_missing: bool,
    ) -> dict[str, Any] | None:
        given = dict(entry or {})
        for name in given:
            if name not in self._accepted:
                raise FeatureStoreException(
                    f"Provided key {name} is not a serving key. Required serving keys: {list(self.serving_keys)}."
                )
        kept = {name: value for name, value in given.items() if name in self._usable}
        features = core.features
        known = {name: value for name, value in (passed or {}).items() if name in features}
        asked = dict(request or {})
        parameters = {name: value for name, value in asked.items() if name in self._parameters}
        known |= {name: value for name, value in asked.items() if name in features and name not in parameters}
        missing = [name for name in self.serving_keys if name not in kept]
        if missing and not allow_missing and not set(features) <= set(known) | self._computed:
            raise FeatureStoreException(
                f"Incomplete feature vector requests: {{{', '.join(missing)}}}. An entry has the values of "
                f"{list(self.serving_keys)}; allow_missing=True gives None for features that are not found."
            )
        ask = core.get_feature_vector
        options: dict[str, Any] = {
            "passed_features": known or None,
            "request_parameters": (parameters or None) if core is self._core else None,
            "return_type": "dict",
            "transform": False,
        }
        try:
            found: dict[str, Any] = ask(kept, allow_missing=allow_missing, **options)
            return found
        except FeatureVectorError as error:
            if allow_missing:
                raise FeatureStoreException(str(error)) from error
            reason = error
        try:
            partly = ask(kept, allow_missing=True, **options)
        except FeatureVectorError:
            raise FeatureStoreException(str(reason)) from reason
        absent = [name for name, value in partly.items() if value is None]
        if not absent:
            raise FeatureStoreException(str(reason)) from reason
        if len(absent) == len(partly) - len([name for name in partly if name in known]):
            return None
        raise FeatureStoreException(
            f"Feature(s) {set(absent)} is missing from vector. There is a possibility that the config or the data "
            f"of the "
            f"groups is not online: {reason}"
        ) from reason

    @property
    def _usable(self) -> set[str]:
        spec = self._view.core.spec
        return {*self.serving_keys, *(field.name for field in spec.plan.root.source.fields)}


def _join_names(plan: Plan) -> set[str]:
    """Return the names under which the keys of joined groups may be given."""
    return {
        name
        for join in plan.joins
        for key in join.keys
        for name in (key.left, key.right, f"{join.prefix}{key.right}")
    }


def served(core: CoreView) -> CoreView:
    """Return a view that is ready to serve. Raises FeatureStoreException: it cannot be served."""
    try:
        core.init_serving()
    except ServingError as error:
        raise FeatureStoreException(
            f"Feature view {core.name!r} cannot be served: {error} Create the groups with online_enabled=True."
        ) from error
    return core


def in_return_type(
    vectors: Sequence[dict[str, Any] | None],
    names: Sequence[str],
    return_type: str | None,
    *,
    is_single: bool,
) -> Any:
    """Return vectors as lists, dicts, an array or a dataframe; what was not found is None, or a row of nulls."""
    kind = (return_type or "list").lower()
    if kind not in ("list", "dict", "numpy", "pandas", "polars"):
        raise ValueError(
            f"Unknown return type. Supported return types are 'list', 'dict', 'polars', 'pandas' and 'numpy', and not "
            f"{return_type!r}."
        )
    if kind in ("pandas", "polars"):
        return _frame(vectors, names, kind)
    items: list[Any] = [
        vector if vector is None or kind == "dict" else list(vector.values()) for vector in vectors
    ]
    if kind != "numpy":
        return items[0] if is_single else items
    import numpy as np

    if is_single:
        return None if items[0] is None else np.array(items[0])
    return np.array([item if item is not None else [None] * len(names) for item in items])


def _frame(vectors: Sequence[dict[str, Any] | None], names: Sequence[str], kind: str) -> Any:
    columns = list(next((list(vector) for vector in vectors if vector is not None), names))
    arrays = [pa.array([None if vector is None else vector[name] for vector in vectors]) for name in columns]
    if kind == "polars" or not any(pa.types.is_null(array.type) for array in arrays):
        return in_kind(pa.table(arrays, names=columns), kind)
    import pandas as pd

    return pd.DataFrame([vector or dict.fromkeys(columns) for vector in vectors], columns=columns)
