"""Rows against the expectations of their group: one result for each, and the places of the rows that fail."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from sqlglot import exp

from hopyard.errors import HopyardError, NotFoundError, QueryError
from hopyard.ingest.find import get_group
from hopyard.ingest.objects import shown
from hopyard.ingest.probe import files_to_probe
from hopyard.model.arrow import to_arrow_schema
from hopyard.model.commit import Snapshot
from hopyard.model.expectations import (
    BadRows,
    Expectation,
    Fresh,
    InRange,
    InSet,
    Matches,
    NotNull,
    References,
    RowCount,
    Unique,
)
from hopyard.model.schema import Schema
from hopyard.model.specs import FeatureGroupSpec
from hopyard.model.validation import ExpectationResult, FailingRow, Plain
from hopyard.ports import Statement
from hopyard.query import failing
from hopyard.query.failing import NEW, NEW_ROWS, ROW, RowExpectation, Rows
from hopyard.query.sql import bind, run
from hopyard.session import Session
from hopyard.time import show

N_EXAMPLES = 3
MAX_TEXT = 80
_COUNT = pa.schema([("__n", pa.int64())])

Places = npt.NDArray[np.int64]
NOWHERE: Places = np.empty(0, np.int64)


@dataclass(frozen=True, slots=True)
class Found:
    """The results of expectations, in their order, and the places in the frame's rows that fail each, ascending."""

    results: tuple[ExpectationResult, ...]
    by_expectation: tuple[Places, ...] = ()

    @property
    def places(self) -> Places:
        """The places of the rows that fail any, ascending."""
        return np.unique(np.concatenate([NOWHERE, *self.by_expectation]))

    @property
    def has_failures(self) -> bool:
        """Whether an expectation is not met."""
        return any(result.status == "failed" for result in self.results)


def check_frame(
    session: Session,
    spec: FeatureGroupSpec,
    table: pa.Table,
    expectations: Sequence[Expectation],
    *,
    stored: Snapshot | None,
    given_places: Places | None = None,
    n_given: int | None = None,
) -> Found:
    """Return what rows that are to be written look like in the light of expectations.

    Args:
        table: as `check_rows` gives them.
        stored: the group as it is; None: what it holds does not stay, or it holds nothing.
        given_places: where each row was in the user's frame; None: where it is.
        n_given: how many rows the user's frame had; None: as many.
    """
    numbered = table.append_column(ROW, pa.array(np.arange(table.num_rows), pa.int64()))
    rows = Rows(spec, stored, has_frame=True, replaces=spec.identity)
    check = _Check(session, rows, {NEW: numbered}, table, given_places, n_given)
    checked = [check.result(expectation) for expectation in expectations]
    return Found(tuple(result for result, _ in checked), tuple(places for _, places in checked))


def check_stored(session: Session, spec: FeatureGroupSpec, snapshot: Snapshot) -> Found:
    """Return what the rows of a group look like in the light of its expectations."""
    check = _Check(session, Rows(spec, snapshot, has_frame=False), {}, None, None, None)
    return Found(tuple(check.result(expectation)[0] for expectation in spec.expectations))


