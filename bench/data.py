"""Seeded data for the workloads: equal arguments give equal tables, on every machine."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pyarrow as pa

START_US = 1_704_067_200_000_000
"""2024-01-01T00:00:00Z, the first instant of all data, in UTC microseconds."""
SCALE = float(os.environ.get("HOPYARD_BENCH_SCALE") or 1)
"""What the sizes of workloads are multiplied by; far below 1 to try whether they run at all."""
YEAR_US = 366 * 86_400 * 1_000_000


def scaled(n_rows: int) -> int:
    """Return a number of rows or keys times SCALE, at least 1."""
    return max(1, round(n_rows * SCALE))


def short(n_rows: int) -> str:
    """Return a number of rows as names have it: 10M, 200k, 50."""
    for unit, letter in ((1_000_000, "M"), (1_000, "k")):
        if n_rows >= unit:
            return f"{n_rows / unit:g}{letter}"
    return str(n_rows)


def group(
    n_rows: int,
    n_keys: int,
    n_features: int,
    seed: int,
    *,
    name: str = "",
    start_us: int = START_US,
    span_us: int = YEAR_US,
    null_share: float = 0.0,
    zipf: float | None = None,
) -> pa.Table:
    """Return the rows of one feature group, ordered by event time.

    Args:
        n_keys: keys are drawn evenly from [0, n_keys).
        zipf: keys are drawn by a Zipf distribution of this exponent instead: a few have most of the rows.
        name: a prefix of the features' names.
        start_us: their earliest event time.
        span_us: the time that the rows cover from then on; at least `n_rows` microseconds.
        null_share: the part of each feature that is null, in [0, 1).
    Returns:
        `n_rows` rows: `key` (int64), `event_time` (timestamp, UTC), then the features: every fourth is an int64, every
        fourth a string of 20 values, the others are doubles. No two rows have the same event time.
    """
    random = np.random.default_rng(seed)
    columns: dict[str, pa.Array] = {
        "key": pa.array(_keys(n_rows, n_keys, random, zipf)),
        "event_time": _times(n_rows, start_us, span_us, random),
    }
    for index in range(n_features):
        hidden = random.random(n_rows) < null_share if null_share else None
        columns[f"{name}f{index}"] = _feature(index % 4, n_rows, random, hidden)
    return pa.table(columns)


def groups(
    n_rows: int, n_keys: int, n_features: int, seed: int, *, n_groups: int = 3, null_share: float = 0.0
) -> dict[str, pa.Table]:
    """Return `n_groups` feature groups of `n_rows` rows each, by name (`group_0`, ...), over the same keys.

    The features are named by their group (`g0_f0`, ...), so that a join of all needs no prefix.
    """
    return {
        f"group_{index}": group(
            n_rows, n_keys, n_features, seed + index, name=f"g{index}_", null_share=null_share
        )
        for index in range(n_groups)
    }


def labels(
    n_rows: int,
    n_keys: int,
    seed: int,
    *,
    start_us: int = START_US,
    span_us: int = YEAR_US,
    zipf: float | None = None,
) -> pa.Table:
    """Return a spine: `key` (int64), `event_time` (timestamp, UTC, ascending) and `label` (int64, 0 or 1)."""
    random = np.random.default_rng([seed, 1])
    return pa.table(
        {
            "key": pa.array(_keys(n_rows, n_keys, random, zipf)),
            "event_time": _times(n_rows, start_us, span_us, random),
            "label": pa.array((random.random(n_rows) < 0.2).astype(np.int64)),
        }
    )


def keys(n: int, n_keys: int, seed: int) -> list[int]:
    """Return `n` keys to look up, drawn evenly from [0, n_keys)."""
    drawn: list[int] = np.random.default_rng([seed, 2]).integers(0, n_keys, n).tolist()
    return drawn


def _keys(
    n_rows: int, n_keys: int, random: np.random.Generator, zipf: float | None
) -> np.ndarray[Any, np.dtype[np.int64]]:
    if zipf is None:
        return random.integers(0, n_keys, n_rows)
    shares = np.cumsum(np.arange(1, n_keys + 1, dtype=np.float64) ** -zipf)
    drawn = np.searchsorted(shares, random.random(n_rows) * shares[-1])
    return np.asarray(drawn, dtype=np.int64)


def _times(n_rows: int, start_us: int, span_us: int, random: np.random.Generator) -> pa.Array:
    step = max(1, span_us // max(1, n_rows))
    micros = start_us + np.arange(n_rows, dtype=np.int64) * step + random.integers(0, step, n_rows)
    return pa.array(micros, type=pa.timestamp("us", "UTC"))


def _feature(
    kind: int,
    n_rows: int,
    random: np.random.Generator,
    hidden: np.ndarray[tuple[int], np.dtype[np.bool_]] | None,
) -> pa.Array:
    if kind == 2:
        return pa.array(random.integers(-(10**6), 10**6, n_rows), mask=hidden)
    if kind == 3:
        codes = pa.array(random.integers(0, 20, n_rows), type=pa.int32(), mask=hidden)
        names = pa.array([f"category_{code}" for code in range(20)])
        return pa.DictionaryArray.from_arrays(codes, names).cast(pa.string())
    return pa.array(random.normal(size=n_rows), mask=hidden)
