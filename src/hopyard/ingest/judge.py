"""What becomes of rows by the expectations of their group: written, refused, or the failing ones kept apart."""

from __future__ import annotations

import secrets
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import msgspec
import numpy as np
import pyarrow as pa

from hopyard.errors import (
    ExistingRowsError,
    HopyardWarning,
    OnlineBehindError,
    StoreError,
    TimeTravelError,
    ValidationError,
)
from hopyard.ingest.check import CheckedRows, check_rows
from hopyard.ingest.create import current_group
from hopyard.ingest.frame import to_arrow_table
from hopyard.ingest.on_demand import with_on_demand
from hopyard.ingest.quarantine import set_apart, take_back
from hopyard.ingest.reports import keep_report
from hopyard.ingest.validate import NOWHERE, Found, Places, check_frame, check_stored
from hopyard.model.commit import Commit, Snapshot
from hopyard.model.expectations import LOCAL
from hopyard.model.specs import FeatureGroupSpec
from hopyard.model.validation import ExpectationResult, Outcome, ValidationReport
from hopyard.session import Session


@dataclass(slots=True)
class Judged:
    """Rows that may be written, and those that may not.

    Attributes:
        rows: what is to be written.
        apart: the rows to be kept apart, as `rows` has them.
        reasons: why each of them is.
        report: None: the group expects nothing.
    """

    rows: CheckedRows
    apart: pa.Table | None = None
    reasons: list[str] | None = None
    report: ValidationReport | None = None


def judge(
    session: Session,
    spec: FeatureGroupSpec,
    checked: CheckedRows,
    *,
    overwrite: bool,
    quarantine: bool,
) -> Judged:
    """Return what is to be written of checked rows. The caller holds the lock of a group that is stored.

    With `quarantine`, failing rows are left out until those that stay meet what is expected of them together.

    Raises:
        ValidationError: the group is strict and the rows fail; a report is kept, if the group is stored.
    """
    if not spec.expectations:
        return Judged(checked)
    stored = None if overwrite or not spec.id else session.offline.snapshot(spec.location)
    found = check_frame(
        session,
        spec,
        checked.rows,
        spec.expectations,
        stored=stored,
        given_places=checked.places,
        n_given=checked.n_rows_in,
    )
    apart = found.places if quarantine else NOWHERE
    results = found.results
    if len(apart):
        apart, results = _leave_out(session, spec, checked, found, stored)
    report = _report(session, spec, checked, found.places, results)
    is_failed_as_a_whole = any(result.status == "failed" and result.found for result in results)
    if spec.expectation_policy == "strict" and (
        is_failed_as_a_whole or (found.has_failures and not quarantine)
    ):
        raise _refused(session, spec, report, quarantine=quarantine)
    if not len(apart):
        report = _outcome(report, "written")
        _warn(spec, report)
        return Judged(checked, report=report)
    report = msgspec.structs.replace(
        _outcome(report, "quarantined"), n_failed=len(apart), n_quarantined=len(apart)
    )
    _warn(spec, report)
    stays = np.ones(checked.rows.num_rows, np.bool_)
    stays[apart] = False
    places = np.arange(len(stays)) if checked.places is None else checked.places
    return Judged(
        replace(checked, rows=checked.rows.filter(pa.array(stays)), places=places[stays]),
        checked.rows.take(pa.array(apart)),
        _reasons(found, apart),
        report,
    )


@contextmanager
def judged_write(session: Session, spec: FeatureGroupSpec, judged: Judged) -> Iterator[list[Commit]]:
    """Keep rows apart before a write and the report after it; the write puts its commit into the list.

    Rows are kept apart first: a crash in between leaves them twice at most, and never lost.
    """
    report, commits = judged.report, list[Commit]()
    if report is None:
        yield commits
        return
    if judged.apart is not None:
        assert judged.reasons is not None
        set_apart(session, spec, judged.apart, judged.reasons, report.id)
        session.failpoint("rows_set_apart")
    try:
        yield commits
    except OnlineBehindError as error:  # the commit stands
        _keep(session, spec, msgspec.structs.replace(report, commit=error.commit))
        raise
    except (ExistingRowsError, TimeTravelError):  # nothing was written
        if judged.apart is not None:
            take_back(session, spec, report.id)
        raise
    _keep(session, spec, msgspec.structs.replace(report, commit=commits[0].number))


def validate(
    session: Session, spec: FeatureGroupSpec, frame: object | None, *, keep: bool
) -> ValidationReport:
    """Return how a frame, or the group's own rows, meet the expectations; nothing is written but the report.

    Args:
        frame: None: the rows of the last commit.
        keep: keep the report with the group.
    """
    spec = current_group(session, spec)
    snapshot = session.offline.snapshot(spec.location)
    if frame is None:
        found = check_stored(session, spec, snapshot)
        report = _new_report(session, spec, snapshot.n_rows, found.results, None)
        report = msgspec.structs.replace(report, commit=snapshot.commit)
    else:
        described, table = with_on_demand(session, spec, to_arrow_table(frame))
        checked = check_rows(described, table, now_us=session.clock(), allow_future=True)
        found = check_frame(
            session,
            described,
            checked.rows,
            described.expectations,
            stored=snapshot,
            given_places=checked.places,
            n_given=checked.n_rows_in,
        )
        report = _report(session, described, checked, found.places, found.results)
    if keep:
        keep_report(session, spec, report)
    return report


