"""Leakage that shows in times: of events, of commits, and of changes."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import numpy as np
import pyarrow as pa

from hopyard.errors import TimeTravelError
from hopyard.model.commit import ChangeFile
from hopyard.model.plan import GroupSource, Output
from hopyard.query.commit_times import (
    COMMITTED_US,
    FIRST_US,
    LAST_US,
    N_ROWS,
    NEW,
    OLD,
    PLACE,
    LaterChanges,
    commit_times,
)
from hopyard.query.history import is_append_only
from hopyard.query.resolve import BEFORE_ALL
from hopyard.retrieve.leakage.report import LeakageFinding
from hopyard.retrieve.leakage.rows import CheckedRows, Mask, Times
from hopyard.session import Session
from hopyard.time import from_micros

MIN_MATCHES = 20
"""Fewer rows than this may have the time of their match by chance."""


class TimeChecks:
    """The checks by time. What each group's history says is read once, for all labels.

    Attributes:
        skipped: what could not be checked, filled while the checks run.
    """

    def __init__(self, session: Session, rows: CheckedRows) -> None:
        self._session = session
        self._rows = rows
        self._changes: dict[int, tuple[ChangeFile, ...] | None] = {}
        self._commits: dict[int, tuple[Times, Times, Mask] | None] = {}
        self.skipped: list[str] = []

    def of_label(self, label: Output) -> Iterator[LeakageFinding]:
        """Yield what is later than a label."""
        known = self._rows.is_known(label.name)
        label_times = self._rows.label_times(label)
        for node in range(len(self._rows.plan.nodes)):
            if node == label.node or not self._rows.features_of(node):
                continue
            yield from self._later_events(node, label, label_times, known)
            if node > 0 and label_times is not None:
                yield from self._later_commits(node, label, label_times, known)

    def _later_events(
        self, node: int, label: Output, label_times: tuple[Times, Mask] | None, known: Mask
    ) -> Iterator[LeakageFinding]:
        own = self._rows.times(node)
        if own is None:
            return
        group = self._rows.group(node)
        if label_times is None:
            places = np.flatnonzero(known & own[1])
            if len(places):
                yield LeakageFinding(
                    kind="unknown_time",
                    severity="warning",
                    label=label.name,
                    features=self._rows.features_of(node),
                    group=group,
                    message=f"{label.name!r} has no event time, so in {len(places)} rows nothing says that the row of "
                    f"{group} was there before it.",
                    advice=f"Give {self._rows.group(0)} an event time, so that each row is joined with what was "
                    f"before it.",
                    n_rows=len(places),
                    n_checked=int(known.sum()),
                    example=self._rows.example(
                        int(places[0]), {f"{group} event time": _instant(int(own[0][places[0]]))}
                    ),
                )
            return
        compared = known & own[1] & label_times[1]
        places = np.flatnonzero(compared & (own[0] > label_times[0]))
        if len(places):
            first = int(places[0])
            yield LeakageFinding(
                kind="later_event",
                severity="error",
                label=label.name,
                features=self._rows.features_of(node),
                group=group,
                message=f"In {len(places)} of {int(compared.sum())} rows, the row of {group} happened after "
                f"{label.name!r}, by up to {_longest(own[0] - label_times[0], places)}.",
                advice=f"Start the query from the group with {label.name!r} and its event time, so that the join "
                f"leaves out what came later.",
                n_rows=len(places),
                n_checked=int(compared.sum()),
                example=self._rows.example(
                    first,
                    {
                        f"{label.name} event time": _instant(int(label_times[0][first])),
                        f"{group} event time": _instant(int(own[0][first])),
                    },
                ),
            )

    def _later_commits(
        self, node: int, label: Output, label_times: tuple[Times, Mask], known: Mask
    ) -> Iterator[LeakageFinding]:
        committed = self._committed(node)
        if committed is None:
            return
        first_us, last_us, is_found = committed
        compared = known & label_times[1] & is_found
        is_late = compared & (last_us > label_times[0])
        places = np.flatnonzero(is_late)
        if not len(places):
            return
        group = self._rows.group(node)
        n_changed = int((is_late & (first_us <= label_times[0])).sum())
        changed = f" In {n_changed} of them an earlier version of it was there by then." if n_changed else ""
        first = int(places[0])
        yield LeakageFinding(
            kind="later_commit",
            severity="warning",
            label=label.name,
            features=self._rows.features_of(node),
            group=group,
            message=f"In {len(places)} of {int(compared.sum())} rows, the row of {group} was committed after "
            f"{label.name!r}, by up to {_longest(last_us - label_times[0], places)}.{changed}",
            advice="Normal where history was loaded later than it happened. Otherwise read only what was known at the "
            "time of each row, with query.as_known(); its delay= allows for the usual lag.",
            n_rows=len(places),
            n_checked=int(compared.sum()),
            example=self._rows.example(
                first,
                {
                    f"{label.name} event time": _instant(int(label_times[0][first])),
                    f"{group} committed at": _instant(int(last_us[first])),
                },
            ),
        )

    def same_times(self) -> Iterator[LeakageFinding]:
        """Yield the groups whose every match has the very event time of its row."""
        root = self._rows.times(0)
        own_nodes = {label.node for label in self._rows.labels}
        for node in range(1, len(self._rows.plan.nodes)):
            times = self._rows.times(node)
            features = self._rows.features_of(node)
            if root is None or times is None or node in own_nodes or not features:
                continue
            places = np.flatnonzero(times[1])
            if len(places) < MIN_MATCHES or not bool((times[0][places] == root[0][places]).all()):
                continue
            group = self._rows.group(node)
            yield LeakageFinding(
                kind="same_time",
                severity="warning",
                label="",
                features=features,
                group=group,
                message=f"In all of {len(places)} matches, the row of {group} has the very event time of the row that "
                f"it was joined to: it may have been computed from the same event as the label.",
                advice=f"Give the rows of {group} the time at which they were known, or make sure that they hold "
                f"nothing of the event itself.",
                n_rows=len(places),
                n_checked=len(places),
                example=self._rows.example(
                    int(places[0]), {f"{group} event time": _instant(int(times[0][places[0]]))}
                ),
            )

    def changed_later(self) -> Iterator[LeakageFinding]:
        """Yield the features of the left-most group that were changed after their event time."""
        rows, source = self._rows, self._rows.plan.root.source
        identity = rows.identity(0)
        columns = {field.name for field in identity} | {source.event_time}
        features = {
            out.feature: out.name for out in rows.features if out.node == 0 and out.feature not in columns
        }
        if not isinstance(source, GroupSource) or source.event_time is None or not identity or not features:
            return
        changes = self._changes_of(0)
        if changes is None or is_append_only(changes):
            return
        is_labelled = np.logical_or.reduce([rows.is_known(label.name) for label in rows.labels])
        stored = self._session.offline.spec(source.location).features
        statements = LaterChanges(
            changes,
            identity=identity,
            event_time=rows.plan.field(0, source.event_time),
            event_time_unit=source.event_time_unit,
            features=tuple(rows.plan.field(0, feature) for feature in features),
            defaults={f.name: f.default for f in stored if f.default is not None},
            wanted=rows.identities(0).filter(pa.array(is_labelled)),
        )
        counts = self._session.engine.collect(statements.counts()).to_pylist()[0]
        n_rows = counts.pop(N_ROWS)
        if not n_rows:
            return
        changed = {features[name]: count for name, count in counts.items() if count}
        first = self._session.engine.collect(statements.example()).to_pylist()[0]
        shown: dict[str, object] = {field.name: first[field.name] for field in identity}
        shown["changed at"] = _instant(first[COMMITTED_US])
        for feature, name in features.items():
            if repr(first[OLD + feature]) != repr(first[NEW + feature]):  # repr: NaN is NaN
                shown |= {f"{name} then": first[OLD + feature], f"{name} now": first[NEW + feature]}
        per_feature = ", ".join(f"{name} in {count}" for name, count in changed.items())
        yield LeakageFinding(
            kind="changed_later",
            severity="error",
            label="",
            features=tuple(changed),
            group=source.label,
            message=f"In {n_rows} of {int(is_labelled.sum())} rows, features of {source.label} were changed after the "
            f"row's event time ({per_feature}), and training sees the later values.",
            advice="If they were corrected, nothing is wrong. If they became known later, put them into a group of "
            "their own, with the time at which they became known as its event time, and join it.",
            n_rows=n_rows,
            n_checked=int(is_labelled.sum()),
            example=shown,
        )

    def _committed(self, node: int) -> tuple[Times, Times, Mask] | None:
        """Return when the row of a node was first and last committed, and in which rows that is known."""
        if node not in self._commits:
            self._commits[node] = self._read_commits(node)
        return self._commits[node]

    def _read_commits(self, node: int) -> tuple[Times, Times, Mask] | None:
        if self._rows.plan.known_delay_us is not None:
            return None  # the query itself leaves out what was committed later
        changes = self._changes_of(node)
        if changes is None:
            return None
        identities = self._rows.identities(node)
        is_match = np.logical_and.reduce([np.asarray(column.is_valid()) for column in identities.columns])
        places = pa.array(np.flatnonzero(is_match))
        wanted = identities.take(places).append_column(PLACE, places)
        found = self._session.engine.collect(commit_times(changes, self._rows.identity(node), wanted))
        first_us, last_us = np.zeros(self._rows.n_rows, np.int64), np.zeros(self._rows.n_rows, np.int64)
        is_found = np.zeros(self._rows.n_rows, np.bool_)
        at = found.column(PLACE).to_numpy()
        first_us[at], last_us[at] = found.column(FIRST_US).to_numpy(), found.column(LAST_US).to_numpy()
        is_found[at] = True
        return first_us, last_us, is_found

    def _changes_of(self, node: int) -> tuple[ChangeFile, ...] | None:
        """Return all changes of a node's group up to the commit that was read; None: they cannot be read."""
        if node not in self._changes:
            self._changes[node] = self._read_changes(node)
        return self._changes[node]

    def _read_changes(self, node: int) -> tuple[ChangeFile, ...] | None:
        read = self._rows.plan.nodes[node]
        assert isinstance(read.source, GroupSource) and read.commit is not None
        reason = "the history of its commits cannot be read here"
        if (
            self._session.offline.capabilities.has_change_feed
            and self._session.engine.capabilities.has_file_lists
        ):
            try:
                return tuple(self._session.offline.changes(read.source.location, BEFORE_ALL, read.commit))
            except TimeTravelError as error:
                reason = str(error)
        self.skipped.append(f"when the rows of {read.source.label} were committed: {reason}")
        return None


def _longest(difference_us: Times, places: Times) -> timedelta:
    return timedelta(microseconds=int(difference_us[places].max()))


def _instant(micros: int) -> object:
    """Return an instant as an aware datetime, or as microseconds where it is beyond the years that those have."""
    try:
        return from_micros(micros)
    except OverflowError:
        return micros
