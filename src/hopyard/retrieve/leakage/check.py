"""Search a query or a feature view for features that know what they are to predict."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec
import numpy as np
import pyarrow as pa

from hopyard.compute.row_hash import hash_pairs
from hopyard.errors import QueryError, TrainingDatasetError
from hopyard.model.manifest import Split
from hopyard.model.plan import FrameSource, Output, Plan
from hopyard.model.specs import FeatureViewSpec
from hopyard.query.build import find_output
from hopyard.query.lower import identity_order
from hopyard.query.resolve import existing_features, resolve
from hopyard.retrieve.dataset import get_manifest
from hopyard.retrieve.layout import Recipe
from hopyard.retrieve.leakage.report import LeakageFinding, LeakageReport
from hopyard.retrieve.leakage.rows import CheckedRows, hidden_outputs
from hopyard.retrieve.leakage.times import TimeChecks
from hopyard.retrieve.leakage.values import ValueChecks
from hopyard.retrieve.read import read_resolved, with_outputs
from hopyard.retrieve.split_request import SplitRequest, split_request
from hopyard.retrieve.training import Tables, produce
from hopyard.retrieve.view import feature_outputs
from hopyard.session import Session
from hopyard.time import Instant

Bounds = tuple[Instant | None, Instant | None]


def check_query(
    session: Session, plan: Plan, label: Sequence[str] | str, *, frame: pa.Table | None = None
) -> LeakageReport:
    """Return what is suspicious about the columns of a query as features for a label; see `Query.check_leakage`."""
    names = (label,) if isinstance(label, str) else tuple(label) if isinstance(label, Iterable) else ()
    if not names or not all(isinstance(name, str) for name in names):
        raise QueryError(
            f"label={label!r} names no column. Give the column to predict, such as label='is_late'."
        )
    labels = tuple(find_output(plan, name) for name in dict.fromkeys(names))
    resolved, snapshots = resolve(session, plan)
    wanted = existing_features(with_outputs(resolved, (*plan.outputs, *hidden_outputs(plan))), snapshots)
    table = read_resolved(session, wanted, snapshots, frame=frame, order_by=identity_order(plan))
    if not plan.root.source.primary_key and not isinstance(plan.root.source, FrameSource):
        # Rows without a key come in no promised order; those with both hashes equal are interchangeable.
        table = table.take(pa.array(np.lexsort(hash_pairs(table, wanted.schema)[::-1])))
    for out in labels:
        find_output(wanted, out.name)  # a label that did not exist at the commit that is read
    features = tuple(out for out in plan.outputs if out not in labels and out.name in table.column_names)
    no_split = np.zeros(table.num_rows, np.int16)
    return _report(session, CheckedRows(resolved, table, features, labels, no_split))


def check_view(
    session: Session,
    view: FeatureViewSpec,
    *,
    training_dataset_version: int | None,
    test_size: float | None,
    times: Mapping[str, Bounds],
    seed: int | None,
    exact: bool | None,
) -> LeakageReport:
    """Return what is suspicious about the training data of a view; see `FeatureView.check_leakage`."""
    if not view.labels:
        raise TrainingDatasetError(
            f"Feature view {view.label!r} has no labels, so there is nothing to leak. Check the query with a column of "
            f"it: view.query.check_leakage(label=...)."
        )
    given = (test_size, seed, exact, *(bound for bounds in times.values() for bound in bounds))
    by_arguments = any(argument is not None for argument in given)
    if training_dataset_version is not None and by_arguments:
        raise TrainingDatasetError(
            f"Training dataset {training_dataset_version} has its own split: leave out the arguments of another one."
        )
    if training_dataset_version is not None:
        return _check_dataset(session, view, training_dataset_version)
    request = split_request({"test": test_size}, times, seed=seed, exact=exact) if by_arguments else None
    return _check_rows(session, view, request, None, None, None)


def _check_dataset(session: Session, view: FeatureViewSpec, version: int) -> LeakageReport:
    manifest = get_manifest(session, view, version)
    if isinstance(manifest.plan.root.source, FrameSource):
        raise TrainingDatasetError(
            f"Training dataset {version} of {view.label!r} was made from a dataframe. Check it as a query: "
            f"feature_store.spine(df, ...).join(...).check_leakage(label=...)."
        )
    stored = msgspec.structs.replace(view, plan=manifest.plan, labels=manifest.labels)
    bounds = (manifest.event_time_start_us, manifest.event_time_end_us)
    return _check_rows(session, stored, manifest.split, manifest.plan, *bounds)


def _check_rows(
    session: Session,
    view: FeatureViewSpec,
    request: SplitRequest | Split | None,
    plan: Plan | None,
    start_us: int | None,
    end_us: int | None,
) -> LeakageReport:
    """Check the rows that training data has; `plan` is a resolved one to repeat."""
    features = feature_outputs(view)
    labels = tuple(find_output(view.plan, name) for name in view.labels)
    others = tuple(
        out for out in view.plan.outputs if out not in (*features, *labels)
    )  # a split may name them
    outputs: tuple[Output, ...] = (*features, *labels, *others, *hidden_outputs(view.plan))
    recipe, tables = Recipe(plan=with_outputs(plan or view.plan, outputs)), Tables()
    data = produce(session, recipe, request, tables.open, start_us=start_us, end_us=end_us, in_memory=True)
    parts = tables.finish()
    sizes = [part.num_rows for part in parts]
    split = np.repeat(np.arange(len(sizes), dtype=np.int16), sizes)
    names = data.names if data.split is not None else ()
    table = pa.concat_tables(parts)
    return _report(session, CheckedRows(data.plan, table, features, labels, split, names))


def _report(session: Session, rows: CheckedRows) -> LeakageReport:
    by_time, by_value = TimeChecks(session, rows), ValueChecks(rows)
    found: list[LeakageFinding] = []
    for label in rows.labels:
        found += by_time.of_label(label)
        found += by_value.of_label(label)
    found += by_time.changed_later()
    found += by_time.same_times()
    found += by_value.same_entities()
    return LeakageReport(
        labels=tuple(label.name for label in rows.labels),
        features=tuple(feature.name for feature in rows.features),
        n_rows=rows.n_rows,
        findings=tuple(sorted(found, key=lambda finding: finding.severity != "error")),
        skipped=tuple(dict.fromkeys([*by_time.skipped, *by_value.skipped])),
    )
