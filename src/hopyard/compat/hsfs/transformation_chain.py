"""The transformations of a view: fitted to train, applied to tables and to single rows.

Hopyard's own transformations replace a feature in its place and under its name. The original's results have names of
their own and stand at the end, and its functions may use statistics and a context. So the views that the shim makes are
stored without transformations, and are transformed here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import pyarrow as pa

from hopyard.compat.hsfs.builtin_transformations import spec_of
from hopyard.compat.hsfs.client.exceptions import FeatureStoreException, TransformationFunctionException
from hopyard.compat.hsfs.hopsworks_udf import HopsworksUdf, UDFExecutionMode
from hopyard.compat.hsfs.transformation_statistics import (
    FeatureTransformationStatistics,
    TransformationStatistics,
    describe,
)
from hopyard.compute.transform.builtin import bind, fit
from hopyard.compute.transform.kind import Transform
from hopyard.model.arrow import from_arrow, to_arrow
from hopyard.model.codec import from_json, to_json
from hopyard.model.manifest import FittedStatistics
from hopyard.model.schema import Field
from hopyard.model.types import parse_type

Fit = dict[str, Any]
"""What one function learned from train, as JSON has it."""


class Chain:
    """Functions in an order in which each comes after those whose results it takes."""

    def __init__(self, functions: Sequence[HopsworksUdf], columns: Iterable[str]) -> None:
        """Raises FeatureStoreException: a function takes what is neither a column nor another one's result."""
        self.functions = _ordered(functions, set(columns))

    def without(self, names: Iterable[str]) -> list[int]:
        """Return the places of the functions that need none of these columns, directly or by others' results."""
        hidden, kept = set(names), []
        for place, function in enumerate(self.functions):
            if hidden.intersection(function.transformation_features):
                hidden.update(function.output_column_names)
            else:
                kept.append(place)
        return kept

    def fit(self, table: pa.Table, context: dict[str, Any] | None = None) -> list[Fit]:
        """Return what each function learns from the rows of train."""
        fits: list[Fit] = []
        columns = _columns(table)
        for function in self.functions:
            fits.append(_fit(function, _taken(table, columns, function)))
            self._add(columns, table, function, fits[-1], context)
        return fits

    def unfitted(self, types: Mapping[str, str]) -> list[Fit]:
        """Return the fits of functions that learn nothing from train. Args: types: of the columns, by name."""
        known, fits = dict(types), []
        for function in self.functions:
            if function.kind is not None:
                spec = spec_of(function)
                nothing = FittedStatistics(feature=spec.features[0], transformation=spec.name)
                taken = [known[name] for name in function.transformation_features]
                fits.append({"types": taken, "fitted": json.loads(to_json(nothing))})
            else:
                fits.append({})
            for name, type_ in zip(function.output_column_names, function.return_types, strict=True):
                known.setdefault(name, type_)
        return fits

    @property
    def is_fitted_to_train(self) -> bool:
        """Whether a function needs statistics of train."""
        return any(function.statistics_required for function in self.functions)

    def apply(
        self,
        table: pa.Table,
        fits: Sequence[Fit],
        context: dict[str, Any] | None = None,
        places: Sequence[int] | None = None,
    ) -> pa.Table:
        """Return a table with the results: kept columns first, then the results by the name of each first one."""
        columns = _columns(table)
        results = []
        used = [self.functions[place] for place in _all(places, self.functions)]
        for place in _all(places, self.functions):
            results.append(self._add(columns, table, self.functions[place], fits[place], context))
        names = arranged(table.column_names, used, results)
        return pa.table([columns[name] for name in names], names=names)

    def row(
        self,
        values: Mapping[str, Any],
        fits: Sequence[Fit],
        context: dict[str, Any] | None = None,
        places: Sequence[int] | None = None,
    ) -> dict[str, Any]:
        """Return one row's results, as `apply` does."""
        known = dict(values)
        results = []
        used = [self.functions[place] for place in _all(places, self.functions)]
        for place in _all(places, self.functions):
            function = self.functions[place]
            given = [values.get(name, known.get(name)) for name in function.transformation_features]
            found = _row_results(function, fits[place], given, context)
            known.update(found)
            results.append(list(found))
        return {name: known[name] for name in arranged(list(values), used, results)}

    def _add(
        self,
        columns: dict[str, pa.ChunkedArray],
        table: pa.Table,
        function: HopsworksUdf,
        fit: Fit,
        context: dict[str, Any] | None,
    ) -> list[str]:
        found = _results(function, fit, _taken(table, columns, function), context)
        columns.update(found)
        return list(found)