@dataclass(frozen=True, slots=True)
class _Check:
    """What a validation works with; `table` is None where a stored group is validated."""

    session: Session
    rows: Rows
    frames: dict[str, pa.Table]
    table: pa.Table | None
    given_places: Places | None
    n_given: int | None

    def result(self, expectation: Expectation) -> tuple[ExpectationResult, Places]:
        if isinstance(expectation, RowCount):
            return self._row_count(expectation), NOWHERE
        if isinstance(expectation, Fresh):
            return self._fresh(expectation), NOWHERE
        if isinstance(expectation, BadRows):
            return self._bad_rows(expectation)
        assert isinstance(expectation, (NotNull, InRange, InSet, Matches, Unique, References))
        return self._about_rows(expectation)

    def _about_rows(self, expectation: RowExpectation) -> tuple[ExpectationResult, Places]:
        referenced, other = self._referenced(expectation)
        fails = failing.failing(self._near(expectation), expectation, referenced, other)
        names = failing.needed(expectation)
        if self.table is not None:
            tree = failing.places(self.rows, fails, names)
            found = self._collect(tree, pa.schema([(ROW, pa.int64())])).column(ROW).to_numpy()
            return self._of_places(expectation, found, names), found
        n_failed = self._number(failing.count(self.rows, fails.copy(), names)) or 0
        if not n_failed:
            return ExpectationResult(expectation=expectation, status="met"), NOWHERE
        identity = self.rows.spec.identity
        shown_names = tuple(dict.fromkeys((*identity, *names)))
        schema = to_arrow_schema(failing.fields_of(self.rows.spec, shown_names))
        fails = failing.failing(self.rows, expectation, referenced, other)
        examples = self._collect(
            failing.first(self.rows, fails, shown_names, identity or names, N_EXAMPLES), schema
        )
        failed = ExpectationResult(
            expectation=expectation, status="failed", n_failed=n_failed, examples=_examples(examples, None)
        )
        return failed, NOWHERE

    def _of_places(self, expectation: Expectation, places: Places, names: Sequence[str]) -> ExpectationResult:
        """Return the result of an expectation that the new rows at these places fail."""
        if not len(places):
            return ExpectationResult(expectation=expectation, status="met")
        assert self.table is not None
        first = places[:N_EXAMPLES]
        columns = list(dict.fromkeys((*self.rows.spec.identity, *names)))
        given = first if self.given_places is None else self.given_places[first]
        return ExpectationResult(
            expectation=expectation,
            status="failed",
            n_failed=len(places),
            examples=_examples(self.table.select(columns).take(pa.array(first)), given),
        )

    def _referenced(self, expectation: RowExpectation) -> tuple[Snapshot | None, Schema]:
        """Return the rows that a foreign key must be among, and the fields of its keys. Raises QueryError."""
        if not isinstance(expectation, References):
            return None, ()
        spec = self.rows.spec
        if expectation.id in ("", spec.id):
            return None, failing.fields_of(spec, expectation.keys)
        try:
            other = get_group(self.session, expectation.group, expectation.version)
            if other.id != expectation.id:
                raise NotFoundError("feature group", f"{expectation.group}_{expectation.version}", [])
        except NotFoundError as error:
            raise QueryError(
                f"{spec.label!r} expects that {expectation}, and that group has been deleted. Nothing was written. "
                f"Take the expectation away with set_expectations(), or give it the new group."
            ) from error
        snapshot = self.session.offline.snapshot(other.location)
        return self._may_equal(snapshot, expectation.columns, expectation.keys), failing.fields_of(
            other, expectation.keys
        )

    def _near(self, expectation: RowExpectation) -> Rows:
        """Return the rows without the files that can say nothing about whether new rows are unique."""
        if not isinstance(expectation, Unique) or self.rows.stored is None:
            return self.rows
        columns = expectation.columns
        return replace(self.rows, stored=self._may_equal(self.rows.stored, columns, columns))

    def _may_equal(self, snapshot: Snapshot, ours: Sequence[str], theirs: Sequence[str]) -> Snapshot:
        """Return a snapshot with only the files that may hold a row whose columns equal those of a new row."""
        if self.table is None:
            return snapshot
        values = self.table.select(list(ours)).drop_null().rename_columns(list(theirs))
        return files_to_probe(snapshot, values, theirs)

    def _row_count(self, expectation: RowCount) -> ExpectationResult:
        if expectation.of == "frame":
            if self.table is None:
                return ExpectationResult(expectation=expectation, status="skipped")
            n_rows = self.table.num_rows if self.n_given is None else self.n_given
        else:
            n_rows = self._n_after()
        low = expectation.min is not None and n_rows < expectation.min
        high = expectation.max is not None and n_rows > expectation.max
        if not (low or high):
            return ExpectationResult(expectation=expectation, status="met")
        return ExpectationResult(expectation=expectation, status="failed", found=f"it has {n_rows}")

    def _n_after(self) -> int:
        """Return how many rows the group has after the write."""
        stored, replaces = self.rows.stored, self.rows.replaces
        n_rows = (0 if stored is None else stored.n_rows) + (0 if self.table is None else self.table.num_rows)
        if stored is None or self.table is None or not replaces:
            return n_rows
        near = replace(self.rows, stored=self._may_equal(stored, replaces, replaces))
        return n_rows - (self._number(failing.n_replaced(near)) or 0)

    def _is_fresh(self, expectation: Fresh) -> bool:
        """Return whether the new rows alone are fresh: then nothing stored need be read."""
        if self.table is None:
            return False
        newest_us = self._number(failing.newest(replace(self.rows, stored=None), expectation.column))
        return newest_us is not None and self.session.clock() - newest_us <= expectation.within_us

    def _fresh(self, expectation: Fresh) -> ExpectationResult:
        if self._is_fresh(expectation):
            return ExpectationResult(expectation=expectation, status="met")
        newest_us = self._number(failing.newest(self.rows, expectation.column))
        if newest_us is None:
            return ExpectationResult(
                expectation=expectation, status="failed", found="there is no row with a time"
            )
        age_us = self.session.clock() - newest_us
        if age_us <= expectation.within_us:
            return ExpectationResult(expectation=expectation, status="met")
        found = f"it is of {_instant(newest_us)}, {timedelta(seconds=age_us // 1_000_000)} ago"
        return ExpectationResult(expectation=expectation, status="failed", found=found)

    def _bad_rows(self, expectation: BadRows) -> tuple[ExpectationResult, Places]:
        try:
            statement = bind(self.session, expectation.query, {NEW_ROWS: self.rows.whole()}, self.frames)
            if self.table is not None and ROW in statement.schema.names:
                return self._placed(expectation, statement)
            return self._unplaced(expectation, statement), NOWHERE
        except HopyardError as error:
            raise QueryError(
                f"{self.rows.spec.label!r} expects that {expectation}, and its SQL cannot be run: {error} Nothing was "
                f"written."
            ) from error

    def _placed(self, expectation: BadRows, statement: Statement) -> tuple[ExpectationResult, Places]:
        assert self.table is not None
        chosen = exp.select(exp.column(ROW, quoted=True)).distinct().from_(_subquery(statement))
        narrow = Statement(tree=chosen, schema=pa.schema([(ROW, pa.int64())]), frames=statement.frames)
        found = run(self.session, narrow).column(ROW)
        places = np.sort(found.drop_null().to_numpy())
        if found.null_count or (len(places) and not 0 <= places[0] <= places[-1] < self.table.num_rows):
            raise QueryError(
                f"The result has values in {ROW} that are no places of {NEW_ROWS}: select it unchanged."
            )
        columns = [name for name in statement.schema.names if name in self.table.column_names]
        return self._of_places(expectation, places, columns), places

    def _unplaced(self, expectation: BadRows, statement: Statement) -> ExpectationResult:
        number = exp.select(exp.alias_(exp.Count(this=exp.Star()), "__n")).from_(_subquery(statement))
        n_failed = run(self.session, Statement(tree=number, schema=_COUNT, frames=statement.frames))
        n_rows = n_failed.column(0)[0].as_py()
        if not n_rows:
            return ExpectationResult(expectation=expectation, status="met")
        few = exp.select(exp.Star()).from_(_subquery(statement)).limit(N_EXAMPLES)
        first = run(self.session, Statement(tree=few, schema=statement.schema, frames=statement.frames))
        kept = [name for name in first.column_names if name != ROW]
        return ExpectationResult(
            expectation=expectation,
            status="failed",
            n_failed=n_rows,
            found=f"the query returns {n_rows} row(s)" if self.table is not None else "",
            examples=_examples(first.select(kept), None),
        )

    def _number(self, tree: exp.Expr) -> int | None:
        number: int | None = self._collect(tree, _COUNT).column(0)[0].as_py()
        return number

    def _collect(self, tree: exp.Expr, schema: pa.Schema) -> pa.Table:
        return self.session.engine.collect(Statement(tree=tree, schema=schema, frames=self.frames))


