"""Training data: the rows of a view, split and transformed, in an order that depends on nothing physical.

Rows come in batches and go to a sink, so that they may be more than memory holds. Those that have to be seen twice,
because statistics are fitted to them or because splits are cut exactly, are kept in a spool in between.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Protocol

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from hopyard.compute.transform.builtin import has_fit
from hopyard.compute.transform.chain import Transformer, fit_all
from hopyard.model.arrow import to_arrow_schema
from hopyard.model.commit import Snapshot
from hopyard.model.manifest import FittedStatistics, Split
from hopyard.model.plan import Output, Plan
from hopyard.model.schema import Schema
from hopyard.model.specs import FeatureViewSpec
from hopyard.query.lower import identity_order, multiples_order
from hopyard.query.resolve import resolve
from hopyard.retrieve.ahead import ahead
from hopyard.retrieve.layout import Layout, Recipe
from hopyard.retrieve.read import as_of_now, read_resolved, stream_resolved, time_range, with_outputs
from hopyard.retrieve.spine import Spine
from hopyard.retrieve.split import EXACT_BELOW, Marks, assign, check_split, random_split
from hopyard.retrieve.split_request import RandomRequest
from hopyard.retrieve.spool import Spool
from hopyard.retrieve.trust import require_transformations_trust, require_view_trust
from hopyard.retrieve.view import feature_outputs
from hopyard.session import Session

BATCH_ROWS = 122_880
_FEWEST_BATCH_ROWS = 8_192
_BATCHES_OF_MEMORY = 64
KEPT_SHARE = 8
"""Rows that must be seen twice are kept in memory up to this part of the memory limit, and else in a file."""
ALL = "all"
"""The name of the one split of a dataset without splits."""


@dataclass(frozen=True, slots=True)
class TrainingData:
    """What is known of training data before its rows are. `plan` is resolved.

    Attributes:
        before_schema, schema: the columns before and after transformation.
        n_root_rows: how many rows the root has before any filter, for a bar.
    """

    plan: Plan
    split: Split | None
    fitted: tuple[FittedStatistics, ...]
    before_schema: Schema
    schema: Schema
    notes: tuple[str, ...]
    n_root_rows: int = 0

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the splits."""
        return (ALL,) if self.split is None else self.split.names


class Sink(Protocol):
    """Where the rows go."""

    def take(self, place: int, before: pa.Table, after: pa.Table) -> None:
        """Take the next rows of a split, by its place: as read, and transformed."""


def produce(
    session: Session,
    recipe: Recipe,
    request: RandomRequest | Split | None,
    open_sink: Callable[[TrainingData], Sink],
    *,
    start_us: int | None = None,
    end_us: int | None = None,
    fitted: Sequence[FittedStatistics] | None = None,
    in_memory: bool = False,
) -> TrainingData:
    """Bring the rows of a recipe to a sink, ordered by the root's row identity, or as those of the spine.

    Args:
        request: the split; a stored `Split` is repeated exactly.
        open_sink: called once, before the first row and after all that can be wrong with the request.
        start_us, end_us: `start <= event time < end` of the root, UTC microseconds.
        fitted: statistics to use; default: fitted on train (on all rows without a split).
        in_memory: all rows at once, without temporary files.
    Raises:
        TrainingDatasetError: the split, or a transformation, cannot be computed on these rows.
        UntrustedCodeError: the recipe has a function that may not run here.
    """
    require_transformations_trust(session, recipe.transformations, recipe.view, recipe.view_version)
    resolved, snapshots = resolve(session, recipe.plan)
    layout = Layout(recipe, resolved, request)
    if request is not None and not isinstance(request, RandomRequest):
        check_split(request)
    plan = time_range(layout.plan, start_us, end_us)
    tables = _tables(session, plan, snapshots, layout, recipe.spine, in_memory=in_memory)
    max_bytes = 2**62 if in_memory else session.config.memory_bytes // KEPT_SHARE
    batch_rows = _batch_rows(layout.schema, session.config.memory_bytes)
    with Spool(to_arrow_schema(layout.schema), max_bytes=max_bytes) as spool:
        kept: list[Marks] = []
        n_rows = 0
        wanted = _rows_to_keep(recipe, request, fitted)
        while n_rows < wanted and (table := next(tables, None)) is not None:
            kept.append(layout.marks(table))
            n_rows += table.num_rows
            for batch in layout.rows(table).to_batches(max_chunksize=batch_rows):
                spool.add(batch)
        if math.isinf(wanted):
            session.engine.close()  # all rows are here: what it holds on to would be missing for the work on them
        marks = Marks.concat(kept) if kept else Marks()
        split = _decide(request, n_rows, marks)
        places = _places(split, n_rows, marks)
        if fitted is None:
            fitted = _fit(recipe, layout.schema, spool, places)
        transformer = Transformer(recipe.transformations, fitted, layout.schema)
        data = TrainingData(
            plan=resolved,
            split=split,
            fitted=tuple(fitted),
            before_schema=layout.schema,
            schema=transformer.schema,
            notes=as_of_now(resolved),
            n_root_rows=snapshots[0].n_rows if recipe.spine is None else recipe.spine.rows.num_rows,
        )
        sink = open_sink(data)
        first = ((rows, part) for rows, part in _with_places(spool, places))
        rest = ((layout.rows(table), _places(split, table.num_rows, layout.marks(table))) for table in tables)
        for rows, part in ahead(chain(first, rest)):
            for place in range(len(data.names)):
                chosen = rows if split is None else rows.filter(pa.array(part == place))
                if chosen.num_rows:
                    sink.take(place, chosen, transformer.table(chosen))
    return data


