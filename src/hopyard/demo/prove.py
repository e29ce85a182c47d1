"""The proof: what was served online equals what the point-in-time join gives offline, bit for bit."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from hopyard.demo.report import Work
from hopyard.demo.serve import Served, flight_key
from hopyard.feature_view import FeatureView
from hopyard.testing.frames import exact


@dataclass(frozen=True, slots=True)
class Parity:
    """How served vectors compare with offline rows.

    Attributes:
        n_vectors: flights whose vectors were compared, each before and after transformation.
        n_different: those with a difference, or that only one side has.
        differences: each difference, as a sentence.
    """

    n_vectors: int
    n_different: int
    differences: tuple[str, ...]


def compare(view: FeatureView, served: Served, period: tuple[datetime, datetime], work: Work) -> Parity:
    """Return how the vectors served in a period compare with the rows that are computed offline, now."""
    stored, transformed = (
        view.get_batch_data(
            start_time=period[0],
            end_time=period[1],
            transformed=is_transformed,
            primary_key=True,
            dataframe_type="python",
        )
        for is_transformed in (False, True)
    )
    differences: dict[Any, list[str]] = {}
    # Both batches are in the order of the flights' keys, which only the first one shows: transformed, `carrier` and
    # `origin` are numbers.
    for row, transformed_row in zip(stored, transformed, strict=True):
        key = flight_key(row)
        found = [
            *_differences(view.features, served.untransformed.get(key), row),
            *_differences(view.features, served.vectors.get(key), transformed_row),
        ]
        if found:
            differences[key] = found
        work.advance(1)
    for key in served.vectors.keys() - {flight_key(row) for row in stored}:
        differences[key] = ["it was served, and is not there offline"]
    return Parity(
        n_vectors=len(served.vectors.keys() | {flight_key(row) for row in stored}),
        n_different=len(differences),
        differences=tuple(
            f"{' '.join(map(str, key))}: {text}" for key, texts in differences.items() for text in texts
        ),
    )


def _differences(names: list[str], vector: list[Any] | None, row: dict[str, Any]) -> Iterator[str]:
    if vector is None:
        yield "it is there offline, and was not served"
        return
    for name, value in zip(names, vector, strict=True):
        # `exact` tells 1 from 1.0, and -0.0 from 0.0; null is null only.
        if exact(value) != exact(row[name]):
            yield f"{name} was served as {value!r}, and is {row[name]!r} offline"
