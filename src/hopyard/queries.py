"""The user's query: features of one or several groups, joined."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from hopyard.errors import QueryError
from hopyard.model.explanation import Explanation
from hopyard.model.plan import Column, JoinType, Plan
from hopyard.model.schema import Schema
from hopyard.model.specs import EventTimeUnit
from hopyard.query.build import JoinOptions, as_known, as_of, filter_rows, find_output, join
from hopyard.query.feature import Condition, Feature, predicate_of
from hopyard.retrieve.explain import explain
from hopyard.retrieve.leakage.check import check_query
from hopyard.retrieve.leakage.report import LeakageReport
from hopyard.retrieve.read import query_batches, query_frame, to_sql
from hopyard.retrieve.spine import frame_spine
from hopyard.session import Session
from hopyard.time import Instant

if TYPE_CHECKING:
    import pyarrow as pa


class Query:
    """Features of feature groups, joined point-in-time right. Lazy and immutable: each method returns a new query."""

    def __init__(self, session: Session, plan: Plan, frame: pa.Table | None = None) -> None:
        self._session = session
        self._plan = plan
        self._frame = frame
        """The rows of a root that is a dataframe."""

    @property
    def plan(self) -> Plan:
        """The query as frozen data."""
        return self._plan

    @property
    def frame(self) -> pa.Table | None:
        """The rows of a left-most side that is a dataframe."""
        return self._frame

    @property
    def schema(self) -> Schema:
        """Names and feature types of the result, in order."""
        return self._plan.schema

    @property
    def features(self) -> list[str]:
        """The names of the result's columns, in order."""
        return [out.name for out in self._plan.outputs]

    def join(
        self,
        other: Query,
        on: Sequence[str] | None = None,
        *,
        left_on: Sequence[str] | None = None,
        right_on: Sequence[str] | None = None,
        join_type: JoinType = "left",
        prefix: str | None = None,
        max_age: timedelta | None = None,
        allow_many: bool = False,
        include_event_time: bool = False,
    ) -> Query:
        """Return this query with another one joined to its left-most group.

        Where both sides have an event time, each row gets the newest row of `other` at or before its own event time:
        never a later one, and exactly one row per left row. A query that has joins itself is attached as a snowflake,
        at the event time of this query's root.

        Args:
            other: the right side. `select_all()` leaves out its event time and its join keys.
            on: columns of both sides to join on. Default: inferred from primary and foreign keys.
            left_on: columns of this query's left-most group to join on, where the names differ.
            right_on: the columns of `other`, pairwise.
            join_type: `left` keeps every row; `inner` drops those without a match and nothing else.
            prefix: put before each name of `other`.
            max_age: an older row of `other` does not match; exactly this age does. Wins over the group's ttl.
            allow_many: let a join without event times that covers a part of the right key multiply rows.
            include_event_time: return the event time of `other`, too.
        Raises:
            JoinKeyError: no keys can be inferred, or those given cannot be used.
            AmbiguousFeatureError: two columns would have one name.
            QueryError: a join type that would return rows without a time of their own.
        """
        options = JoinOptions(
            on=on,
            left_on=left_on,
            right_on=right_on,
            join_type=join_type,
            prefix=prefix,
            max_age=max_age,
            allow_many=allow_many,
            include_event_time=include_event_time,
        )
        return self._with(join(self._plan, plan_of(other), options))

    def filter(self, condition: Condition) -> Query:
        """Return the query with only the rows that match.

        On one group's query the filter applies to its rows before any join; after a join it applies to the joined
        rows, and in a feature view it selects training rows only.

        Raises:
            NotFoundError, AmbiguousFeatureError, QueryError: a feature or value that cannot be compared.
        """
        return self._with(filter_rows(self._plan, predicate_of(condition)))

    def as_of(self, when: Instant | int | None, exclude_until: Instant | int | None = None) -> Query:
        """Return the query reading every group as it was committed at an instant.

        Args:
            when: see `hopyard.time.to_micros`; for a query of one group also a commit number; None: the latest.
            exclude_until: read only the rows that were last changed after this instant (or commit).
        Raises:
            TimeTravelError: no instant, or a commit number on a join. (That nothing was there yet shows on reading.)
        """
        return self._with(as_of(self._plan, when, exclude_until))

    def as_known(self, *, delay: timedelta = timedelta(0)) -> Query:
        """Return the query in which each row sees of the joined groups only what was committed by its event time.

        A later update or removal does not count for a row: it sees the values that it would have been served then.

        Args:
            delay: also what was committed so long after the event time: how late the data usually comes. A negative one
                asks for what was committed so long before.
        Raises:
            QueryError: the left-most group has no event time (on reading).
            TimeTravelError: the history that this needs was vacuumed (on reading).
        """
        return self._with(as_known(self._plan, delay))

    def read(
        self, *, dataframe_type: str = "default", order_by: Sequence[str] = (), limit: int | None = None
    ) -> Any:
        """Return the result as a dataframe.

        Args:
            dataframe_type: pandas, polars, arrow, numpy or python (a list of dicts); default: pandas if it is
                installed, else arrow.
            order_by: names of result columns to sort by, ascending; default: no order is promised, except that the
                rows of a dataframe (`FeatureStore.spine`) keep theirs.
            limit: at most this many rows.
        Raises:
            TimeTravelError: the state asked for cannot be read.
            MultipleMatchesError: a plain join would multiply rows.
        """
        return query_frame(
            self._session, self._plan, dataframe_type, frame=self._frame, order_by=order_by, limit=limit
        )

    def read_batches(self) -> pa.RecordBatchReader:
        """Return the result as a stream of Arrow batches; it may be larger than memory. See `read` for order, errors.

        Not all of the result exists at once: batches of at most 122,880 rows are made while the stream is read, within
        the memory limit (see the page on configuration).
        """
        return query_batches(self._session, self._plan, frame=self._frame)

    def show(self, n: int = 10) -> Any:
        """Return the first `n` rows, in no promised order (a dataframe's own rows in theirs), as a dataframe."""
        return query_frame(self._session, self._plan, "default", frame=self._frame, limit=n)

    def explain(self, *, analyze: bool = False) -> Explanation:
        """Return what the query does; print it to read it.

        It has the join tree, why each join key was chosen, the rule of each join, the files and bytes that are read
        after those that cannot matter are left out, and the SQL.

        Args:
            analyze: also run it, and count the rows of each step, how many match, why the others do not, and the share
                of nulls of each feature.
        Raises:
            TimeTravelError: the state asked for cannot be read.
        """
        return explain(self._session, self._plan, frame=self._frame, analyze=analyze)

    def check_leakage(self, label: Sequence[str] | str) -> LeakageReport:
        """Return in which ways the other columns of the result may know the label.

        Errors: rows that happened after the label; features of the left-most group that were changed after their event
        time; a column that equals the label, or that of the entity's next row, in 99 % of at least 200 pairs; a column
        that separates the two values of a label, or is null with one of them, with an AUC of at least 0.995 (or at most
        0.005), where each value has 200 rows.

        Warnings, of what may be right: rows that were committed after the label, as loaded history is; a column that
        equals the label of the entity's previous row; a group whose every match has the event time of its row; a label
        without event time.

        Args:
            label: a column of the result to predict, or several.
        Raises:
            NotFoundError: no such column.
            TimeTravelError, MultipleMatchesError: see `read`.
        """
        return check_query(self._session, self._plan, label, frame=self._frame)

    def to_string(self, *, dialect: str | None = None) -> str:
        """Return the SQL that answers the query.

        Args:
            dialect: duckdb or spark; None: that of the store's engine. Spark reads the Delta tables in the state that
                the query reads, and a dataframe from a temporary view `spine` with one more column, `__row`: the
                number of the row, from 0 on. Its session has to be in UTC, or it shows instants in another zone.
        Raises:
            QueryError: another dialect, or what a dialect cannot say (as_known() and exclude_until= in Spark).
            TimeTravelError: the state asked for cannot be read.
        """
        return to_sql(self._session, self._plan, frame=self._frame, dialect=dialect)

    def __getitem__(self, name: str) -> Feature:
        """Return a column of the result, to be compared in `filter`. Raises NotFoundError."""
        out = find_output(self._plan, name)
        field = self._plan.field(out.node, out.feature)
        return Feature(Column(feature=out.feature, node=out.node), type=field.type)

    def __repr__(self) -> str:
        groups = " + ".join(node.source.label for node in self._plan.nodes)
        return f"Query({groups}: {', '.join(self.features)})"

    def _with(self, plan: Plan) -> Query:
        """Return the query of another plan over the same dataframe, if there is one."""
        return Query(self._session, plan, self._frame)


