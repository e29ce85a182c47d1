"""Training data, batches and vectors as the dataframes that users get: X and y."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pyarrow as pa

from hopyard.compute.convert import check_dataframe_type, to_dataframe, to_labels
from hopyard.model.plan import Output
from hopyard.model.specs import FeatureViewSpec
from hopyard.retrieve.dataset import fitted_statistics, get_manifest
from hopyard.retrieve.dataset_files import read_split
from hopyard.retrieve.layout import recipe_of_view
from hopyard.retrieve.spine import view_spine
from hopyard.retrieve.split_request import SplitRequest
from hopyard.retrieve.training import Tables, batch_data, produce
from hopyard.retrieve.view import feature_outputs, training_outputs
from hopyard.session import Session


def in_memory(
    session: Session,
    view: FeatureViewSpec,
    request: SplitRequest | None,
    *,
    spine: object = None,
    start_us: int | None = None,
    end_us: int | None = None,
    keep_helpers: bool,
    dataframe_type: str,
) -> tuple[Any, ...]:
    """Return X of each split, then y of each split; `spine` is the user's dataframe in the place of the root."""
    check_dataframe_type(dataframe_type)
    root = None if spine is None else view_spine(session, view, spine, training_outputs(view))
    recipe, tables = recipe_of_view(view, root), Tables()
    produce(session, recipe, request, tables.open, start_us=start_us, end_us=end_us, in_memory=True)
    return _features_and_labels(
        tables.finish(), view, keep_helpers=keep_helpers, dataframe_type=dataframe_type
    )


def stored_splits(
    session: Session, view: FeatureViewSpec, version: int | None, dataframe_type: str
) -> tuple[Any, ...]:
    """Return X of each split of a stored dataset, then y of each split."""
    check_dataframe_type(dataframe_type)
    manifest = get_manifest(session, view, version)
    tables = [read_split(session, manifest, split.name) for split in manifest.splits]
    return _features_and_labels(tables, view, keep_helpers=False, dataframe_type=dataframe_type)


def batch_frame(
    session: Session,
    view: FeatureViewSpec,
    *,
    spine: object,
    start_us: int | None,
    end_us: int | None,
    training_dataset_version: int | None,
    transformed: bool,
    primary_key: bool,
    event_time: bool,
    dataframe_type: str,
) -> Any:
    """Return the features of a range of rows as a dataframe; see `FeatureView.get_batch_data`."""
    check_dataframe_type(dataframe_type)
    shown = view if transformed else _untransformed(view)
    source = view.plan.root.source
    wanted = [
        *(source.primary_key if primary_key else ()),
        *([source.event_time] if event_time and source.event_time else []),
    ]
    taken = {out.name for out in view.plan.outputs}
    extra = [Output(name=name, node=0, feature=name) for name in dict.fromkeys(wanted) if name not in taken]
    fitted = fitted_statistics(session, shown, training_dataset_version)
    root = None
    if spine is not None:
        root = view_spine(session, view, spine, feature_outputs(view), extra=wanted)
    rows = batch_data(session, shown, fitted, spine=root, start_us=start_us, end_us=end_us, extra=extra)
    if root is not None:
        rows = rows.drop_columns([name for name in view.labels if name in rows.column_names])
    return to_dataframe(rows, dataframe_type)


def _features_and_labels(
    tables: Sequence[pa.Table], view: FeatureViewSpec, *, keep_helpers: bool, dataframe_type: str
) -> tuple[Any, ...]:
    hidden = {*view.labels, *(() if keep_helpers else view.training_helper_columns)}
    frames = [
        to_dataframe(
            table.select([name for name in table.column_names if name not in hidden]), dataframe_type
        )
        for table in tables
    ]
    given = [name for name in view.labels if name in tables[0].column_names]  # a spine may have none
    labels = [to_labels(table.select(given), dataframe_type) for table in tables]
    return (*frames, *labels)


def _untransformed(view: FeatureViewSpec) -> FeatureViewSpec:
    return msgspec.structs.replace(view, transformations=())
