"""Compares two cases of one document, round by round: what a disturbance of the machine met, it met in both."""

from __future__ import annotations

import math
import statistics
from typing import Any

Json = dict[str, Any]


def case_of(document: Json, name: str) -> Json:
    """Return a case of a document of `harness.measure`. Raises KeyError when it was not measured."""
    for case in document["cases"]:
        if case["name"] == name:
            found: Json = case
            return found
    raise KeyError(name)


def time_ratio(case: Json, other: Json) -> float:
    """Return how many times as long `case` takes as `other`: the median over the rounds, each of which ran both.

    Of cases that time single operations the medians (p50) of a round are compared, otherwise the times per row.
    """
    if case["p50_us_of_runs"] and other["p50_us_of_runs"]:
        pairs = zip(case["p50_us_of_runs"], other["p50_us_of_runs"], strict=True)
        return float(statistics.median(mine / max(theirs, 1e-9) for mine, theirs in pairs))
    scale = other["n_rows"] / case["n_rows"] if case["n_rows"] else 1.0
    pairs = zip(case["seconds"], other["seconds"], strict=True)
    return float(statistics.median(scale * mine / max(theirs, 1e-9) for mine, theirs in pairs))


def exponents(document: Json) -> dict[str, float]:
    """Return of each family the exponent b of the time a * size ** b that fits its cases best, by least squares.

    The time is the p50 of cases that time single operations, otherwise that of a run. A family of one case has none.
    """
    families: dict[str, list[tuple[float, float]]] = {}
    for case in document["cases"]:
        if case["family"]:
            time = case["p50_us"] or case["median_seconds"]
            families.setdefault(case["family"], []).append((math.log(case["family_size"]), math.log(time)))
    return {
        name: statistics.linear_regression(*zip(*points, strict=True)).slope
        for name, points in families.items()
        if len({size for size, _ in points}) > 1
    }


def memory_ratio(case: Json, other: Json) -> float:
    """Return how many times as much memory `case` takes at its peak as `other`."""
    return float(case["peak_bytes"] / max(other["peak_bytes"], 1))