def query_over(
    session: Session,
    df: object,
    *,
    event_time: str | None = None,
    event_time_unit: EventTimeUnit | None = None,
    primary_key: Sequence[str] | str = (),
    foreign_key: Sequence[str] | Mapping[str, str] | str = (),
) -> Query:
    """Return a query whose root is a dataframe; see `FeatureStore.spine`."""
    spine = frame_spine(
        session,
        df,
        event_time=event_time,
        event_time_unit=event_time_unit,
        primary_key=primary_key,
        foreign_key=foreign_key,
    )
    return Query(session, spine.plan, spine.rows)


def plan_of(query: object) -> Plan:
    """Return the plan of a query. Raises QueryError for anything else."""
    if isinstance(query, Query):
        return query.plan
    given = type(query).__name__
    advice = {
        "FeatureGroup": "Of a feature group, give group.select_all().",
        "FeatureView": "Of a feature view, give view.query.",
        "DataFrame": "A dataframe can be the left-most side of a query, with fs.spine(df). To join its columns to "
        "another one, insert it into a feature group.",
    }.get(given, "Make one from a feature group, with select_all() or select([...]).")
    shown = f"a {given}" if given == "DataFrame" else repr(query)
    raise QueryError(f"This takes a query, and was given {shown}. {advice}")
