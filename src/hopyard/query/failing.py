"""SQL trees of the rows that fail an expectation: of a frame that is to be written, or of a stored group.

A frame's rows are called `__new` and carry their place in `_row`; null never fails but where it is forbidden.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlglot import exp

from hopyard.model.commit import Snapshot
from hopyard.model.expectations import Expectation, InRange, InSet, Matches, NotNull, References, Unique
from hopyard.model.plan import And, Column, Compare, IsIn, Predicate
from hopyard.model.schema import Schema
from hopyard.model.specs import FeatureGroupSpec
from hopyard.query.scan import column, condition, event_micros, is_not_null, read_files

ROW = "_row"
NEW = "__new"
NEW_ROWS = "new_rows"
"""What a user's SQL calls the rows that are validated."""
_N, _SIDE, _VALUES = "__n", "t", "v"

RowExpectation = NotNull | InRange | InSet | Matches | Unique | References
"""Those that say which rows fail by themselves."""


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows that are validated.

    Attributes:
        stored: what the group holds before; of a group that is validated itself, all there is. None: nothing counts.
        has_frame: there is a frame to be written, called `__new`; else the stored rows are validated.
        replaces: the columns by which a new row takes the place of a stored one; none: it never does.
    """

    spec: FeatureGroupSpec
    stored: Snapshot | None
    has_frame: bool
    replaces: tuple[str, ...] = ()

    def source(self, names: Sequence[str]) -> exp.Expr:
        """Return a FROM item called `t` with these columns of the validated rows."""
        if self.has_frame:
            return exp.alias_(exp.to_table(NEW), _SIDE, table=True)
        assert self.stored is not None
        return exp.alias_(read_files(self.stored, fields_of(self.spec, names)), _SIDE, table=True)

    def after(self, names: Sequence[str]) -> exp.Query:
        """Return a SELECT of these columns of all rows that the group has after the write."""
        shown = [column(name, _SIDE) for name in names]
        parts: list[exp.Select] = []
        if self.has_frame:
            parts.append(exp.select(*shown).from_(exp.alias_(exp.to_table(NEW), _SIDE, table=True)))
        if self.stored is not None:
            fields = fields_of(self.spec, dict.fromkeys((*names, *self.replaces)))
            files = exp.alias_(read_files(self.stored, fields), _SIDE, table=True)
            kept = exp.select(*(value.copy() for value in shown)).from_(files)
            if self.has_frame and self.replaces:
                kept = kept.where(exp.Not(this=_has_equal(exp.to_table(NEW), self.replaces, self.replaces)))
            parts.append(kept)
        if len(parts) == 1:
            return parts[0]
        return exp.Union(this=parts[0], expression=parts[1], distinct=False)

    def whole(self) -> exp.Select:
        """Return a SELECT of the validated rows with their place, for a user's SQL. Stored rows are just numbered."""
        shown: list[exp.Expr] = [column(field.name, _SIDE) for field in self.spec.schema]
        if self.has_frame:
            shown.append(column(ROW, _SIDE))
        else:
            number = exp.Window(this=exp.RowNumber())
            shown.append(exp.alias_(exp.Sub(this=number, expression=exp.Literal.number(1)), ROW, quoted=True))
        return exp.select(*shown).from_(self.source([field.name for field in self.spec.schema]))


def fields_of(spec: FeatureGroupSpec, names: Sequence[str] | dict[str, None]) -> Schema:
    """Return the fields of features by their names."""
    return tuple(spec.feature(name).field for name in names)


def is_about_rows(expectation: Expectation) -> bool:
    """Return whether an expectation says by itself which rows fail."""
    return isinstance(expectation, (NotNull, InRange, InSet, Matches, Unique, References))


def needed(expectation: RowExpectation) -> tuple[str, ...]:
    """Return the columns that `failing` reads of the validated rows."""
    if isinstance(expectation, (NotNull, Unique, References)):
        return expectation.columns
    return (expectation.column,)


def failing(rows: Rows, expectation: RowExpectation, referenced: Snapshot | None, other: Schema) -> exp.Expr:
    """Return the condition, over the source called `t`, under which a row fails.

    Args:
        referenced: the rows that a foreign key must be among; None for other expectations.
        other: the fields of its keys there.
    """
    if isinstance(expectation, NotNull):
        nulls = (exp.Is(this=column(name, _SIDE), expression=exp.Null()) for name in expectation.columns)
        return exp.or_(*nulls, copy=False)
    if isinstance(expectation, Matches):
        text, regex = column(expectation.column, _SIDE), exp.Literal.string(expectation.regex)
        return exp.Not(this=exp.Anonymous(this="regexp_full_match", expressions=[text, regex]))
    if isinstance(expectation, Unique):
        return _is_repeated(rows, expectation.columns)
    if isinstance(expectation, References):
        return _is_dangling(rows, expectation, referenced, other)
    predicate = _predicate(expectation)
    types = {field.name: field.type for field in rows.spec.schema}
    holds = condition(predicate, lambda _, name: column(name, _SIDE), lambda _, name: types[name])
    return exp.Not(this=exp.Paren(this=holds))


