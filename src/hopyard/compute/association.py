"""How columns go together: Pearson's correlations over all rows, and clusters of a sample of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from sqlglot import exp

from hopyard.compute.column_profile import ColumnProfile, call, reading
from hopyard.compute.fixed_point import Type, cast
from hopyard.compute.profile import Rows
from hopyard.model.statistics import Clusters, ColumnStatistics, Correlations, Point
from hopyard.ports import Statement

Matrix = npt.NDArray[np.float64]

SAMPLE_ROWS = 10_000
MAX_ITERATIONS = 100
SEED = 20200617
N_CLUSTERS = 5
PIECE_ROWS = 16_384


def correlations(rows: Rows, columns: Sequence[ColumnStatistics]) -> Correlations:
    """Return Pearson's r of each pair of numeric columns, over the rows in which both are finite numbers.

    r = (n Sxy - Sx Sy) / sqrt((n Sxx - Sx^2) (n Syy - Sy^2)), with sums over values that are standardised before, so
    that large means cost no digits. The sums are floats: their last digits may depend on the order of the rows. It is
    None where one of the two is constant, or there are fewer than two rows.
    """
    numeric = [column for column in columns if column.mean_value is not None]
    names = tuple(column.name for column in numeric)
    k = len(numeric)
    if not k:
        return Correlations(columns=(), matrix=())
    n, sums, squares, products = (np.zeros((k, k)) for _ in range(4))
    for piece in _pieces(_read(rows, names), numeric):
        known = np.isfinite(piece)
        values, mask = np.where(known, piece, 0.0), known.astype(np.float64)
        n += mask.T @ mask
        sums += values.T @ mask  # [x, y]: the sum of x where y is known, too
        squares += (values * values).T @ mask
        products += values.T @ values
    with np.errstate(all="ignore"):
        spread_x = n * squares - sums * sums
        spread_y = n * squares.T - sums.T * sums.T
        # What is left of a constant column is the rounding of its sums.
        is_constant = (spread_x <= 1e-12 * n * squares) | (spread_y <= 1e-12 * n * squares.T)
        r = (n * products - sums * sums.T) / (np.sqrt(spread_x) * np.sqrt(spread_y))
    is_known = np.isfinite(r) & ~is_constant & (n > 1)
    r = np.clip(r, -1.0, 1.0)
    np.fill_diagonal(r, 1.0)
    matrix = tuple(tuple(float(r[i, j]) if is_known[i, j] else None for j in range(k)) for i in range(k))
    return Correlations(columns=names, matrix=matrix)


def clusters(rows: Rows, columns: Sequence[ColumnStatistics], k: int = N_CLUSTERS) -> Clusters | None:
    """Return k-means clusters of a sample on the plane of its first two principal components.

    The sample are the 10,000 rows with the smallest hashes of their identity. Columns are standardised; what is not
    known stands at the mean. Starts are chosen by k-means++ (Arthur and Vassilvitskii 2007) with a fixed seed, and
    improved by Lloyd's iterations. None: fewer than two columns that vary, or fewer than three rows.
    """
    numeric = [column for column in columns if column.mean_value is not None and _spread(column) > 0]
    names = tuple(column.name for column in numeric)
    pieces = list(_pieces(_read(rows, names, n_rows=SAMPLE_ROWS), numeric)) if len(names) > 1 else []
    if sum(len(piece) for piece in pieces) < 3:
        return None
    standard = np.concatenate(pieces)
    standard = np.where(np.isfinite(standard), standard, 0.0)
    standard -= standard.mean(axis=0)
    variances, vectors = np.linalg.eigh(standard.T @ standard / (len(standard) - 1))
    order = np.argsort(variances)[::-1][:2]
    axes = vectors[:, order]
    # An axis has no direction of its own: its largest part is made positive.
    axes = axes * np.sign(axes[np.argmax(np.abs(axes), axis=0), range(axes.shape[1])])
    plane = standard @ axes
    centres, labels = _k_means(plane, k)
    sizes = np.bincount(labels, minlength=len(centres))
    rank = np.argsort(-sizes, kind="stable")
    place = np.argsort(rank)
    total = float(variances.sum())
    return Clusters(
        columns=names,
        explained=tuple(float(variances[i]) / total if total else 0.0 for i in order),
        loadings=tuple(tuple(float(part) for part in axis) for axis in axes.T),
        centres=tuple((float(centres[i, 0]), float(centres[i, 1])) for i in rank),
        sizes=tuple(int(sizes[i]) for i in rank),
        points=tuple(
            Point(x=float(x), y=float(y), cluster=int(place[label]))
            for (x, y), label in zip(plane, labels, strict=True)
        ),
    )


def _k_means(points: Matrix, k: int) -> tuple[Matrix, npt.NDArray[np.int64]]:
    """Return the centres of at most k clusters, and the cluster of each point."""
    random = np.random.default_rng(SEED)
    centres = points[[int(random.integers(len(points)))]]
    while len(centres) < k:
        nearest = _distances(points, centres).min(axis=1)
        if not nearest.sum():
            break  # there are no more different points
        chosen = int(random.choice(len(points), p=nearest / nearest.sum()))
        centres = np.concatenate([centres, points[[chosen]]])
    labels = _distances(points, centres).argmin(axis=1)
    for _ in range(MAX_ITERATIONS):
        for i in range(len(centres)):
            if (labels == i).any():
                centres[i] = points[labels == i].mean(axis=0)
        again = _distances(points, centres).argmin(axis=1)
        if (again == labels).all():
            break
        labels = again
    return centres, labels


def _distances(points: Matrix, centres: Matrix) -> Matrix:
    found: Matrix = ((points[:, None, :] - centres[None, :, :]) ** 2).sum(axis=2)
    return found


def _read(rows: Rows, names: Sequence[str], *, n_rows: int | None = None) -> pa.RecordBatchReader:
    """Return numeric columns as doubles; with `n_rows`, only so many rows, those with the smallest hashes."""
    fields = {field.name: field for field in rows.schema}
    numbers = [cast(ColumnProfile(fields[name], 0).number(), Type.DOUBLE) for name in names]
    shown = [exp.alias_(tree, f"__{place}", quoted=True) for place, tree in enumerate(numbers)]
    tree = exp.select(*shown, copy=False).from_(rows.source(), copy=False)
    if n_rows is not None:
        identity = [reading(name) for name in rows.identity or fields]
        tree = tree.order_by(call("hash", *identity), *(column.copy() for column in identity), copy=False)
        tree = tree.limit(n_rows, copy=False)
    schema = pa.schema([(f"__{place}", pa.float64()) for place in range(len(names))])
    return rows.run(Statement(tree=tree, schema=schema, frames=rows.frames))


def _pieces(batches: Iterable[pa.RecordBatch], columns: Sequence[ColumnStatistics]) -> Iterable[Matrix]:
    """Yield standardised columns, a few rows at a time; null is NaN."""
    centre = np.array([_centre(column) for column in columns])
    spread = np.array([_spread(column) or 1.0 for column in columns])
    for batch in batches:
        for start in range(0, batch.num_rows, PIECE_ROWS):
            piece = batch.slice(start, PIECE_ROWS)
            values = [column.to_numpy(zero_copy_only=False) for column in piece.columns]
            with np.errstate(all="ignore"):
                yield (np.column_stack(values) - centre) / spread


def _centre(column: ColumnStatistics) -> float:
    """Return the mean as `_read` gives the column's values: instants in microseconds; nothing finite is 0."""
    stored = column.mean_value
    if stored is not None and stored.type == "timestamp":
        return float(stored.value or 0)
    return float(column.mean) if math.isfinite(column.mean) else 0.0


def _spread(column: ColumnStatistics) -> float:
    deviation = column.std_dev
    if deviation is None or not math.isfinite(deviation):
        return 0.0
    is_instant = column.mean_value is not None and column.mean_value.type == "timestamp"
    return float(deviation) * (1e6 if is_instant else 1.0)