def _tables(
    session: Session,
    plan: Plan,
    snapshots: dict[int, Snapshot],
    layout: Layout,
    spine: Spine | None,
    *,
    in_memory: bool,
) -> Iterator[pa.Table]:
    frame = None if spine is None else spine.rows
    if layout.is_keyless or in_memory:
        rows = read_resolved(session, plan, snapshots, frame=frame, order_by=layout.order_by, missing="null")
        return iter([layout.ordered(rows) if layout.is_keyless else rows])
    stream = stream_resolved(session, plan, snapshots, frame=frame, order_by=layout.order_by, missing="null")
    return (pa.Table.from_batches([batch], stream.schema) for batch in stream)


def _batch_rows(schema: Schema, memory_bytes: int) -> int:
    """Return how many rows are transformed, hashed and written at a time, which takes some ten times their size."""
    n_rows = memory_bytes // _BATCHES_OF_MEMORY // (8 * max(1, len(schema)))
    return max(_FEWEST_BATCH_ROWS, min(BATCH_ROWS, n_rows))


def _rows_to_keep(
    recipe: Recipe, request: RandomRequest | Split | None, fitted: Sequence[FittedStatistics] | None
) -> float:
    """Return how many rows must be seen before the first one can be placed and transformed."""
    if fitted is None and any(has_fit(spec) for spec in recipe.transformations):
        return math.inf
    if isinstance(request, RandomRequest):
        if request.exact is False:
            return 0
        if request.exact or request.columns:
            return math.inf
        return math.ceil(EXACT_BELOW / min(request.ratios)) + 1  # more rows than that: by thresholds
    return math.inf if getattr(request, "mode", None) == "exact" else 0


def _decide(request: RandomRequest | Split | None, n_rows: int, marks: Marks) -> Split | None:
    if not isinstance(request, RandomRequest):
        return request
    if request.group_by:
        n_rows = 0 if marks.hashes is None else len(np.unique(marks.hashes))
    return random_split(
        request.names,
        request.ratios,
        seed=request.seed,
        n_rows=n_rows,
        exact=request.exact,
        group_by=request.group_by,
        stratify_by=request.stratify_by,
    )


def _places(split: Split | None, n_rows: int, marks: Marks) -> npt.NDArray[np.int16]:
    return np.zeros(n_rows, np.int16) if split is None or not n_rows else assign(split, marks)


def _with_places(
    spool: Spool, places: npt.NDArray[np.int16]
) -> Iterator[tuple[pa.Table, npt.NDArray[np.int16]]]:
    start = 0
    for batch in spool.batches():
        yield pa.Table.from_batches([batch]), places[start : start + batch.num_rows]
        start += batch.num_rows


def _fit(
    recipe: Recipe, schema: Schema, spool: Spool, places: npt.NDArray[np.int16]
) -> tuple[FittedStatistics, ...]:
    """Return the statistics of the rows in the first split: train, or all."""

    def read(names: Sequence[str]) -> pa.Table:
        arrow = to_arrow_schema(tuple(field for name in names for field in schema if field.name == name))
        train, start = [], 0
        for batch in spool.batches(names):
            train.append(batch.filter(pa.array(places[start : start + batch.num_rows] == 0)))
            start += batch.num_rows
        return pa.Table.from_batches(train, arrow)

    return fit_all(recipe.transformations, schema, read)


class Tables:
    """A sink that keeps the transformed rows of each split."""

    def __init__(self) -> None:
        self._schema = pa.schema([])
        self._parts: list[list[pa.Table]] = []

    def open(self, data: TrainingData) -> Tables:
        """Get ready for the rows."""
        self._schema = to_arrow_schema(data.schema)
        self._parts = [[] for _ in data.names]
        return self

    def take(self, place: int, before: pa.Table, after: pa.Table) -> None:
        self._parts[place].append(after)

    def finish(self) -> list[pa.Table]:
        """Return the rows of each split."""
        return [pa.concat_tables(part) if part else self._schema.empty_table() for part in self._parts]


def batch_data(
    session: Session,
    view: FeatureViewSpec,
    fitted: Sequence[FittedStatistics],
    *,
    spine: Spine | None = None,
    start_us: int | None = None,
    end_us: int | None = None,
    extra: Sequence[Output] = (),
) -> pa.Table:
    """Return the features of a view for all rows of the root in a range of event time, in the order of row identity.

    With a spine: its columns and the other features of the view for its rows, in its order.
    The filter on the joined rows is left out: it selects what to train on, such as the rows that have a label.
    """
    require_view_trust(session, view)
    own = feature_outputs(view) if spine is None else spine.plan.outputs
    outputs = (*own, *extra) if spine is None else own
    plan = msgspec.structs.replace(view.plan, filter=None) if spine is None else spine.plan
    resolved, snapshots = resolve(session, plan)
    wanted = with_outputs(time_range(resolved, start_us, end_us), outputs)
    order = identity_order(wanted) if spine is None else multiples_order(wanted)
    frame = None if spine is None else spine.rows
    rows = read_resolved(session, wanted, snapshots, frame=frame, order_by=order, missing="null")
    schema = with_outputs(resolved, own).schema
    return Transformer(view.transformations, fitted, schema).table(rows)
