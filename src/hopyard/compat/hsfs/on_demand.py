"""On-demand features of untransformed vectors, from request parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hopyard.compat.hsfs.client.exceptions import FeatureStoreException
from hopyard.compute.transform.load import load
from hopyard.model.specs import FeatureViewSpec, FunctionSpec


def compute_on_demand(
    spec: FeatureViewSpec, names: Sequence[str], feature_vector: Any, request_parameters: Any
) -> Any:
    """Return vectors in their form, with on-demand features computed.

    Args:
        spec: the view.
        names: its features, in the order of vectors.
        feature_vector: a list, a list of lists, a dict or a dataframe; None: the on-demand features alone.
        request_parameters: a dict, or a list with one for each vector.
    """
    if hasattr(feature_vector, "to_dict") and hasattr(feature_vector, "columns"):
        rows = feature_vector.to_dict("records")
        done = _rows(spec, names, rows, request_parameters)
        return type(feature_vector)(done, columns=list(done[0] if done else feature_vector.columns))
    is_many = (
        isinstance(feature_vector, list) and bool(feature_vector) and isinstance(feature_vector[0], list)
    )
    given = feature_vector if is_many else [feature_vector]
    computed = computed_names(spec)
    rows = [row if isinstance(row, Mapping) else _named(row, names, computed) for row in given]
    done = _rows(spec, names, rows, request_parameters)
    if isinstance(feature_vector, Mapping):
        return done[0]
    lists = [list(row.values()) for row in done]
    return lists if is_many else lists[0]


def computed_names(spec: FeatureViewSpec) -> set[str]:
    """Return the names of the view's on-demand features."""
    outputs = {(item.node, name) for item in spec.on_demand for name in item.transformation.outputs}
    return {out.name for out in spec.plan.outputs if (out.node, out.feature) in outputs}


def _named(row: Sequence[Any] | None, names: Sequence[str], computed: set[str]) -> dict[str, Any]:
    """Return a vector by names, with or without its on-demand features."""
    stored = [name for name in names if name not in computed]
    if row is None:
        return dict.fromkeys(names)
    if len(row) not in (len(names), len(stored)):
        raise FeatureStoreException(
            f"The feature vector has {len(row)} values. The view has {len(names)} features: {', '.join(names)}; "
            f"{len(stored)} without those that are computed on demand."
        )
    return dict(zip(names if len(row) == len(names) else stored, row, strict=True))


def run_for_row(function: FunctionSpec, values: Sequence[Any]) -> list[Any]:
    """Return the results of a stored function for the values of one row. Raises UntrustedCodeError."""
    plain = load(function)
    if function.mode == "pandas":
        import pandas as pd

        found = plain(*(pd.Series([value]) for value in values))
        items: Any = found if len(function.returns) > 1 else (found,)
        if hasattr(items, "iloc"):
            items = [items.iloc[:, place] for place in range(items.shape[1])]
        return [_only(item) for item in items]
    found = plain(*values)
    return list(found) if len(function.returns) > 1 else [found]


def _rows(
    spec: FeatureViewSpec, names: Sequence[str], rows: Sequence[Mapping[str, Any]], request: Any
) -> list[dict[str, Any]]:
    """Return the rows with their on-demand features, in the order of the view's features."""
    requests = request if isinstance(request, Sequence) else [request or {}] * len(rows)
    done = []
    for row, parameters in zip(rows, requests, strict=True):
        values = dict(row)
        for item in spec.on_demand:
            function = item.transformation.function
            assert function is not None
            shown = {out.feature: out.name for out in spec.plan.outputs if out.node == item.node}
            taken = []
            for name in item.transformation.features:
                if name in parameters:
                    taken.append(parameters[name])
                elif shown.get(name, name) in values:
                    taken.append(values[shown.get(name, name)])
                else:
                    raise FeatureStoreException(
                        f"The request parameter {name!r} is missing, which {function.name} takes: give it in "
                        f"request_parameters."
                    )
            results = run_for_row(function, taken)
            for name, result in zip(item.transformation.outputs, results, strict=True):
                if name in shown:
                    values[shown[name]] = result
        done.append({name: values[name] for name in [*names, *values] if name in values})
    return done


def _only(item: Any) -> Any:
    value = item.iloc[0] if hasattr(item, "iloc") else item[0] if getattr(item, "ndim", 0) else item
    return value.item() if hasattr(value, "item") else value
