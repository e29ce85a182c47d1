"""Assertions about feature views and queries: no feature knows its label, and online equals offline."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import get_args

from hopyard.feature_view import FeatureView
from hopyard.observe.vector_parity import check_vectors
from hopyard.queries import Query
from hopyard.retrieve.leakage.report import LeakageKind, Severity

SAMPLE = 1_000


def assert_no_leakage(
    query: Query | FeatureView,
    *,
    label: Sequence[str] | str | None = None,
    training_dataset_version: int | None = None,
    ignore: Collection[LeakageKind] = (),
    severity: Severity = "error",
) -> None:
    """Check that no feature knows the label; see `Query.check_leakage` and `FeatureView.check_leakage`.

    Args:
        query: a query, or a feature view, which has its labels.
        label: the column of the query to predict, or several.
        training_dataset_version: of the feature view; check the rows and the splits of this training dataset.
        ignore: kinds of findings that are right here, such as "same_time".
        severity: the least that fails. "warning": all findings. Loaded history, where features are committed after the
            labels, always gives warnings.
    Raises:
        AssertionError: there are findings; the message has each of them, and what to do.
        ValueError: arguments that do not go together, or an unknown kind.
    """
    unknown = sorted(set(ignore) - set(get_args(LeakageKind)))
    if unknown:
        raise ValueError(
            f"ignore={unknown[0]!r} is no kind of finding. There are: {', '.join(get_args(LeakageKind))}."
        )
    if severity not in get_args(Severity):
        raise ValueError(f"severity={severity!r} is unknown. There are: {', '.join(get_args(Severity))}.")
    if isinstance(query, FeatureView):
        if label is not None:
            raise ValueError("A feature view has its own labels: leave out label=.")
        report = query.check_leakage(training_dataset_version=training_dataset_version)
    elif label is None or training_dataset_version is not None:
        raise ValueError("Of a query, give the column to predict, such as label='is_late', and nothing else.")
    else:
        report = query.check_leakage(label=label)
    found = [
        finding
        for finding in report.findings
        if finding.kind not in ignore and (severity == "warning" or finding.severity == "error")
    ]
    if found:
        raise AssertionError(
            "\n".join(
                [
                    f"{len(found)} finding(s) of leakage: {len(report.features)} feature(s) against "
                    f"{', '.join(report.labels)} in {report.n_rows} row(s)",
                    *(f"{finding.kind}: {finding}" for finding in found),
                ]
            )
        )


def assert_same_online_offline(
    feature_view: FeatureView,
    *,
    entries: Sequence[Mapping[str, object]] | None = None,
    sample: int = SAMPLE,
    training_dataset_version: int | None = None,
) -> None:
    """Check that each feature vector equals, bit for bit, the point-in-time row of its keys, now.

    Both sides are read at the commits that the online tables have. Vectors are compared as stored and, if the view has
    transformations, transformed. Keys without a row, and rows past their time to live, are null on both sides. The
    features of a left-most group that is not online are passed, as its rows have them.

    Args:
        entries: the serving keys to compare; None: those of the left-most group and of the groups joined to it.
        sample: at most so many of these, always the same ones of the same data.
        training_dataset_version: whose fitted statistics transform the features; None: the latest.
    Raises:
        AssertionError: a value differs, or there is no key to compare. The message names keys, features and both
            values, and the groups whose online tables are behind.
        UntrustedCodeError, ServingError, NotFoundError: as `FeatureView.init_serving`.
    """
    parity = check_vectors(
        feature_view._session,
        feature_view.spec,
        sample=sample,
        entries=entries,
        training_dataset_version=training_dataset_version,
    )
    if not parity.is_equal:
        raise AssertionError(str(parity))
    if not parity.n_keys:
        raise AssertionError(
            f"{parity.view}: there is no key to compare. Insert rows first, or give entries=."
        )
