"""When the flights have landed: how good the predictions were that were made online."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from hopyard.demo.pipelines import FLIGHT_FEATURES, LABEL
from hopyard.demo.serve import FlightKey, Served, flight_key
from hopyard.demo.train import Trained, predict, score

if TYPE_CHECKING:
    import pandas as pd

WEATHER = "temp"


@dataclass(frozen=True, slots=True)
class Judged:
    """The AUC of online predictions for some flights, and of the baseline for the same; NaN if all ended alike."""

    what: str
    n_flights: int
    auc: float
    baseline_auc: float


def judge(trained: Trained, names: list[str], served: Served, flights: pd.DataFrame) -> tuple[Judged, ...]:
    """Return how good the predictions were, for flights with weather and without.

    Apart, because the observations end a day before the flights do: a model that knows gaps of an hour only takes the
    long one for a storm, so that its scores with and without weather cannot be ranked together.

    Args:
        names: the view's features, in the order of the vectors.
        flights: the flights with their label by now; null where they were cancelled or diverted.
    """
    has_ended = flights[flights[LABEL].notna()]
    ended = {flight_key(flight): bool(flight[LABEL]) for flight in has_ended.to_dict("records")}
    keys = [key for key in served.vectors if key in ended]
    weather = names.index(WEATHER)
    parts = {
        "with weather": [key for key in keys if served.vectors[key][weather] is not None],
        "without weather": [key for key in keys if served.vectors[key][weather] is None],
    }
    return tuple(_judge(what, part, trained, names, served, ended) for what, part in parts.items() if part)


def _judge(
    what: str,
    keys: list[FlightKey],
    trained: Trained,
    names: list[str],
    served: Served,
    ended: dict[FlightKey, bool],
) -> Judged:
    labels = [ended[key] for key in keys]
    places = [names.index(name) for name in FLIGHT_FEATURES]
    baseline = predict(trained.baseline, [[served.vectors[key][place] for place in places] for key in keys])
    return Judged(
        what=what,
        n_flights=len(keys),
        auc=score(labels, [served.probabilities[key] for key in keys]),
        baseline_auc=score(labels, baseline.tolist()),
    )
