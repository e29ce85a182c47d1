"""Hopyard: the feature store that can prove its training data.

import hopyard

project = hopyard.login()
fs = project.get_feature_store()
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hopyard.compute.transform.builtin import (
        equal_width_binner,
        impute_constant,
        impute_mean,
        impute_median,
        impute_mode,
        l2_norm,
        label_encoder,
        log,
        min_max_scaler,
        one_hot_encoder,
        quantile_binner,
        rank_normalizer,
        robust_scaler,
        standard_scaler,
        top_k_categorical,
        winsorize,
    )
    from hopyard.compute.transform.udf import Udf, udf
    from hopyard.connect import login
    from hopyard.feature_group import FeatureGroup
    from hopyard.feature_store import FeatureStore
    from hopyard.feature_view import FeatureView
    from hopyard.model.commit import Commit
    from hopyard.model.manifest import Manifest
    from hopyard.model.statistics import Statistics, StatisticsConfig
    from hopyard.project import Project
    from hopyard.queries import Query
    from hopyard.training_dataset import TrainingDataset

__version__ = "0.1.0"

_HOMES = {
    "Commit": "hopyard.model.commit",
    "FeatureGroup": "hopyard.feature_group",
    "FeatureStore": "hopyard.feature_store",
    "FeatureView": "hopyard.feature_view",
    "Manifest": "hopyard.model.manifest",
    "Project": "hopyard.project",
    "Query": "hopyard.queries",
    "Statistics": "hopyard.model.statistics",
    "StatisticsConfig": "hopyard.model.statistics",
    "TrainingDataset": "hopyard.training_dataset",
    "Udf": "hopyard.compute.transform.udf",
    "equal_width_binner": "hopyard.compute.transform.builtin",
    "impute_constant": "hopyard.compute.transform.builtin",
    "impute_mean": "hopyard.compute.transform.builtin",
    "impute_median": "hopyard.compute.transform.builtin",
    "impute_mode": "hopyard.compute.transform.builtin",
    "l2_norm": "hopyard.compute.transform.builtin",
    "label_encoder": "hopyard.compute.transform.builtin",
    "log": "hopyard.compute.transform.builtin",
    "login": "hopyard.connect",
    "min_max_scaler": "hopyard.compute.transform.builtin",
    "one_hot_encoder": "hopyard.compute.transform.builtin",
    "quantile_binner": "hopyard.compute.transform.builtin",
    "rank_normalizer": "hopyard.compute.transform.builtin",
    "robust_scaler": "hopyard.compute.transform.builtin",
    "standard_scaler": "hopyard.compute.transform.builtin",
    "top_k_categorical": "hopyard.compute.transform.builtin",
    "udf": "hopyard.compute.transform.udf",
    "winsorize": "hopyard.compute.transform.builtin",
}

__all__ = [
    "Commit",
    "FeatureGroup",
    "FeatureStore",
    "FeatureView",
    "Manifest",
    "Project",
    "Query",
    "Statistics",
    "StatisticsConfig",
    "TrainingDataset",
    "Udf",
    "equal_width_binner",
    "impute_constant",
    "impute_mean",
    "impute_median",
    "impute_mode",
    "l2_norm",
    "label_encoder",
    "log",
    "login",
    "min_max_scaler",
    "one_hot_encoder",
    "quantile_binner",
    "rank_normalizer",
    "robust_scaler",
    "standard_scaler",
    "top_k_categorical",
    "udf",
    "winsorize",
]


def __getattr__(name: str) -> Any:
    """Return a public name, importing its home on first use: `import hopyard` itself stays light."""
    if name in _HOMES:
        value = getattr(importlib.import_module(_HOMES[name]), name)
        globals()[name] = value
        return value
    raise AttributeError(f"module 'hopyard' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