def arranged(
    columns: Sequence[str], functions: Sequence[HopsworksUdf], results: Sequence[list[str]]
) -> list[str]:
    """Return the names of the columns after transformation, in the original's order."""
    dropped = {name for function in functions for name in function.dropped_features}
    made = {name for names in results for name in names}
    kept = [name for name in columns if name not in dropped or name in made]
    added = sorted((names for names in results if names), key=lambda names: names[0])
    moved = [
        name for names in added for name in names if name not in kept and name not in dropped | set(columns)
    ]
    return list(dict.fromkeys([*kept, *moved]))


def call(
    function: HopsworksUdf,
    arguments: Sequence[Any],
    *,
    online: bool,
    statistics: TransformationStatistics | None,
    context: dict[str, Any] | None,
) -> Any:
    """Return what a function returns: of values where it runs online, else of Series."""
    reserved = {"statistics": statistics, "context": context}
    given = dict(zip(function.arguments, arguments, strict=True))
    given |= {
        name: reserved[name]
        for name in ("statistics", "context")
        if name in function.function_spec.parameters
    }
    plain = function.function
    is_by_value = function.execution_mode.get_current_execution_mode(online) is UDFExecutionMode.PYTHON
    if is_by_value and not online and arguments and hasattr(arguments[0], "__len__"):
        columns = [_objects(argument) for argument in arguments]
        extra = {name: value for name, value in given.items() if name not in function.arguments}
        rows = [
            plain(**dict(zip(function.arguments, row, strict=True)), **extra)
            for row in zip(*columns, strict=True)
        ]
        return rows if len(function.return_types) == 1 else tuple(zip(*rows, strict=True)) or ([],)
    return plain(**given)


def _taken(
    table: pa.Table, columns: Mapping[str, pa.ChunkedArray], function: HopsworksUdf
) -> list[pa.ChunkedArray]:
    """Return what a function takes: features as they are stored, before results of the same name."""
    return [
        table[name] if name in table.column_names else columns[name]
        for name in function.transformation_features
    ]


def _columns(table: pa.Table) -> dict[str, pa.ChunkedArray]:
    return dict(zip(table.column_names, table.columns, strict=True))


def _all(places: Sequence[int] | None, functions: Sequence[HopsworksUdf]) -> Sequence[int]:
    return range(len(functions)) if places is None else places


def _ordered(functions: Sequence[HopsworksUdf], columns: set[str]) -> list[HopsworksUdf]:
    waiting, known, found = list(functions), set(columns), []
    while waiting:
        ready = [item for item in waiting if known.issuperset(item.transformation_features)]
        if not ready:
            missing = sorted(set(waiting[0].transformation_features) - known)
            raise FeatureStoreException(
                f"The transformation {waiting[0]!r} takes {', '.join(missing)}, which is neither a feature of the "
                f"query nor "
                f"a result of another transformation. There are: {', '.join(sorted(known))}."
            )
        found += ready
        known |= {name for item in ready for name in item.output_column_names}
        waiting = [item for item in waiting if not any(item is other for other in ready)]
    return found


def _fit(function: HopsworksUdf, columns: Sequence[pa.ChunkedArray]) -> Fit:
    if function.kind is not None:
        types = [str(from_arrow(column.type, column="")) for column in columns]
        fitted = fit(spec_of(function), columns)
        return {"types": types, "fitted": json.loads(to_json(fitted))}
    by_argument = dict(zip(function.arguments, columns, strict=True))
    return {
        name: describe(name, by_argument[name].to_pandas()).to_dict() for name in function.statistics_features
    }


def _statistics(function: HopsworksUdf, fit: Fit) -> TransformationStatistics | None:
    if not function.statistics_features:
        return None
    found = TransformationStatistics()
    for name in function.statistics_features:
        found.init_statistics(name, FeatureTransformationStatistics.from_dict(fit[name]))
    return found


def _transform(function: HopsworksUdf, fit: Fit) -> tuple[Transform, list[str]]:
    text = to_json(function.transformation_context).decode()
    return _bound(
        function.kind or "",
        tuple(function.transformation_features),
        tuple(function.output_column_names),
        text,
        json.dumps(fit),
    )


@lru_cache(maxsize=256)
def _bound(
    kind: str, features: tuple[str, ...], outputs: tuple[str, ...], context: str, fit: str
) -> tuple[Transform, list[str]]:
    """Return a built-in transformation ready for use, and the names of its results."""
    from hopyard.compat.hsfs.builtin_transformations import BUILT_IN

    function = BUILT_IN[kind](*features)
    function.transformation_context = json.loads(context)
    stored = json.loads(fit)
    fields = tuple(
        Field(name=name, type=type_) for name, type_ in zip(features, stored["types"], strict=True)
    )
    fitted = from_json(
        FittedStatistics, json.dumps(stored["fitted"]), known=1, what="fitted statistics of a view"
    )
    transform = bind(spec_of(function), fields, fitted)
    if kind != "one_hot_encoder":
        return transform, list(outputs)
    return transform, [f"{outputs[0]}{place}" for place in range(len(transform.outputs))]


