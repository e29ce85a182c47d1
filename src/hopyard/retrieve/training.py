"""Training data: the rows of a view, split, transformed and hashed, in an order that depends on nothing physical."""

from __future__ import annotations

import operator
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

import msgspec
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from hopyard.compute.event_time import event_times_us
from hopyard.compute.hashing import ContentHasher
from hopyard.compute.row_hash import hash_pairs, row_hashes
from hopyard.compute.transform.chain import Transformer, fit_all
from hopyard.errors import NotFoundError, TrainingDatasetError
from hopyard.model.commit import Snapshot
from hopyard.model.manifest import (
    DEFAULT_SEED,
    ColumnSplit,
    ContentHash,
    FittedStatistics,
    LabelBalance,
    LabelCount,
    Split,
    TimeRange,
    TimeSplit,
)
from hopyard.model.plan import Output, Plan, literal
from hopyard.model.schema import Field, Schema
from hopyard.model.specs import FeatureViewSpec
from hopyard.query.lower import identity_order, multiples_order
from hopyard.query.resolve import resolve
from hopyard.retrieve.read import as_of_now, read_resolved, time_range, with_outputs
from hopyard.retrieve.spine import Spine
from hopyard.retrieve.split import assign, n_groups, random_split
from hopyard.retrieve.trust import require_view_trust
from hopyard.retrieve.view import feature_outputs, training_outputs
from hopyard.session import Session
from hopyard.time import Instant, optional_micros

ALL = "all"
SHOWN_VALUES = 20
_HIDDEN = "__id_"
_BY = "__by_"
_OCCURRENCE = Field(name="__occurrence", type="bigint")


