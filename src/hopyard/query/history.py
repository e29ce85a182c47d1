"""SQL trees of what changed: the versions of a group's rows, each with the time for which it was the known one."""

from __future__ import annotations

from collections.abc import Sequence

from sqlglot import exp

from hopyard.model.commit import ChangeFile
from hopyard.model.schema import Field, Schema
from hopyard.query.scan import ADDRESS, ADDRESS_OF_ROW, by_file, column, read_paths

FROM_US = "__from"
"""The commit time of a version."""
TO_US = "__to"
"""The commit time of what replaced or removed it; null: nothing has."""
IS_PUT = "__is_put"
_CHANGE_TYPE = "_change_type"
_ORDER = "__order"


def is_append_only(changes: Sequence[ChangeFile]) -> bool:
    """Return whether every change was the insertion of rows with new identities."""
    return all(change.kind == "put" for change in changes)


def changed_rows(changes: Sequence[ChangeFile], fields: Schema) -> exp.Select:
    """Return the rows of change files, with `__from`, `__is_put` and `__address`, without what an update replaced."""
    kind = column(_CHANGE_TYPE)
    is_put = exp.Coalesce(
        this=exp.In(this=kind.copy(), expressions=[_text("insert"), _text("update_postimage")]),
        expressions=[by_file([exp.true() if change.kind == "put" else exp.false() for change in changes])],
    )
    extra = {
        FROM_US: by_file([exp.Literal.number(change.committed_at_us) for change in changes]),
        IS_PUT: is_put,
        ADDRESS: ADDRESS_OF_ROW,
    }
    wanted = (*fields, Field(name=_CHANGE_TYPE, type="string"))
    rows = read_paths(changes, wanted, extra)
    is_kept = exp.NullSafeNEQ(this=kind.copy(), expression=_text("update_preimage"))
    names = [*(field.name for field in fields), *extra]
    return exp.select(*(column(name) for name in names), copy=False).from_(rows).where(is_kept, copy=False)


def versions(changes: Sequence[ChangeFile], fields: Schema, identity: Sequence[str]) -> exp.Select:
    """Return every version of a group's rows that the changes made, with `__from`, `__to` and `__address`.

    Args:
        changes: all changes from the group's first commit on.
        fields: the features to give; `identity` is among them.
    """
    names = [*(field.name for field in fields), FROM_US, ADDRESS]
    rows = changed_rows(changes, fields)
    if is_append_only(changes):
        forever = exp.alias_(exp.cast(exp.Null(), "BIGINT"), TO_US, quoted=True)
        return exp.select(*(column(name) for name in names), forever).from_(rows.subquery("changed"))
    # A commit may remove a row and put another one of its identity: an overwrite does.
    last = exp.Window(
        this=exp.RowNumber(),
        partition_by=[column(name) for name in (*identity, FROM_US)],
        order=exp.Order(expressions=[exp.Ordered(this=column(IS_PUT), desc=True, nulls_first=False)]),
    )
    rows.append("expressions", exp.alias_(last, _ORDER, quoted=True))
    until = exp.Window(
        this=exp.Lead(this=column(FROM_US)),
        partition_by=[column(name) for name in identity],
        order=exp.Order(expressions=[exp.Ordered(this=column(FROM_US))]),
    )
    ended = (
        exp.select(*(column(name) for name in (*names, IS_PUT)), exp.alias_(until, TO_US, quoted=True))
        .from_(rows.subquery("changed"))
        .where(exp.EQ(this=column(_ORDER), expression=exp.Literal.number(1)))
    )
    return (
        exp.select(*(column(name) for name in (*names, TO_US)))
        .from_(ended.subquery("ended"))
        .where(column(IS_PUT))
    )


def _text(value: str) -> exp.Literal:
    return exp.Literal.string(value)