def _leave_out(
    session: Session, spec: FeatureGroupSpec, checked: CheckedRows, found: Found, stored: Snapshot | None
) -> tuple[Places, tuple[ExpectationResult, ...]]:
    """Return the places of the rows to leave out, and the results with what only came up without them."""
    together = [item for item in spec.expectations if not isinstance(item, LOCAL)]
    out, latest = found.places, {result.expectation: result for result in found.results}
    fresh = found.places
    while len(fresh) and together:
        stays = np.setdiff1d(np.arange(checked.rows.num_rows), out)
        places = stays if checked.places is None else checked.places[stays]
        rest = check_frame(
            session,
            spec,
            checked.rows.take(pa.array(stays)),
            together,
            stored=stored,
            given_places=places,
            n_given=checked.n_rows_in,
        )
        fresh = stays[rest.places]
        out = np.union1d(out, fresh)
        for result in rest.results:
            # What is about all rows together counts as it is in the end; of single rows, the first finding is told.
            known = latest[result.expectation]
            if known.status != "failed" or known.found:
                latest[result.expectation] = result
    return out, tuple(latest[result.expectation] for result in found.results)


def _reasons(found: Found, apart: Places) -> list[str]:
    """Return which expectations each row fails; of one that fails only without others, that it does."""
    reasons: list[list[str]] = [[] for _ in apart]
    for result, places in zip(found.results, found.by_expectation, strict=True):
        for number in np.flatnonzero(np.isin(apart, places)):
            reasons[number].append(str(result.expectation))
    return ["; ".join(lines) or "fails once other failing rows are left out" for lines in reasons]


def _new_report(
    session: Session,
    spec: FeatureGroupSpec,
    n_rows: int,
    results: tuple[ExpectationResult, ...],
    n_failed: int | None,
) -> ValidationReport:
    return ValidationReport(
        id=secrets.token_hex(8),
        group=spec.label,
        at_us=session.clock(),
        actor=session.actor,
        policy=spec.expectation_policy,
        outcome="checked",
        n_rows=n_rows,
        n_failed=n_failed,
        results=results,
    )


def _report(
    session: Session,
    spec: FeatureGroupSpec,
    checked: CheckedRows,
    places: Places,
    results: tuple[ExpectationResult, ...],
) -> ValidationReport:
    return _new_report(session, spec, checked.rows.num_rows, results, len(places))


def _outcome(report: ValidationReport, outcome: Outcome) -> ValidationReport:
    return msgspec.structs.replace(report, outcome=outcome)


def _refused(
    session: Session, spec: FeatureGroupSpec, report: ValidationReport, *, quarantine: bool
) -> ValidationError:
    report = _outcome(report, "refused")
    if spec.id:
        _keep(session, spec, report)
    if quarantine:
        advice = (
            "Some of it is about all rows together, so that no rows can be kept apart for it. Correct the frame, or "
            "change what is expected with set_expectations()."
        )
    else:
        advice = (
            "Correct the rows, keep the failing ones apart with insert(..., quarantine=True), or write them all with "
            "set_expectations(..., policy='always')."
        )
    rows = f"{report.n_failed} of {report.n_rows} rows fail" if report.n_failed else "The rows fail"
    failures = "".join(f"\n- {result}" for result in report.failures)
    return ValidationError(
        f"{rows} what {spec.label!r} expects, whose policy is 'strict'. Nothing was written. {advice}{failures}",
        report,
    )


def _keep(session: Session, spec: FeatureGroupSpec, report: ValidationReport) -> None:
    """Keep a report. Whether rows were written does not depend on it: to fail here would say that they were not."""
    try:
        keep_report(session, spec, report)
    except StoreError as error:
        warnings.warn(str(error), HopyardWarning, stacklevel=4)


def _warn(spec: FeatureGroupSpec, report: ValidationReport) -> None:
    """Warn of what is written although it fails, and of what is kept apart; before it is, like all such warnings."""
    if report.is_met:
        return
    if report.outcome == "quarantined":
        what = f"{report.n_quarantined} of {report.n_rows} rows are kept apart: see quarantined()"
    else:
        what = "The rows are written all the same, because the policy is 'always'"
    failures = "; ".join(map(str, report.failures))
    warnings.warn(
        f"Not all of what {spec.label!r} expects is met: {failures}. {what}.", HopyardWarning, stacklevel=4
    )