def _predicate(expectation: InRange | InSet) -> Predicate:
    place = Column(feature=expectation.column, node=0)
    if isinstance(expectation, InSet):
        return IsIn(column=place, values=expectation.values)
    bounds: list[Compare] = []
    if expectation.min is not None:
        bounds.append(
            Compare(column=place, op=">" if expectation.exclude_min else ">=", value=expectation.min)
        )
    if expectation.max is not None:
        bounds.append(
            Compare(column=place, op="<" if expectation.exclude_max else "<=", value=expectation.max)
        )
    return bounds[0] if len(bounds) == 1 else And(left=bounds[0], right=bounds[1])


def _is_repeated(rows: Rows, names: tuple[str, ...]) -> exp.Expr:
    """Return whether a row's values are those of several rows after the write."""
    values = exp.alias_(rows.after(names).subquery(), _VALUES, table=True)
    several = (
        exp.select(*(column(name, _VALUES) for name in names))
        .from_(values)
        .where(exp.and_(*(is_not_null(column(name, _VALUES)) for name in names)))
        .group_by(*(column(name, _VALUES) for name in names))
        .having(exp.GT(this=exp.Count(this=exp.Star()), expression=exp.Literal.number(1)))
    )
    return _has_equal(several.subquery(), names, names)


def _is_dangling(rows: Rows, expectation: References, referenced: Snapshot | None, other: Schema) -> exp.Expr:
    """Return whether a row's values are there and in no row of the other group."""
    there = [is_not_null(column(name, _SIDE)) for name in expectation.columns]
    keys = tuple(field.name for field in other)
    if expectation.id in (
        "",
        rows.spec.id,
    ):  # new rows may refer to each other, not to those that they replace
        target: exp.Expr = rows.after(keys).subquery()
    else:
        assert referenced is not None
        target = read_files(referenced, other)
    return exp.and_(*there, exp.Not(this=_has_equal(target, keys, expectation.columns)), copy=False)


def _has_equal(source: exp.Expr, theirs: Sequence[str], ours: Sequence[str]) -> exp.Expr:
    """Return whether a source has a row whose columns equal those of `t`."""
    equal = exp.and_(
        *(
            exp.EQ(this=column(there, "o"), expression=column(here, _SIDE))
            for there, here in zip(theirs, ours, strict=True)
        ),
        copy=False,
    )
    found = exp.select(exp.Literal.number(1)).from_(exp.alias_(source, "o", table=True)).where(equal)
    return exp.Exists(this=found)


def places(rows: Rows, fails: exp.Expr, names: Sequence[str]) -> exp.Select:
    """Return a SELECT of the places of failing new rows, in order."""
    return exp.select(column(ROW, _SIDE)).from_(rows.source(names)).where(fails).order_by(column(ROW, _SIDE))


def count(rows: Rows, fails: exp.Expr, names: Sequence[str]) -> exp.Select:
    """Return a SELECT of how many rows fail."""
    return exp.select(exp.alias_(exp.Count(this=exp.Star()), _N)).from_(rows.source(names)).where(fails)


def first(rows: Rows, fails: exp.Expr, names: Sequence[str], order: Sequence[str], limit: int) -> exp.Select:
    """Return a SELECT of the first failing rows by `order`."""
    chosen = exp.select(*(column(name, _SIDE) for name in names)).from_(rows.source(names)).where(fails)
    if order:
        chosen = chosen.order_by(*(exp.Ordered(this=column(name, _SIDE)) for name in order))
    return chosen.limit(limit)


def newest(rows: Rows, name: str) -> exp.Select:
    """Return a SELECT of the newest time in a column after the write, in UTC microseconds; null: there is none."""
    spec = rows.spec
    unit = spec.event_time_unit if name == spec.event_time else None
    times = exp.alias_(rows.after([name]).subquery(), _VALUES, table=True)
    micros = event_micros(spec.feature(name).field, unit, column(name, _VALUES))
    return exp.select(exp.alias_(exp.Max(this=micros), _N)).from_(times)


def n_replaced(rows: Rows) -> exp.Select:
    """Return a SELECT of how many stored rows new ones take the place of."""
    assert rows.stored is not None
    files = exp.alias_(read_files(rows.stored, fields_of(rows.spec, rows.replaces)), _SIDE, table=True)
    number = exp.alias_(exp.Count(this=exp.Star()), _N)
    return exp.select(number).from_(files).where(_has_equal(exp.to_table(NEW), rows.replaces, rows.replaces))