@dataclass(frozen=True, slots=True)
class SplitRequest:
    """What the user asks for: random `ratios` in the order of `names`, time `ranges`, or a `column` of names."""

    names: tuple[str, ...] = ()
    ratios: tuple[float, ...] = ()
    seed: int = DEFAULT_SEED
    exact: bool | None = None
    group_by: tuple[str, ...] = ()
    stratify_by: tuple[str, ...] = ()
    ranges: tuple[TimeRange, ...] = ()
    column: str = ""

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that decide, beside identity and event time."""
        return (self.column,) if self.column else self.group_by or self.stratify_by


@dataclass(frozen=True, slots=True)
class SplitData:
    """One split, before and after transformation: features, labels and training helper columns."""

    name: str
    before: pa.Table
    after: pa.Table


@dataclass(frozen=True, slots=True)
class TrainingData:
    """The content of a training dataset. `plan` is resolved; `schema` is that after transformation."""

    plan: Plan
    split: Split | None
    fitted: tuple[FittedStatistics, ...]
    before_schema: Schema
    schema: Schema
    splits: tuple[SplitData, ...]
    notes: tuple[str, ...]


def compute(
    session: Session,
    view: FeatureViewSpec,
    request: SplitRequest | Split | None = None,
    *,
    plan: Plan | None = None,
    spine: Spine | None = None,
    start_us: int | None = None,
    end_us: int | None = None,
    fitted: Sequence[FittedStatistics] | None = None,
) -> TrainingData:
    """Return the training data of a view, its rows ordered by the root's row identity, or as those of the spine.

    Args:
        request: the split; a stored `Split` is repeated exactly.
        plan: a resolved plan to repeat; default: the view's, over the latest commits.
        spine: a dataframe in the place of the root; its plan is read.
        start_us, end_us: `start <= event time < end` of the root, UTC microseconds.
        fitted: statistics to use; default: fitted on train (on all rows without a split).
    Raises:
        TrainingDatasetError: the split, or a transformation, cannot be computed on these rows.
        UntrustedCodeError: the view has a function that may not run here.
    """
    require_view_trust(session, view)
    outputs = training_outputs(view) if spine is None else spine.plan.outputs
    resolved, snapshots = resolve(session, (plan or view.plan) if spine is None else spine.plan)
    keys = _identity(resolved)
    hidden = () if spine is not None else keys  # every column of a spine is among the outputs
    deciding = _deciding(view, resolved, request)
    wanted = with_outputs(time_range(resolved, start_us, end_us), (*outputs, *hidden, *deciding))
    rows = _read(session, wanted, snapshots, spine)
    by = rows.select([out.name for out in deciding])
    by_schema = with_outputs(resolved, deciding).schema
    identity = rows.select([out.name if hidden else out.feature for out in keys])
    identity = identity.rename_columns([out.name for out in keys])
    identity_schema = tuple(Field(name=out.name, type=resolved.field(0, out.feature).type) for out in keys)
    rows = rows.select([out.name for out in outputs])
    if spine is None and not resolved.root.source.primary_key:
        order, occurrence = _keyless_order(identity, identity_schema)
        rows, by = rows.take(order), by.take(order) if by_schema else by
        identity = identity.take(order).append_column(_OCCURRENCE.name, occurrence)
        identity_schema = (*identity_schema, _OCCURRENCE)
    split = _decide(request, rows.num_rows, by, by_schema)
    facts = _Facts(identity, identity_schema, by, by_schema)
    parts = _split(split, rows, facts, resolved, None if spine is None else spine.identity)
    before_schema = with_outputs(resolved, outputs).schema
    if fitted is None:  # on the first part: train, or all
        fitted = fit_all(view.transformations, before_schema, parts[0][1].select)
    transformer = Transformer(view.transformations, fitted, before_schema)
    return TrainingData(
        plan=resolved,
        split=split,
        fitted=tuple(fitted),
        before_schema=before_schema,
        schema=transformer.schema,
        splits=tuple(SplitData(name, part, transformer.table(part)) for name, part in parts),
        notes=as_of_now(resolved),
    )


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
    rows = _read(session, wanted, snapshots, spine)
    schema = with_outputs(resolved, own).schema
    return Transformer(view.transformations, fitted, schema).table(rows)


def _read(session: Session, plan: Plan, snapshots: Mapping[int, Snapshot], spine: Spine | None) -> pa.Table:
    if spine is None:
        return read_resolved(session, plan, snapshots, order_by=identity_order(plan), missing="null")
    order = multiples_order(plan)
    return read_resolved(session, plan, snapshots, frame=spine.rows, order_by=order, missing="null")


def label_balance(table: pa.Table, labels: Sequence[str]) -> tuple[LabelBalance, ...]:
    """Return how often each value of the labels occurs, without arrays, structs and absent ones; see `LabelBalance`."""
    found = []
    for label in labels:
        if label not in table.column_names or pa.types.is_nested(table.schema.field(label).type):
            continue
        counted = pa.Table.from_struct_array(table.column(label).value_counts())
        first = counted.sort_by([("counts", "descending"), ("values", "ascending")]).slice(0, SHOWN_VALUES)
        counts = tuple(
            LabelCount(value=literal(row["values"]), n_rows=row["counts"]) for row in first.to_pylist()
        )
        found.append(LabelBalance(label=label, n_values=counted.num_rows, counts=counts))
    return tuple(found)


def content_hash(table: pa.Table, schema: Schema) -> ContentHash:
    """Return the hashes of a split's content."""
    hasher = ContentHasher(schema)
    hasher.update(table)
    return hasher.result()


def _identity(plan: Plan) -> tuple[Output, ...]:
    """Return hidden outputs with the root's row identity; all its columns where it has no key; and its event time."""
    source = plan.root.source
    names = source.primary_key or tuple(field.name for field in source.fields)
    if source.event_time and source.event_time not in names:
        names = (*names, source.event_time)
    return tuple(Output(name=_HIDDEN + name, node=0, feature=name) for name in names)


def _keyless_order(identity: pa.Table, schema: Schema) -> tuple[pa.Array, pa.Array]:
    """Return the order of rows without a key, and each one's occurrence number among equal rows, from 0.

    The order is that of two hashes of the row; rows that are equal in both are interchangeable.
    """
    first, second = hash_pairs(identity, schema)
    order = np.lexsort((second, first))
    first, second = first[order], second[order]
    starts = np.ones(len(order), dtype=bool)
    starts[1:] = (first[1:] != first[:-1]) | (second[1:] != second[:-1])
    places = np.arange(len(order))
    return pa.array(order), pa.array(places - np.maximum.accumulate(np.where(starts, places, 0)), pa.int64())


