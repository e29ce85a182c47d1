"""The steps by which a query grows: each takes a frozen plan and returns another one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

import msgspec

from hopyard.errors import AmbiguousFeatureError, JoinKeyError, NotFoundError, QueryError, TimeTravelError
from hopyard.model.names import check_name
from hopyard.model.plan import (
    And,
    Column,
    GroupSource,
    IsNull,
    Join,
    JoinRule,
    JoinType,
    Like,
    Node,
    Not,
    Or,
    Output,
    Plan,
    Predicate,
    Source,
)
from hopyard.model.specs import FeatureGroupSpec
from hopyard.model.types import parse_type
from hopyard.query.feature import Feature
from hopyard.query.keys import choose_keys
from hopyard.query.values import check_value
from hopyard.time import Instant, to_micros


@dataclass(frozen=True, slots=True)
class JoinOptions:
    """How one query is joined to another; see `Query.join`."""

    on: Sequence[str] | None = None
    left_on: Sequence[str] | None = None
    right_on: Sequence[str] | None = None
    join_type: JoinType = "left"
    prefix: str | None = None
    max_age: timedelta | None = None
    allow_many: bool = False
    include_event_time: bool = False


def group_source(spec: FeatureGroupSpec) -> GroupSource:
    """Return the facts about a group that a plan keeps."""
    return GroupSource(
        project=spec.project,
        name=spec.name,
        version=spec.version,
        id=spec.id,
        location=spec.location,
        fields=spec.schema,
        primary_key=spec.primary_key,
        foreign_key=spec.foreign_key,
        event_time=spec.event_time,
        event_time_unit=spec.event_time_unit,
        ttl_us=spec.ttl_us,
        online_enabled=spec.online_enabled,
    )


def scan(source: Source) -> Plan:
    """Return the plan that reads all the features of a source."""
    outputs = tuple(Output(name=field.name, node=0, feature=field.name) for field in source.fields)
    return Plan(nodes=(Node(source=source),), outputs=outputs)


def select(plan: Plan, names: Sequence[str]) -> Plan:
    """Return the plan with only these features of its single group, in this order. Raises NotFoundError."""
    names = _feature_names(names)
    source = plan.root.source
    known = [field.name for field in source.fields]
    for name in names:
        if name not in known:
            raise NotFoundError(f"feature of {source.label!r}", name, known)
    repeated = {name for name in names if list(names).count(name) > 1}
    if repeated:
        raise QueryError(f"select() names {sorted(repeated)[0]!r} twice.")
    outputs = tuple(Output(name=name, node=0, feature=name, is_named=True) for name in names)
    return msgspec.structs.replace(plan, outputs=outputs)


def _feature_names(names: object) -> tuple[str, ...]:
    if isinstance(names, str):
        return (names,)
    if isinstance(names, Iterable):
        found = tuple(names)
        if not any(isinstance(name, Feature) for name in found):
            return found
    raise QueryError(f"Features are selected by their names, such as ['age', 'city'], and not by {names!r}.")


def select_except(plan: Plan, names: Sequence[str]) -> Plan:
    """Return the plan without these features of its single group. Raises NotFoundError."""
    names = _feature_names(names)
    select(plan, names)
    return msgspec.structs.replace(
        plan, outputs=tuple(out for out in plan.outputs if out.feature not in names)
    )


def join(left: Plan, right: Plan, options: JoinOptions) -> Plan:
    """Return `left` with `right` joined to its root; see `Query.join` for the rules and errors."""
    _check_joinable(right, options)
    root, joined = left.root.source, right.root.source
    keys, inferred = choose_keys(
        root, joined, on=options.on, left_on=options.left_on, right_on=options.right_on
    )
    prefix = options.prefix or ""
    if prefix:
        check_name("prefix", prefix)
    _check_many(right, tuple(key.right for key in keys), options)
    _check_many_below(right)
    attached = Join(
        parent=0,
        keys=keys,
        rule=_rule(root, joined),
        how=options.join_type,
        prefix=prefix,
        max_age_us=_max_age(options, root, joined),
        allow_many=options.allow_many,
        inferred=inferred,
    )
    offset = len(left.nodes)
    below = tuple(
        msgspec.structs.replace(
            inner,
            parent=inner.parent + offset,
            rule=_rule(root, right.nodes[index + 1].source),
        )
        for index, inner in enumerate(right.joins)
    )
    outputs = left.outputs + tuple(
        msgspec.structs.replace(out, name=prefix + out.name, node=out.node + offset)
        for out in right.outputs
        if out.node != 0 or _is_kept(out, joined, attached, options)
    )
    joined_plan = msgspec.structs.replace(
        left, nodes=left.nodes + right.nodes, joins=(*left.joins, attached, *below), outputs=outputs
    )
    check_unambiguous(joined_plan)
    return joined_plan


def check_unambiguous(plan: Plan) -> None:
    """Raise AmbiguousFeatureError if two columns of the result have one name."""
    seen: dict[str, Output] = {}
    for out in plan.outputs:
        other = seen.setdefault(out.name, out)
        if other is not out:
            a, b = (plan.nodes[o.node].source.label for o in (other, out))
            raise AmbiguousFeatureError(
                f"Both {a}.{other.feature} and {b}.{out.feature} would be called {out.name!r}. "
                f"Give the join a prefix=, or leave one of them out with select_except([...])."
            )
        check_name("column", out.name)


def check_ages(plan: Plan) -> None:
    """Raise QueryError if a join has a max_age and the root no time to compare with; known when the query is whole."""
    for index, join in enumerate(plan.joins, start=1):
        if join.max_age_us is not None and join.rule != "point_in_time":
            raise QueryError(
                f"The join of {plan.nodes[index].source.label!r} has max_age=, which compares with the event time "
                f"of the left-most group, and {plan.root.source.label!r} has none. Leave it out, or start from a group "
                f"that has one."
            )


def filter_rows(plan: Plan, predicate: Predicate) -> Plan:
    """Return the plan with one more filter: on the group's own rows, or after a join on the joined rows.

    Raises:
        NotFoundError: a feature that the query does not have.
        AmbiguousFeatureError: a feature of a group that occurs several times.
        QueryError: a value that can never equal the feature's type.
    """
    resolved = _map_columns(predicate, lambda column: _resolve(plan, column))
    _check_values(plan, resolved)
    if plan.joins:
        combined = resolved if plan.filter is None else And(left=plan.filter, right=resolved)
        return msgspec.structs.replace(plan, filter=combined)
    node = plan.root
    combined = resolved if node.filter is None else And(left=node.filter, right=resolved)
    return msgspec.structs.replace(plan, nodes=(msgspec.structs.replace(node, filter=combined),))


def as_of(plan: Plan, when: Instant | int | None, exclude_until: Instant | int | None = None) -> Plan:
    """Return the plan reading every group as committed at an instant (or one group at a commit); None: the latest.

    Args:
        exclude_until: read only rows that were last changed after this instant (or commit of one group).

    Raises:
        TimeTravelError: a commit number on a query of several groups, no instant, or nothing left between the two.
    """
    for argument, shown in ((when, f"as_of({when!r})"), (exclude_until, f"exclude_until={exclude_until!r}")):
        if isinstance(argument, bool):
            raise TimeTravelError(f"{shown} is no commit number and no instant.")
        if isinstance(argument, int) and plan.joins:
            raise TimeTravelError(
                f"{shown} is a commit number, and each group of a join counts its own commits. Give an instant."
            )
        if isinstance(argument, int) and not isinstance(plan.root.source, GroupSource):
            raise TimeTravelError(
                f"{shown} is a commit number, and a dataframe has no commits. Give an instant."
            )
    commit, micros = _commit_or_instant(when)
    exclude_commit, exclude_micros = _commit_or_instant(exclude_until)
    for end, start in ((commit, exclude_commit), (micros, exclude_micros)):
        if end is not None and start is not None and start > end:
            raise TimeTravelError(
                f"exclude_until={exclude_until!r} is later than as_of({when!r}): nothing is left between them."
            )
    nodes = tuple(
        msgspec.structs.replace(
            node,
            as_of_us=micros,
            commit=commit,
            exclude_until_us=exclude_micros,
            exclude_until_commit=exclude_commit,
        )
        for node in plan.nodes
    )
    return msgspec.structs.replace(plan, nodes=nodes)


def _commit_or_instant(when: Instant | int | None) -> tuple[int | None, int | None]:
    if isinstance(when, int):
        return when, None
    return None, None if when is None else to_micros(when)


def as_known(plan: Plan, delay: timedelta) -> Plan:
    """Return the plan in which each row of the root sees of the other groups what was committed by its event time.

    Raises:
        QueryError: a delay that is no timedelta.
    """
    if not isinstance(delay, timedelta):
        raise QueryError(f"delay={delay!r} must be a datetime.timedelta, such as timedelta(minutes=5).")
    return msgspec.structs.replace(plan, known_delay_us=delay // timedelta(microseconds=1))


def find_output(plan: Plan, name: str) -> Output:
    """Return the column of the result called `name`. Raises NotFoundError."""
    for out in plan.outputs:
        if out.name == name:
            return out
    raise NotFoundError("feature of the query", name, [out.name for out in plan.outputs])


def _check_joinable(right: Plan, options: JoinOptions) -> None:
    if options.join_type not in ("left", "inner"):
        raise QueryError(
            f"join_type={options.join_type!r} is refused: it would return rows that are no rows of the left side, or "
            f"multiply them, so they have no time of their own to be right at. Use 'left' or 'inner'."
        )
    if right.known_delay_us is not None:
        raise QueryError(
            "as_known() belongs to the whole query: call it after the last join, not on the right side of one."
        )
    if right.filter is not None:
        raise QueryError(
            "The right side of a join has a filter on its joined rows, which has no meaning there. "
            "Filter each group before it is joined, or the whole query after."
        )
    if not isinstance(right.root.source, GroupSource):
        raise JoinKeyError("A dataframe can only be the left-most side of a query.")


def _check_many(right: Plan, keys: Sequence[str], options: JoinOptions) -> None:
    """Refuse what the rows of a join cannot say: which of several right rows an inner join below them leaves."""
    if not options.allow_many or set(right.root.source.primary_key) <= set(keys):
        return
    for index in right.children(0):
        if right.join_of(index).how == "inner":
            raise QueryError(
                f"{right.root.source.label!r} is joined with allow_many=True and has an inner join to "
                f"{right.nodes[index].source.label!r} itself, which would have to choose among its rows. "
                f"Use a left join there, and filter the joined rows."
            )


def _check_many_below(right: Plan) -> None:
    """Refuse a right side whose rows an inner join takes away after another join has multiplied them.

    The left row would stay once for each of them. In the left-most group the rows themselves are dropped.
    """
    many = [
        index
        for index, join in enumerate(right.joins, start=1)
        if join.allow_many and right.nodes[index].source.event_time is None and right.remaining_key(index)
    ]
    for inner in right.children(0):
        if right.join_of(inner).how != "inner":
            continue
        for index in many:
            if not _is_below(right, index, inner):
                raise QueryError(
                    f"{right.root.source.label!r} is joined as a right side, has an inner join to "
                    f"{right.nodes[inner].source.label!r}, and a join to {right.nodes[index].source.label!r} with "
                    f"allow_many=True: where the one finds nothing, the other would still multiply rows. "
                    f"Use left joins there, and filter the joined rows."
                )


def _is_below(plan: Plan, node: int, top: int) -> bool:
    """Return whether a node is `top` or hangs on it."""
    while node not in (0, top):
        node = plan.join_of(node).parent
    return node == top


def _rule(root: Source, right: Source) -> JoinRule:
    if right.event_time is None:
        return "equal"
    return "point_in_time" if root.event_time is not None else "newest"


def _max_age(options: JoinOptions, root: Source, right: Source) -> int | None:
    if options.max_age is None:
        return None
    if not isinstance(options.max_age, timedelta):
        raise QueryError(
            f"max_age={options.max_age!r} must be a datetime.timedelta, such as timedelta(days=3)."
        )
    for source in (root, right):
        if source.event_time is None:
            raise QueryError(f"max_age= compares event times, and {source.label!r} has none.")
    age_us = options.max_age // timedelta(microseconds=1)
    if age_us < 0:
        raise QueryError(f"max_age={options.max_age} is negative.")
    return age_us


def _is_kept(out: Output, right: Source, joined: Join, options: JoinOptions) -> bool:
    """Join keys come once, from the left; the right event time only if named or asked for."""
    if out.is_named:
        return True
    if out.feature == right.event_time:
        return options.include_event_time
    return out.feature not in {key.right for key in joined.keys}


def _resolve(plan: Plan, column: Column) -> Column:
    if column.node >= 0:
        return column
    places = [
        index
        for index, node in enumerate(plan.nodes)
        if isinstance(node.source, GroupSource) and node.source.label == column.group
    ]
    if not places:
        labels = [node.source.label for node in plan.nodes]
        raise NotFoundError("feature group of the query", column.group, labels)
    if len(places) > 1:
        raise AmbiguousFeatureError(
            f"{column.group}.{column.feature} occurs {len(places)} times in the query. "
            f"Name the column of the result instead: query[{column.feature!r}] or query['prefix' + name]."
        )
    plan.field(places[0], column.feature)
    return Column(feature=column.feature, group=column.group, node=places[0])


def _map_columns(predicate: Predicate, change: Callable[[Column], Column]) -> Predicate:
    if isinstance(predicate, (And, Or)):
        return type(predicate)(
            left=_map_columns(predicate.left, change), right=_map_columns(predicate.right, change)
        )
    if isinstance(predicate, Not):
        return Not(operand=_map_columns(predicate.operand, change))
    return msgspec.structs.replace(predicate, column=change(predicate.column))


def _check_values(plan: Plan, predicate: Predicate) -> None:
    """Raise QueryError if a value can never equal its feature."""
    if isinstance(predicate, (And, Or)):
        _check_values(plan, predicate.left)
        _check_values(plan, predicate.right)
    elif isinstance(predicate, Not):
        _check_values(plan, predicate.operand)
    elif not isinstance(predicate, IsNull):
        column = predicate.column
        type_ = parse_type(plan.field(column.node, column.feature).type)
        if isinstance(predicate, Like):
            if type_.kind != "string":
                raise QueryError(f"like() is for text; {column.feature!r} is {type_}.")
            return
        values = predicate.values if hasattr(predicate, "values") else (predicate.value,)
        for value in values:
            check_value(column.feature, type_, value)
