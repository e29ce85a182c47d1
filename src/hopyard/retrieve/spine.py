"""A dataframe in the place of a query's root: checked and typed once, by the rules of an insert."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import msgspec
import pyarrow as pa

from hopyard.errors import AmbiguousFeatureError, SchemaMismatchError
from hopyard.ingest.check import check_rows
from hopyard.ingest.draft import draft_group
from hopyard.ingest.frame import to_arrow_table
from hopyard.ingest.infer import check_group, infer_features
from hopyard.model.plan import FrameSource, Output, Plan
from hopyard.model.specs import EventTimeUnit, FeatureGroupSpec, FeatureSpec, FeatureViewSpec, row_identity
from hopyard.query.build import scan
from hopyard.session import Session

NAME = "spine"


@dataclass(frozen=True, slots=True)
class Spine:
    """A plan over a dataframe, and the dataframe's rows in the order and the types of the plan's root.

    Attributes:
        plan: its root is a `FrameSource`.
        rows: one row per row of the dataframe, in its order.
        identity: the columns by which a row is placed in a random split; empty: all of them.
    """

    plan: Plan
    rows: pa.Table
    identity: tuple[str, ...] = ()


def frame_spine(
    session: Session,
    frame: object,
    *,
    event_time: str | None = None,
    event_time_unit: EventTimeUnit | None = None,
    primary_key: Sequence[str] | str = (),
    foreign_key: Sequence[str] | Mapping[str, str] | str = (),
) -> Spine:
    """Return a dataframe as the root of a query; see `FeatureStore.spine` for the arguments and errors."""
    table = to_arrow_table(frame)
    if not table.column_names:
        raise SchemaMismatchError("The spine has no columns. Give at least the keys to join by.")
    spec = draft_group(
        session,
        NAME,
        None,
        primary_key=primary_key,
        event_time=event_time,
        event_time_unit=event_time_unit,
        foreign_key=foreign_key,
        features={feature.name: feature.type for feature in infer_features(table)},
    )
    check_group(spec)
    rows = _rows(spec, table)
    if not isinstance(frame, pa.Table):
        rows = _copy(
            rows
        )  # the query is lazy, and the caller may write into the memory that the table shares
    return Spine(plan=scan(_source(spec)), rows=rows)


def view_spine(
    session: Session,
    view: FeatureViewSpec,
    frame: object,
    outputs: Sequence[Output],
    *,
    extra: Sequence[str] = (),
) -> Spine:
    """Return the plan of a view with a dataframe in the place of its root group, and the dataframe's rows.

    The plan gives the columns of the dataframe in their order, then those of `outputs` that come from other groups.
    Neither the filter on the root nor that on the joined rows is in it: they choose rows of the group.

    Args:
        outputs: the columns of the view that are wanted. Labels of the root may be absent from the dataframe.
        extra: further columns of the root that are asked for.
    Raises:
        SchemaMismatchError: columns that the dataframe lacks (lists each, and what it is for), or values that do not
            fit the root's features.
        AmbiguousFeatureError: a column of the dataframe is called as a feature that another group gives.
    """
    root = view.plan.root.source
    table = to_arrow_table(frame)
    needs = _needs(view, outputs, extra)
    types = {field.name: field.type for field in root.fields}
    if not table.column_names:  # no rows at all, such as an empty list
        table = pa.table({name: pa.nulls(0) for name in types if name in needs})
    _check_complete(view, table.column_names, needs, types)
    given = [FeatureSpec(name=name, type=types[name]) for name in table.column_names if name in types]
    inferred = {feature.name: feature.type for feature in infer_features(table, given)}
    spec = draft_group(
        session,
        NAME,
        None,
        event_time=root.event_time,
        event_time_unit=root.event_time_unit,
        features={name: inferred[name] for name in table.column_names},
    )
    names = set(table.column_names)
    own = tuple(Output(name=name, node=0, feature=name) for name in table.column_names)
    others = tuple(out for out in outputs if out.node != 0)
    _check_distinct(view, names, others)
    node = msgspec.structs.replace(view.plan.root, source=_source(spec), filter=None)
    plan = msgspec.structs.replace(
        view.plan, nodes=(node, *view.plan.nodes[1:]), outputs=(*own, *others), filter=None
    )
    return Spine(plan=plan, rows=_rows(spec, table), identity=_identity(view.plan, names))


def _source(spec: FeatureGroupSpec) -> FrameSource:
    return FrameSource(
        fields=spec.schema,
        primary_key=spec.primary_key,
        foreign_key=spec.foreign_key,
        event_time=spec.event_time,
        event_time_unit=spec.event_time_unit,
    )


def _rows(spec: FeatureGroupSpec, table: pa.Table) -> pa.Table:
    """Return the rows, each of them: without a primary key none is a duplicate, and a null key matches nothing."""
    keyless = msgspec.structs.replace(spec, primary_key=())
    return check_rows(keyless, table, now_us=0, allow_future=True).rows


def _copy(table: pa.Table) -> pa.Table:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return pa.ipc.open_stream(sink.getvalue()).read_all()


def _needs(view: FeatureViewSpec, outputs: Sequence[Output], extra: Sequence[str]) -> dict[str, list[str]]:
    """Return the columns of the root that a spine must bring, each with what it is for."""
    plan = view.plan
    needs: dict[str, list[str]] = {}
    if plan.root.source.event_time is not None:
        needs.setdefault(plan.root.source.event_time, []).append("the event time")
    for index in plan.children(0):
        for key in plan.join_of(index).keys:
            needs.setdefault(key.left, []).append(f"joins {plan.nodes[index].source.label!r}")
    for out in outputs:
        if out.node == 0 and out.name not in view.labels:
            is_helper = out.name in view.training_helper_columns
            needs.setdefault(out.feature, []).append("a training helper column" if is_helper else "a feature")
    for name in extra:
        needs.setdefault(name, []).append("asked for, too")
    return needs


def _check_complete(
    view: FeatureViewSpec, names: Sequence[str], needs: Mapping[str, list[str]], types: Mapping[str, str]
) -> None:
    missing = [name for name in needs if name not in names]
    if missing:
        shown = "; ".join(f"{name!r} ({types[name]}: {', '.join(needs[name])})" for name in missing)
        raise SchemaMismatchError(
            f"The spine stands in the place of {view.plan.root.source.label!r} in feature view {view.label!r}, "
            f"and lacks {shown}. It has: {', '.join(names)}. Add what is missing."
        )


def _check_distinct(view: FeatureViewSpec, names: set[str], others: Sequence[Output]) -> None:
    taken = [out for out in others if out.name in names]
    if taken:
        shown = ", ".join(f"{out.name!r} (from {view.plan.nodes[out.node].source.label!r})" for out in taken)
        raise AmbiguousFeatureError(
            f"The spine has columns that feature view {view.label!r} reads from other groups: {shown}. "
            f"Drop or rename them in the dataframe."
        )


def _identity(plan: Plan, names: set[str]) -> tuple[str, ...]:
    """Return the serving keys that a spine has, and the event time, in the order in which the root declares them.

    With the root's whole primary key it is the row identity of the root: a row is then placed as in the group. Without
    it, it is what the other groups are joined by.
    """
    source = plan.root.source
    if source.primary_key and names.issuperset(source.primary_key):
        return row_identity(source.primary_key, source.event_time)
    joined = {key.left for index in plan.children(0) for key in plan.join_of(index).keys}
    keys = tuple(field.name for field in source.fields if field.name in joined)
    return tuple(dict.fromkeys((*keys, *([source.event_time] if source.event_time else []))))
