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
        done = _rows(spec, rows, request_parameters)
        return type(feature_vector)(done, columns=list(feature_vector.columns))
    is_many = (
        isinstance(feature_vector, list) and bool(feature_vector) and isinstance(feature_vector[0], list)
    )
    given = feature_vector if is_many else [feature_vector]
    rows = [
        row if isinstance(row, Mapping) else dict(zip(names, row or [None] * len(names), strict=True))
        for row in given
    ]
    done = _rows(spec, rows, request_parameters)
    if isinstance(feature_vector, Mapping):
        return done[0]
    lists = [list(row.values()) for row in done]
    return lists if is_many else lists[0]


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


def _rows(spec: FeatureViewSpec, rows: Sequence[Mapping[str, Any]], request: Any) -> list[dict[str, Any]]:
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
                        f""
                        f"request_parameters."
                    )
            results = run_for_row(function, taken)
            for name, result in zip(item.transformation.outputs, results, strict=True):
                if shown.get(name) in values:
                    values[shown[name]] = result
        done.append(values)
    return done


def _only(item: Any) -> Any:
    value = item.iloc[0] if hasattr(item, "iloc") else item[0] if getattr(item, "ndim", 0) else item
    return value.item() if hasattr(value, "item") else value