def _deciding(view: FeatureViewSpec, plan: Plan, request: SplitRequest | Split | None) -> tuple[Output, ...]:
    """Return hidden outputs with the columns that a split names: of the query, or of its root.

    Raises:
        NotFoundError: there is no such column.
        TrainingDatasetError: the column that names the splits is a feature, or no text.
    """
    found = []
    for name in () if request is None else request.columns:
        output = next((out for out in plan.outputs if out.name == name), None)
        root = [field.name for field in plan.root.source.fields]
        if output is None and name not in root:
            known = {*(out.name for out in plan.outputs), *root}
            raise NotFoundError("column of the query or of its left-most group (to split by)", name, known)
        node, feature = (0, name) if output is None else (output.node, output.feature)
        found.append(Output(name=_BY + name, node=node, feature=feature))
    if isinstance(request, ColumnSplit) or (isinstance(request, SplitRequest) and request.column):
        (name,) = request.columns
        type_ = plan.field(found[0].node, found[0].feature).type
        if type_ != "string":
            raise TrainingDatasetError(
                f"split_column={name!r} is {type_}: it must be a string that names each row's split."
            )
        if name in view.labels or any(out.name == name for out in feature_outputs(view)):
            raise TrainingDatasetError(
                f"split_column={name!r} is a feature or a label of {view.label!r}, so that a model could see it. Make "
                f"it one of the training_helper_columns, or leave it out of the query if the left-most group has it."
            )
    return tuple(found)


@dataclass(frozen=True, slots=True)
class _Facts:
    """What decides the split of each row: its identity, and the columns that the split names."""

    identity: pa.Table
    identity_schema: Schema
    by: pa.Table
    by_schema: Schema


def _decide(
    request: SplitRequest | Split | None, n_rows: int, by: pa.Table, by_schema: Schema
) -> Split | None:
    if not isinstance(request, SplitRequest):
        return request
    if request.ranges:
        return TimeSplit(ranges=request.ranges)
    if request.column:
        return ColumnSplit(names=request.names, column=request.column)
    return random_split(
        request.names,
        request.ratios,
        seed=request.seed,
        n_rows=n_groups(by, by_schema) if request.group_by else n_rows,
        exact=request.exact,
        group_by=request.group_by,
        stratify_by=request.stratify_by,
    )


def _split(
    split: Split | None,
    rows: pa.Table,
    facts: _Facts,
    plan: Plan,
    placed_by: tuple[str, ...] | None = None,
) -> list[tuple[str, pa.Table]]:
    if split is None:
        return [(ALL, rows)]
    source = plan.root.source
    times = None
    if isinstance(split, TimeSplit):
        if source.event_time is None:
            raise TrainingDatasetError(
                f"A split by time needs an event time, and {source.label!r} has none. "
                f"Use a random split: test_size=0.2."
            )
        field = plan.field(0, source.event_time)
        column = facts.identity.column(_HIDDEN + source.event_time)
        times = event_times_us(field, source.event_time_unit, column).to_numpy()
    if placed_by is None:
        places = assign(
            split,
            identity=facts.identity,
            identity_schema=facts.identity_schema,
            event_time_us=times,
            by=facts.by,
            by_schema=facts.by_schema,
        )
    else:
        places = _place_spine(split, facts, times, placed_by)
    return [(name, rows.filter(pa.array(places == index))) for index, name in enumerate(split.names)]


def _place_spine(
    split: Split, facts: _Facts, times: npt.NDArray[np.int64] | None, placed_by: tuple[str, ...]
) -> npt.NDArray[np.int16]:
    """Return the split of each row of a spine, whatever the order of its rows and columns.

    Args:
        facts: the identity is all columns of the spine, by hidden names. Rows that are equal in `placed_by` are told
            apart by them.
        placed_by: the columns by whose hash a row is placed; empty: all.
    """
    fields = {field.name: field for field in sorted(facts.identity_schema, key=lambda field: field.name)}
    chosen = [_HIDDEN + name for name in placed_by] or list(fields)
    order = np.argsort(row_hashes(facts.identity, tuple(fields.values())), kind="stable")
    taken = pa.array(order)
    places = np.empty(len(order), np.int16)
    places[order] = assign(
        split,
        identity=facts.identity.select(chosen).take(taken),
        identity_schema=tuple(fields[name] for name in chosen),
        event_time_us=None if times is None else times[order],
        by=facts.by.take(taken) if facts.by_schema else facts.by,
        by_schema=facts.by_schema,
    )
    return places


