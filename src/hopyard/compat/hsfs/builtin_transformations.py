"""The built-in transformations by the original's names. Hopyard's own do the work, fitted to train exactly."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import hopyard
from hopyard.compat.hsfs.client.exceptions import FeatureStoreException
from hopyard.compat.hsfs.hopsworks_udf import HopsworksUdf, UDFExecutionMode, udf
from hopyard.compat.hsfs.transformation_statistics import TransformationStatistics
from hopyard.model.specs import TransformationSpec

_FITTED = TransformationStatistics("feature")
_MISSING = "__MISSING__"

_SPECS: dict[str, Callable[..., TransformationSpec]] = {
    "min_max_scaler": hopyard.min_max_scaler,
    "standard_scaler": hopyard.standard_scaler,
    "robust_scaler": hopyard.robust_scaler,
    "label_encoder": hopyard.label_encoder,
    "one_hot_encoder": hopyard.one_hot_encoder,
    "log_transform": hopyard.log,
    "equal_width_binner": hopyard.equal_width_binner,
    "equal_frequency_binner": hopyard.quantile_binner,
    "quantile_binner": hopyard.quantile_binner,
    "rank_normalizer": hopyard.rank_normalizer,
    "winsorize": hopyard.winsorize,
    "impute_mean": hopyard.impute_mean,
    "impute_median": hopyard.impute_median,
    "impute_mode": hopyard.impute_mode,
}


def spec_of(function: HopsworksUdf) -> TransformationSpec:
    """Return Hopyard's transformation for a built-in one, with the arguments in its context."""
    feature, context = function.transformation_features[0], function.transformation_context
    kind = function.kind or ""
    if kind == "impute_constant":
        return hopyard.impute_constant(feature, context.get("value", 0))
    if kind == "impute_category":
        return hopyard.impute_constant(feature, context.get("value", _MISSING))
    if kind == "top_k_categorical_binner":
        k = int(context.get("top_n", context.get("k", 10)))
        return hopyard.top_k_categorical(
            feature, k=k, other=context.get("other_label", context.get("other", "Other"))
        )
    try:
        return _SPECS[kind](feature, **context)
    except TypeError as error:
        raise FeatureStoreException(
            f"{kind}({feature!r}) cannot use the context {context}: {error}. Its arguments are those of "
            f"hopyard.{_SPECS[kind].__name__}."
        ) from error


def _built_in(name: str, return_type: Any, arguments: list[str]) -> HopsworksUdf:
    made = HopsworksUdf(
        "",
        return_type,
        name=name,
        transformation_function_argument_names=arguments,
        dropped_argument_names="feature",
        execution_mode=UDFExecutionMode.DEFAULT,
        kind=name,
    )
    made.statistics_features = ["feature"] if "statistics" in arguments else []
    return made


_FIT = ["feature", "statistics"]
_FIT_WITH_CONTEXT = ["feature", "statistics", "context"]

min_max_scaler = _built_in("min_max_scaler", float, _FIT)
standard_scaler = _built_in("standard_scaler", float, _FIT)
robust_scaler = _built_in("robust_scaler", float, _FIT)
label_encoder = _built_in("label_encoder", int, _FIT)
one_hot_encoder = _built_in("one_hot_encoder", bool, _FIT)
log_transform = _built_in("log_transform", float, ["feature"])
equal_width_binner = _built_in("equal_width_binner", int, _FIT_WITH_CONTEXT)
equal_frequency_binner = _built_in("equal_frequency_binner", int, _FIT_WITH_CONTEXT)
quantile_binner = _built_in("quantile_binner", int, _FIT)
rank_normalizer = _built_in("rank_normalizer", float, _FIT)
winsorize = _built_in("winsorize", float, _FIT_WITH_CONTEXT)
top_k_categorical_binner = _built_in("top_k_categorical_binner", str, _FIT_WITH_CONTEXT)
impute_mean = _built_in("impute_mean", float, _FIT)
impute_median = _built_in("impute_median", float, _FIT)
impute_mode = _built_in("impute_mode", str, _FIT)
impute_constant = _built_in("impute_constant", float, ["feature", "context"])
impute_category = _built_in("impute_category", str, ["feature", "context"])


@udf(float, drop=["feature"], mode="pandas")
def quantile_transformer(feature, statistics=_FITTED):  # type: ignore[no-untyped-def]
    """Return each number's place among the percentiles of train, from 0 to 1."""
    import numpy as np
    import pandas as pd

    points = np.asarray(statistics.feature.percentiles, dtype="float64")
    numbers = feature.to_numpy(dtype="float64", na_value=np.nan)
    return pd.Series(np.interp(numbers, points, np.linspace(0, 1, len(points))), index=feature.index)


BUILT_IN: dict[str, HopsworksUdf] = {
    function.function_name: function
    for function in (
        min_max_scaler,
        standard_scaler,
        robust_scaler,
        label_encoder,
        one_hot_encoder,
        log_transform,
        equal_width_binner,
        equal_frequency_binner,
        quantile_binner,
        quantile_transformer,
        rank_normalizer,
        winsorize,
        top_k_categorical_binner,
        impute_mean,
        impute_median,
        impute_mode,
        impute_constant,
        impute_category,
    )
}
"""By name, as `get_transformation_function` finds them."""
