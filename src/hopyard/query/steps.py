"""SQL trees of a plan's joins: each step adds the columns of one node to the rows before it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlglot import exp

from hopyard.model.plan import Join
from hopyard.query.history import FROM_US, TO_US, is_append_only
from hopyard.query.nodes import MATCH, TIME, Scope
from hopyard.query.scan import ADDRESS, column, is_not_null

_BEST = "__best"
_SINCE = "__since"
_RIGHT = "r"
_IS_LEFT = "__is_left"
_AT = "__at"
_FIRST_US = -(2**63)


def steps(scope: Scope, index: int) -> Iterator[tuple[str, exp.Select]]:
    """Yield the named SELECTs that make `j<index>` of `j<index - 1>` and `n<index>`: null where it has no match."""
    if index == 0:
        yield "j0", exp.select("*").from_(exp.to_table("n0"))
        return
    rule = scope.plan.join_of(index).rule
    if rule == "point_in_time" and scope.is_known(index):
        yield f"b{index}", _best_known(scope, index)
        yield f"j{index}", _join_best(scope, index)
    elif rule == "point_in_time" and not scope.engine.has_asof_join:
        yield f"j{index}", _newest_by_window(scope, index)
    else:
        yield f"j{index}", _join(scope, index, is_asof=rule == "point_in_time")


def visible(scope: Scope, index: int, left: str, right: str) -> list[exp.Expr]:
    """Return the conditions under which a row of the root knows a version of `index`."""
    # The delay is taken from commit times: with an event time, which may be any whole number, a sum may be too large.
    delay = scope.plan.known_delay_us or 0
    at = column(f"n0.{TIME}", left)
    since, until = (column(f"n{index}.{name}", right) for name in (FROM_US, TO_US))
    is_current = exp.Or(
        this=exp.Is(this=until, expression=exp.Null()),
        expression=exp.LT(this=at.copy(), expression=_plus(until.copy(), -delay)),
    )
    return [exp.LTE(this=_plus(since, -delay), expression=at), exp.Paren(this=is_current)]


def keys_equal(join: Join, index: int, left: str, right: str) -> list[exp.Expr]:
    """Return the conditions on the join keys of a left relation and of `n<index>`."""
    return [
        exp.EQ(
            this=column(f"n{join.parent}.{key.left}", left), expression=column(f"n{index}.{key.right}", right)
        )
        for key in join.keys
    ]


def _join(scope: Scope, index: int, *, is_asof: bool) -> exp.Select:
    conditions = keys_equal(scope.plan.join_of(index), index, "l", _RIGHT)
    if is_asof:
        conditions.append(_not_later(index, "l", _RIGHT))
    elif scope.is_known(index):
        conditions += visible(scope, index, "l", _RIGHT)
    joined = exp.Join(
        this=exp.alias_(exp.to_table(f"n{index}"), _RIGHT, table=True),
        side="LEFT",
        on=exp.and_(*conditions, copy=False),
        **({"method": "ASOF"} if is_asof else {}),
    )
    return _with_columns(scope, index, [joined])


def _best_known(scope: Scope, index: int) -> exp.Select:
    """Return the addresses of the versions that win, by join key (`__k0`, ...) and by time of the left row."""
    if is_append_only(scope.snapshots[index].changes):
        return _best_from_then_on(scope, index)
    return _best_at_each_time(scope, index)


def _best_from_then_on(scope: Scope, index: int) -> exp.Select:
    """Return the winners where nothing was ever replaced or removed, to be met by an ASOF join.

    A version is then known from some time of the left row on, for good: who wins from there on is a running maximum.
    """
    keys = [column(f"n{index}.{key.right}") for key in scope.plan.join_of(index).keys]
    since = exp.Greatest(
        this=column(f"n{index}.{TIME}"),
        expressions=[_plus(column(f"n{index}.{FROM_US}"), -(scope.plan.known_delay_us or 0))],
    )
    best = exp.Window(
        this=exp.ArgMax(this=column(f"n{index}.{ADDRESS}"), expression=_rank(scope, index)),
        partition_by=[key.copy() for key in keys],
        order=exp.Order(expressions=[exp.Ordered(this=since.copy())]),
    )
    named = [exp.alias_(key, f"__k{i}", quoted=True) for i, key in enumerate(keys)]
    columns = [*named, exp.alias_(since, _SINCE, quoted=True), exp.alias_(best, _BEST, quoted=True)]
    return exp.select(*columns, copy=False).from_(exp.to_table(f"n{index}"))


def _best_at_each_time(scope: Scope, index: int) -> exp.Select:
    """Return the winners for each key and time of the left rows: all the versions that are visible then compete."""
    join = scope.plan.join_of(index)
    lefts = [f"n{join.parent}.{key.left}" for key in join.keys] + [f"n0.{TIME}"]
    wanted = exp.select(*(column(name) for name in lefts)).distinct().from_(exp.to_table(f"j{index - 1}"))
    conditions = [
        *keys_equal(join, index, "l", _RIGHT),
        _not_later(index, "l", _RIGHT),
        *visible(scope, index, "l", _RIGHT),
    ]
    groups = [column(name, "l") for name in lefts]
    names = [*(f"__k{i}" for i in range(len(join.keys))), _SINCE]
    named = [exp.alias_(group.copy(), name, quoted=True) for group, name in zip(groups, names, strict=True)]
    winner = exp.ArgMax(this=column(f"n{index}.{ADDRESS}", _RIGHT), expression=_rank(scope, index))
    tree = exp.select(*named, exp.alias_(winner, _BEST, quoted=True), copy=False)
    tree = tree.from_(wanted.subquery("l"), copy=False).group_by(*groups, copy=False)
    right = exp.alias_(exp.to_table(f"n{index}"), _RIGHT, table=True)
    tree.append("joins", exp.Join(this=right, on=exp.and_(*conditions, copy=False)))
    return tree


def _join_best(scope: Scope, index: int) -> exp.Select:
    join = scope.plan.join_of(index)
    is_asof = is_append_only(scope.snapshots[index].changes)
    at, since = column(f"n0.{TIME}", "l"), column(_SINCE, "b")
    conditions: list[exp.Expr] = [
        exp.EQ(this=column(f"n{join.parent}.{key.left}", "l"), expression=column(f"__k{i}", "b"))
        for i, key in enumerate(join.keys)
    ]
    conditions.append((exp.GTE if is_asof else exp.EQ)(this=at, expression=since))
    best = exp.Join(
        this=exp.alias_(exp.to_table(f"b{index}"), "b", table=True),
        side="LEFT",
        on=exp.and_(*conditions, copy=False),
        **({"method": "ASOF"} if is_asof else {}),
    )
    same = exp.EQ(this=column(f"n{index}.{ADDRESS}", _RIGHT), expression=column(_BEST, "b"))
    row = exp.Join(this=exp.alias_(exp.to_table(f"n{index}"), _RIGHT, table=True), side="LEFT", on=same)
    return _with_columns(scope, index, [best, row])


def _newest_by_window(scope: Scope, index: int) -> exp.Select:
    """Return the step without an ASOF join: left and right rows in one sequence by time, the last right row counts.

    A right row is one struct, so that a null in it hides nothing.
    """
    join = scope.plan.join_of(index)
    before = [name for node in range(index) for name in scope.columns(node)]
    keys = [f"__k{i}" for i in range(len(join.keys))]
    row = exp.Struct(
        expressions=[
            exp.PropertyEQ(this=exp.to_identifier(name, quoted=True), expression=column(name))
            for name in scope.columns(index)
        ]
    )
    left = exp.select(
        *(column(name) for name in before),
        exp.alias_(exp.Null(), _RIGHT),
        *_place_in_sequence([f"n{join.parent}.{key.left}" for key in join.keys], f"n0.{TIME}", exp.true()),
    ).from_(exp.to_table(f"j{index - 1}"))
    right = exp.select(
        *(exp.alias_(exp.Null(), name, quoted=True) for name in before),
        exp.alias_(row, _RIGHT),
        *_place_in_sequence([f"n{index}.{key.right}" for key in join.keys], f"n{index}.{TIME}", exp.false()),
    ).from_(exp.to_table(f"n{index}"))
    # A null key matches nothing; unlike a join, a partition would bring nulls together.
    right = right.where(*(is_not_null(column(f"n{index}.{key.right}")) for key in join.keys))
    last = exp.Window(
        this=exp.IgnoreNulls(this=exp.LastValue(this=exp.column(_RIGHT))),
        partition_by=[column(name) for name in keys],
        order=exp.Order(
            expressions=[
                exp.Ordered(this=column(_AT), nulls_first=True),
                exp.Ordered(this=column(_IS_LEFT), nulls_first=True),
            ]
        ),
        spec=exp.WindowSpec(kind="ROWS", start="UNBOUNDED", start_side="PRECEDING", end="CURRENT ROW"),
    )
    sequence = exp.union(left, right, distinct=False)
    found = exp.select(*(column(name) for name in before), column(_IS_LEFT), exp.alias_(last, _RIGHT)).from_(
        sequence.subquery("sequence")
    )
    columns = [*(column(name) for name in before), *_joined_columns(scope, index)]
    return exp.select(*columns, copy=False).from_(found.subquery("found")).where(column(_IS_LEFT))


def _place_in_sequence(keys: Sequence[str], time: str, is_left: exp.Expr) -> list[exp.Expr]:
    """Return the columns by which left and right rows are brought together and ordered."""
    return [
        *(exp.alias_(column(key), f"__k{i}", quoted=True) for i, key in enumerate(keys)),
        exp.alias_(column(time), _AT, quoted=True),
        exp.alias_(is_left, _IS_LEFT, quoted=True),
    ]


def _rank(scope: Scope, index: int) -> exp.Expr:
    """Return what the winner has the most of: event time, then the open part of the key, column by column."""
    order = [TIME, *scope.plan.remaining_key(index)]
    columns: list[exp.Expr] = [column(f"n{index}.{name}") for name in order]
    return columns[0] if len(columns) == 1 else exp.Anonymous(this="row", expressions=columns)


def _not_later(index: int, left: str, right: str) -> exp.Expr:
    return exp.GTE(this=column(f"n0.{TIME}", left), expression=column(f"n{index}.{TIME}", right))


def _plus(value: exp.Expr, micros: int) -> exp.Expr:
    if micros == 0:
        return value
    return exp.Paren(this=exp.Add(this=value, expression=exp.Literal.number(micros)))


def _oldest(limit_us: int) -> exp.Expr:
    """Return the first event time that is not too old for a row of the root.

    What is earlier than any whole number of 64 bits is the least of them: the difference could not be computed.
    """
    at = exp.Greatest(
        this=column(f"n0.{TIME}"), expressions=[exp.Literal.number(_FIRST_US + limit_us)], ignore_nulls=True
    )
    return exp.Sub(this=at, expression=exp.Literal.number(limit_us))


def _with_columns(scope: Scope, index: int, joins: Sequence[exp.Join]) -> exp.Select:
    columns = [exp.Column(this=exp.Star(), table=exp.to_identifier("l")), *_joined_columns(scope, index)]
    tree = exp.select(*columns, copy=False).from_(
        exp.alias_(exp.to_table(f"j{index - 1}"), "l", table=True), copy=False
    )
    for join in joins:
        tree.append("joins", join)
    return tree


def _joined_columns(scope: Scope, index: int) -> list[exp.Expr]:
    """Return the columns of a node beside the rows before it: null without a match, or with one that is too old."""
    match: exp.Expr = column(f"n{index}.{MATCH}", _RIGHT)
    values: dict[str, exp.Expr] = {name: column(name, _RIGHT) for name in scope.columns(index)}
    del values[f"n{index}.{MATCH}"]
    limit = scope.plan.age_limit_us(index)
    if limit is not None:
        match = exp.GTE(this=column(f"n{index}.{TIME}", _RIGHT), expression=_oldest(limit))
        values = {
            name: exp.Case(ifs=[exp.If(this=match.copy(), true=value)]) for name, value in values.items()
        }
    found = exp.Coalesce(this=match, expressions=[exp.false()])
    return [
        *(exp.alias_(value, name, quoted=True) for name, value in values.items()),
        exp.alias_(found, f"n{index}.{MATCH}", quoted=True),
    ]