def _results(
    function: HopsworksUdf,
    fit: Fit,
    columns: Sequence[pa.ChunkedArray],
    context: dict[str, Any] | None,
) -> dict[str, pa.ChunkedArray]:
    if function.kind is not None:
        transform, names = _transform(function, fit)
        cast = [
            column.cast(to_arrow(parse_type(type_)))
            for column, type_ in zip(columns, fit["types"], strict=True)
        ]
        return dict(zip(names, transform.columns(cast), strict=True))
    series = [column.to_pandas() for column in columns]
    returned = call(
        function,
        series,
        online=False,
        statistics=_statistics(function, fit),
        context=context if context is not None else function.transformation_context,
    )
    n_results, n_rows = len(function.return_types), len(columns[0])
    items = _split(returned, n_results, function)
    return {
        name: _column(function, item, type_, n_rows)
        for name, item, type_ in zip(function.output_column_names, items, function.return_types, strict=True)
    }


def _row_results(
    function: HopsworksUdf, fit: Fit, values: Sequence[Any], context: dict[str, Any] | None
) -> dict[str, Any]:
    if function.kind is not None:
        transform, names = _transform(function, fit)
        return dict(zip(names, transform.values(list(values)), strict=True))
    statistics = _statistics(function, fit)
    used = context if context is not None else function.transformation_context
    is_by_value = function.execution_mode.get_current_execution_mode(True) is UDFExecutionMode.PYTHON
    if is_by_value:
        try:
            returned = call(function, values, online=True, statistics=statistics, context=used)
        except AttributeError:
            # A function of Series only, such as one with .dt or .fillna, runs here as it ran on train.
            is_by_value = function.execution_mode is not UDFExecutionMode.DEFAULT
            if is_by_value:
                raise
    if not is_by_value:
        import pandas as pd

        series = [pd.Series([value]) for value in values]
        returned = call(function, series, online=False, statistics=statistics, context=used)
    items = _split(returned, len(function.return_types), function)
    return {name: _value(item) for name, item in zip(function.output_column_names, items, strict=True)}


def _split(returned: Any, n_results: int, function: HopsworksUdf) -> list[Any]:
    if n_results == 1:
        if type(returned).__name__ == "DataFrame":
            return [returned.iloc[:, 0]]
        return [returned]
    if type(returned).__name__ == "DataFrame":
        items = [returned.iloc[:, place] for place in range(returned.shape[1])]
    else:
        items = list(returned)
    if len(items) != n_results:
        raise TransformationFunctionException(
            f"{function.function_name} returned {len(items)} results and declares {n_results}: "
            f"{', '.join(function.return_types)}."
        )
    return items


def _column(function: HopsworksUdf, result: Any, type_: str, n_rows: int) -> pa.ChunkedArray:
    import pandas as pd

    if not hasattr(result, "__len__") or isinstance(result, str):
        result = [result] * n_rows
    if len(result) != n_rows:
        raise TransformationFunctionException(
            f"{function.function_name} returned {len(result)} values for {n_rows} rows."
        )
    series = result if isinstance(result, pd.Series) else pd.Series(result)
    wanted = to_arrow(parse_type(type_))
    try:
        plain = pa.array(series, from_pandas=True)
        if type_ == "string" and not (pa.types.is_string(plain.type) or pa.types.is_null(plain.type)):
            plain = pa.array([None if value is None else str(value) for value in plain.to_pylist()])
        return pa.chunked_array([plain.cast(wanted, safe=type_ != "bigint")])
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        raise TransformationFunctionException(
            f"{function.function_name} returned values that are no {type_}: {error}. Declare another return type."
        ) from error


def _value(item: Any) -> Any:
    """Return a plain value; of a Series its only one, and NaN stays what it is."""
    if type(item).__name__ in ("Series", "ndarray") and getattr(item, "ndim", 0) == 1 and len(item) == 1:
        item = item.iloc[0] if hasattr(item, "iloc") else item[0]
    if hasattr(item, "to_pydatetime"):
        return item.to_pydatetime()
    return item.item() if hasattr(item, "item") else item


def _objects(column: Any) -> list[Any]:
    return list(column.tolist() if hasattr(column, "tolist") else column)
