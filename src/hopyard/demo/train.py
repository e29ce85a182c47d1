"""The training pipeline: a training dataset, a model, and what the joined features are worth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from hopyard.demo.pipelines import FLIGHT_FEATURES
from hopyard.demo.report import Report
from hopyard.feature_view import FeatureView
from hopyard.require import require
from hopyard.training_dataset import TrainingDataset

if TYPE_CHECKING:
    import pandas as pd

SEED = 20131230
N_IMPORTANCE_ROWS = 2_000
N_SHOWN = 5


@dataclass(frozen=True, slots=True)
class Trained:
    """A model, and how well it ranks the flights of the test split (AUC: 0.5 is chance, 1 is perfect).

    Attributes:
        model: a fitted scikit-learn classifier over the view's features.
        baseline: the same over `FLIGHT_FEATURES` only.
        importances: the features whose shuffling costs most AUC, with that loss, the largest first.
    """

    model: Any
    baseline: Any
    auc: float
    baseline_auc: float
    importances: tuple[tuple[str, float], ...]


def train(view: FeatureView, dataset: TrainingDataset, report: Report) -> Trained:
    """Return the model that was trained on a stored training dataset, and its figures."""
    x_train, x_test, y_train, y_test = view.get_training_data(dataset.version, dataframe_type="pandas")
    columns = list(FLIGHT_FEATURES)
    with one_thread():
        with report.step("train the model") as work:
            model, auc = _fit_and_score(x_train, x_test, y_train, y_test)
            work.advance(len(x_train))
        with report.step("train the baseline") as work:
            baseline, baseline_auc = _fit_and_score(x_train[columns], x_test[columns], y_train, y_test)
            work.advance(len(x_train))
        with report.step("permutation importance") as work:
            importances = _importances(model, x_test, y_test)
            work.advance(min(N_IMPORTANCE_ROWS, len(x_test)))
    return Trained(model, baseline, auc, baseline_auc, importances)


def predict(model: Any, vectors: Sequence[Sequence[Any]]) -> npt.NDArray[np.float64]:
    """Return the probability of being late for each vector; null becomes NaN, which the model knows as missing."""
    probabilities: npt.NDArray[np.float64] = model.predict_proba(np.array(vectors, dtype=np.float64))[:, 1]
    return probabilities


@contextmanager
def one_thread() -> Iterator[None]:
    """Let scikit-learn work in one thread: the figures are then the same on every machine.

    For a single vector several threads would also take longer, as they wait for each other at every tree.
    """
    require("sklearn.ensemble", extra="demo")  # only libraries that are loaded can be limited
    with require("threadpoolctl", extra="demo").threadpool_limits(1, user_api="openmp"):
        yield


def score(labels: Sequence[bool], probabilities: Sequence[float]) -> float:
    """Return the AUC of predictions; NaN if all labels are the same."""
    if len(set(labels)) < 2:
        return float("nan")
    return float(require("sklearn.metrics", extra="demo").roc_auc_score(labels, probabilities))


def _fit_and_score(
    x_train: pd.DataFrame, x_test: pd.DataFrame, y_train: pd.Series, y_test: pd.Series
) -> tuple[Any, float]:
    ensemble = require("sklearn.ensemble", extra="demo")
    model = ensemble.HistGradientBoostingClassifier(
        max_iter=60, max_leaf_nodes=15, early_stopping=False, random_state=SEED
    )
    model.fit(_numbers(x_train), y_train.to_numpy(dtype=bool))
    probabilities = model.predict_proba(_numbers(x_test))[:, 1]
    return model, score(y_test.to_numpy(dtype=bool).tolist(), probabilities)


def _importances(model: Any, x_test: pd.DataFrame, y_test: pd.Series) -> tuple[tuple[str, float], ...]:
    inspection = require("sklearn.inspection", extra="demo")
    sample = x_test.sample(min(N_IMPORTANCE_ROWS, len(x_test)), random_state=SEED)
    labels = y_test.loc[sample.index].to_numpy(dtype=bool)
    losses = inspection.permutation_importance(
        model, _numbers(sample), labels, scoring="roc_auc", n_repeats=2, random_state=SEED
    )["importances_mean"]
    ranked = sorted(zip(x_test.columns, losses.tolist(), strict=True), key=lambda pair: -pair[1])
    return tuple(ranked[:N_SHOWN])


def _numbers(frame: pd.DataFrame) -> npt.NDArray[np.float64]:
    numbers: npt.NDArray[np.float64] = frame.to_numpy(dtype=np.float64, na_value=np.nan)
    return numbers