def split_request(
    sizes: Mapping[str, float | None],
    times: Mapping[str, tuple[Instant | None, Instant | None]],
    *,
    seed: int | None,
    exact: bool | None,
    group_by: Sequence[str] | str = (),
    stratify_by: Sequence[str] | str = (),
    split_column: str | None = None,
) -> SplitRequest:
    """Return what the user asks for: a split by size, by time, or by a column that names it.

    Args:
        sizes: the share of each split but the first, which gets the rest.
        times: start and end of each split; of two neighbouring bounds one is enough.
        seed, exact, group_by, stratify_by: of a split by size.
        split_column: names each row's split.
    Raises:
        TrainingDatasetError: several of them, none, or not enough of one; sizes that leave nothing to train on.
    """
    groups, strata = _columns("group_by", group_by), _columns("stratify_by", stratify_by)
    of_size = {"seed": seed, "exact": exact, "group_by": groups or None, "stratify_by": strata or None}
    by_time = any(bound is not None for bounds in times.values() for bound in bounds)
    by_size = any(size is not None for size in sizes.values())
    if split_column is not None:
        foreign = [name for name, value in of_size.items() if value is not None]
        if by_time or by_size or foreign or not isinstance(split_column, str):
            raise TrainingDatasetError(
                f"split_column={split_column!r} must be the name of a column that says which split each row is in, and "
                f"then sizes, times, seed, exact, group_by and stratify_by have no say: leave them out."
            )
        return SplitRequest(names=tuple(times), column=split_column)
    if by_time == by_size:
        raise TrainingDatasetError(
            f"Split either by size ({', '.join(f'{name}_size=' for name in sizes)}) or by time "
            f"(such as train_end= and test_end=); {'both were' if by_time else 'neither was'} given."
        )
    if by_time:
        foreign = [f"{name}=" for name, value in of_size.items() if value is not None]
        if foreign:
            raise TrainingDatasetError(
                f"{' and '.join(foreign)} belong to a split by size; this one is by time."
            )
        return SplitRequest(ranges=_ranges(times))
    given = []
    for name, size in sizes.items():
        if size is None:
            raise TrainingDatasetError(f"{name}_size= is missing.")
        if not isinstance(size, (int, float)) or not 0 < size < 1:
            raise TrainingDatasetError(f"{name}_size={size!r} must be between 0 and 1, such as 0.2.")
        given.append(Decimal(str(float(size))))  # as written: 1 - 0.7 of doubles is not 0.3
    if not sum(given) < 1:
        raise TrainingDatasetError(
            f"The sizes sum to {sum(given):g} and leave nothing to train on: {dict(sizes)}."
        )
    if groups and strata:
        raise TrainingDatasetError(
            "group_by= keeps rows together that stratify_by= would cut apart: give one of the two."
        )
    if strata and exact is False:
        raise TrainingDatasetError("stratify_by= cuts each stratum exactly: leave out exact=False.")
    return SplitRequest(
        names=tuple(times),
        ratios=(float(1 - sum(given)), *map(float, given)),
        seed=DEFAULT_SEED if seed is None else _seed(seed),
        exact=exact,
        group_by=groups,
        stratify_by=strata,
    )


def _columns(argument: str, names: object) -> tuple[str, ...]:
    if isinstance(names, str):
        return (names,)
    if isinstance(names, Sequence) and all(isinstance(name, str) for name in names):
        return tuple(dict.fromkeys(names))
    raise TrainingDatasetError(f"{argument}={names!r} must be the name of a column, or a list of names.")


def _seed(seed: object) -> int:
    try:
        if not isinstance(seed, bool) and 0 <= (number := operator.index(seed)) < 2**63:  # type: ignore[arg-type]
            return number
    except TypeError:
        pass
    raise TrainingDatasetError(f"seed={seed!r} must be a whole number from 0 to 2**63 - 1.")


def _ranges(times: Mapping[str, tuple[Instant | None, Instant | None]]) -> tuple[TimeRange, ...]:
    """Return the ranges; where one of two neighbouring bounds is missing, it is the other one."""
    starts = {name: optional_micros(start) for name, (start, _) in times.items()}
    ends = {name: optional_micros(end) for name, (_, end) in times.items()}
    for earlier, later in pairwise(times):
        if ends[earlier] is None and starts[later] is None:
            raise TrainingDatasetError(
                f"Give {earlier}_end= or {later}_start=: nothing says where {earlier} ends and {later} starts."
            )
        ends[earlier] = starts[later] if ends[earlier] is None else ends[earlier]
        starts[later] = ends[earlier] if starts[later] is None else starts[later]
    return tuple(TimeRange(name=name, start_us=starts[name], end_us=ends[name]) for name in times)
