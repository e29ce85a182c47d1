"""SQL trees of when rows were committed, and what was changed in them after their event time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pyarrow as pa
from sqlglot import exp

from hopyard.model.arrow import to_arrow_schema
from hopyard.model.commit import ChangeFile
from hopyard.model.plan import Value
from hopyard.model.schema import Field, Schema
from hopyard.model.specs import EventTimeUnit
from hopyard.ports import Statement
from hopyard.query.history import FROM_US, IS_PUT, TO_US, changed_rows, versions
from hopyard.query.scan import column, count_where, event_micros, sql_literal, tree_type

WANTED = "wanted"
PLACE = "__place"
FIRST_US = "__first_us"
LAST_US = "__last_us"
N_ROWS = "__n_rows"
COMMITTED_US = "__committed_us"
OLD, NEW = "__old_", "__new_"
_IS_LATER = "__is_later"
_CHOICE = "__choice"


def commit_times(changes: Sequence[ChangeFile], identity: Schema, wanted: pa.Table) -> Statement:
    """Return the statement that gives for rows the commit times of their first version and of the present one.

    Args:
        changes: all changes of the group from its first commit on.
        identity: the columns that identify a row.
        wanted: these columns and `__place`, a bigint that comes back with the times, but for rows without a version.
    Returns:
        `__place`, `__first_us`, `__last_us` (UTC microseconds), in no order.
    """
    names = [field.name for field in identity]
    times = (
        exp.select(
            *(column(name) for name in names),
            exp.alias_(exp.Min(this=column(FROM_US)), FIRST_US, quoted=True),
            exp.alias_(exp.Max(this=column(FROM_US)), LAST_US, quoted=True),
            copy=False,
        )
        .from_(changed_rows(changes, identity).subquery("changed"))
        .where(column(IS_PUT))
        .group_by(*(column(name) for name in names))
        .subquery("t")
    )
    tree = exp.select(column(PLACE, "w"), column(FIRST_US, "t"), column(LAST_US, "t"), copy=False).from_(
        exp.alias_(exp.to_table(WANTED), "w", table=True), copy=False
    )
    tree = tree.join(times, on=_same(names, "w", "t"), copy=False)
    schema = tuple(Field(name=name, type="bigint") for name in (PLACE, FIRST_US, LAST_US))
    return Statement(tree=tree, schema=to_arrow_schema(schema), frames={WANTED: wanted})


class LaterChanges:
    """The statements that find what a group's rows have now and did not have at their event time.

    A row is compared with its version that was committed by its event time, else with its first one: data that always
    comes late is no change. A feature that was appended later and has its default in older rows is no change either.
    """

    def __init__(
        self,
        changes: Sequence[ChangeFile],
        *,
        identity: Schema,
        event_time: Field,
        event_time_unit: EventTimeUnit | None,
        features: Schema,
        defaults: Mapping[str, Value],
        wanted: pa.Table,
    ) -> None:
        """Keep what the statements are made of.

        Args:
            changes: all changes of the group from its first commit on.
            features: what to compare, none of it in `identity`.
            wanted: the identity columns of the rows that count, each row once.
        """
        self._identity = identity
        self._features = features
        self._defaults = defaults
        self._wanted = wanted
        self._changed = self._compared(changes, event_time, event_time_unit)

    def counts(self) -> Statement:
        """Return the statement that gives one row: `__n_rows` that changed, and the number of changes per feature."""
        count = exp.alias_(exp.Count(this=exp.Star()), N_ROWS, quoted=True)
        per_feature = [
            exp.alias_(count_where(self._is_changed(field)), field.name, quoted=True)
            for field in self._features
        ]
        tree = exp.select(count, *per_feature, copy=False).from_(self._rows(), copy=False)
        names = (N_ROWS, *(field.name for field in self._features))
        schema = to_arrow_schema(tuple(Field(name=name, type="bigint") for name in names))
        return Statement(tree=tree, schema=schema, frames={WANTED: self._wanted})

    def example(self) -> Statement:
        """Return the statement that gives the first row that changed, by identity.

        It has the identity, `__committed_us` of the present version, and each feature with `__old_` and `__new_` before
        its name.
        """
        values = [(prefix + field.name, field.type) for field in self._features for prefix in (OLD, NEW)]
        shown = [*((field.name, field.type) for field in self._identity), (COMMITTED_US, "bigint"), *values]
        tree = (
            exp.select(*(column(name) for name, _ in shown), copy=False)
            .from_(self._rows(), copy=False)
            .order_by(*(column(field.name) for field in self._identity), copy=False)
            .limit(1, copy=False)
        )
        schema = to_arrow_schema(tuple(Field(name=name, type=type_) for name, type_ in shown))
        return Statement(tree=tree, schema=schema, frames={WANTED: self._wanted})

    def _rows(self) -> exp.Expr:
        is_any = exp.or_(*(self._is_changed(field) for field in self._features), copy=False)
        return exp.select("*").from_(self._changed.copy()).where(is_any).subquery("found")

    def _is_changed(self, field: Field) -> exp.Expr:
        old, new = column(OLD + field.name), column(NEW + field.name)
        differs = exp.NullSafeNEQ(this=old, expression=new)
        default = self._defaults.get(field.name)
        if default is None or default.value is None:
            return exp.Paren(this=differs)
        value = exp.cast(sql_literal(default.to_python()), tree_type(field.feature_type))
        is_filled = exp.And(
            this=exp.Is(this=old.copy(), expression=exp.Null()),
            expression=exp.EQ(this=new.copy(), expression=value),
        )
        return exp.Paren(this=exp.And(this=differs, expression=exp.Not(this=exp.Paren(this=is_filled))))

    def _compared(
        self, changes: Sequence[ChangeFile], event_time: Field, unit: EventTimeUnit | None
    ) -> exp.Expr:
        """Return the rows whose present version came after another one and after their event time, with both."""
        names = [field.name for field in self._identity]
        features = [field.name for field in self._features]
        at = event_micros(event_time, unit, column(event_time.name))
        is_by_then = exp.LTE(this=column(FROM_US), expression=at)
        distance = exp.Abs(this=exp.Sub(this=column(FROM_US), expression=exp.Paren(this=at.copy())))
        choice = exp.Window(
            this=exp.RowNumber(),
            partition_by=[column(name) for name in names],
            order=exp.Order(
                expressions=[
                    exp.Ordered(this=exp.Paren(this=is_by_then.copy()), desc=True, nulls_first=False),
                    exp.Ordered(this=distance, nulls_first=False),
                ]
            ),
        )
        fields = {field.name: field for field in (*self._identity, event_time, *self._features)}
        all_versions = versions(changes, tuple(fields.values()), names).subquery("versions")
        wanted = exp.Join(
            this=exp.alias_(exp.to_table(WANTED), "w", table=True),
            kind="SEMI",
            on=_same(names, "versions", "w"),
        )
        every = [*names, *features, FROM_US, TO_US]
        ranked = exp.select(
            *(column(name, "versions") for name in every),
            exp.alias_(exp.Not(this=exp.Paren(this=is_by_then)), _IS_LATER, quoted=True),
            exp.alias_(choice, _CHOICE, quoted=True),
            copy=False,
        ).from_(all_versions, copy=False)
        ranked.append("joins", wanted)
        now = (
            exp.select("*")
            .from_(ranked.copy().subquery("r"))
            .where(exp.Is(this=column(TO_US), expression=exp.Null()), column(_IS_LATER))
            .subquery("now")
        )
        then = (
            exp.select("*")
            .from_(ranked.subquery("r"))
            .where(exp.EQ(this=column(_CHOICE), expression=exp.Literal.number(1)))
            .subquery("then")
        )
        shown = [
            *(column(name, "now") for name in names),
            exp.alias_(column(FROM_US, "now"), COMMITTED_US, quoted=True),
            *(exp.alias_(column(name, "then"), OLD + name, quoted=True) for name in features),
            *(exp.alias_(column(name, "now"), NEW + name, quoted=True) for name in features),
        ]
        later = exp.GT(this=column(FROM_US, "now"), expression=column(FROM_US, "then"))
        return (
            exp.select(*shown, copy=False)
            .from_(now, copy=False)
            .join(then, on=exp.And(this=_same(names, "now", "then"), expression=later), copy=False)
            .subquery("compared")
        )


def _same(names: Sequence[str], left: str, right: str) -> exp.Expr:
    pairs = (exp.EQ(this=column(name, left), expression=column(name, right)) for name in names)
    return exp.and_(*pairs, copy=False)