def _subquery(statement: Statement) -> exp.Expr:
    return exp.Subquery(
        this=statement.tree.copy(), alias=exp.TableAlias(this=exp.to_identifier("bad", quoted=True))
    )


def _examples(rows: pa.Table, places: Places | None) -> tuple[FailingRow, ...]:
    columns = {name: [plain(scalar) for scalar in rows.column(name)] for name in rows.column_names}
    return tuple(
        FailingRow(
            place=None if places is None else int(places[number]),
            values={name: values[number] for name, values in columns.items()},
        )
        for number in range(rows.num_rows)
    )


def plain(scalar: pa.Scalar) -> Plain:
    """Return a value as JSON can hold it; text of any length is cut."""
    if not scalar.is_valid:
        return None
    if pa.types.is_timestamp(scalar.type):
        # By Arrow: Python's datetime ends at the year 9999.
        return f"{scalar.cast(pa.int64()).cast(pa.timestamp(scalar.type.unit)).cast(pa.string()).as_py()}Z"
    if pa.types.is_date(scalar.type):
        return str(scalar.cast(pa.string()).as_py())
    value: Any = scalar.as_py()
    if isinstance(value, (bool, int)) or (isinstance(value, float) and math.isfinite(value)):
        return value
    text = value if isinstance(value, str) else shown(value) if isinstance(value, bytes) else str(value)
    return text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 3]}..."


def _instant(micros: int) -> str:
    try:
        return show(micros)
    except OverflowError:
        return f"{micros} us since 1970"
