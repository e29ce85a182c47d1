"""Rows of training data and of batches: made by Hopyard, transformed, and given in the original's shape."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
import pyarrow as pa

from hopyard.compat.hsfs.client.exceptions import FeatureStoreException
from hopyard.compat.hsfs.frames import in_form, read_form, sanitized
from hopyard.compat.hsfs.times import instant
from hopyard.compat.hsfs.transformation_chain import Chain, Fit
from hopyard.compat.hsfs.util import StorageWarning, warn
from hopyard.compat.hsfs.view_state import Record, ViewState
from hopyard.compute.convert import to_dataframe
from hopyard.feature_view import FeatureView as CoreView

SPLITS = {"all": ("all",), "two": ("train", "test"), "three": ("train", "validation", "test")}
GETTERS = {
    "all": "get_training_data",
    "two": "get_train_test_split",
    "three": "get_train_validation_test_split",
}
KEPT_FORMATS = {"parquet": "parquet", "csv": "csv", "arrow": "arrow"}
_TIMES = (
    "start_time",
    "end_time",
    "train_start",
    "train_end",
    "validation_start",
    "validation_end",
    "test_start",
    "test_end",
)


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """Which rows are asked for, and how they are split."""

    kind: str
    sizes: dict[str, float] = {}
    times: dict[str, datetime] = {}
    seed: int | None = None


def asked(
    kind: str, *, validation_size: Any = None, test_size: Any = None, seed: Any = None, **times: Any
) -> Request:
    """Return a request. Raises ValueError: sizes or times that make no split."""
    moments = {name: moment for name, given in times.items() if (moment := instant(given)) is not None}
    unknown = set(moments) - set(_TIMES)
    assert not unknown, unknown
    if kind == "two" and not (_is_share(test_size) or {"train_end", "test_start"} & set(moments)):
        raise ValueError(
            "Invalid split input. You should specify either `test_size` or (`train_end` or `test_start`). "
            f"`test_size` should be between 0 and 1, and is {test_size}."
        )
    if kind == "three":
        has_sizes = _is_share(validation_size) and _is_share(test_size) and validation_size + test_size < 1
        has_times = {"train_end", "validation_start"} & set(moments) and {
            "validation_end",
            "test_start",
        } & set(moments)
        if not (has_sizes or has_times):
            raise ValueError(
                "Invalid split input. You should specify either (`validation_size` and `test_size`), which sum to less "
                "than 1, or ((`train_end` or `validation_start`) and (`validation_end` or `test_start`))."
            )
    sizes = {"validation_size": validation_size, "test_size": test_size}
    shares = {name: float(size) for name, size in sizes.items() if size}
    return Request(kind=kind, sizes=shares, times=moments, seed=seed)


def _is_share(size: Any) -> bool:
    return size is not None and 0 < size < 1


def arguments(request: Request) -> dict[str, Any]:
    """Return a request as the arguments of Hopyard's methods."""
    given: dict[str, Any] = dict(request.sizes or request.times)
    if request.kind != "all" and request.seed is not None:
        given["seed"] = request.seed
    return given


def bounded(view: ViewState, wide: CoreView, request: Request) -> CoreView:
    """Return the view with only the rows between the times of a split by size, which may have both."""
    if not (request.sizes and request.times):
        return wide
    start = request.times.get("train_start")
    end = request.times.get("test_end") or request.times.get("train_end")
    query = view._groups()[0].between(wide.query, start, end)
    return CoreView(view._project.session, msgspec.structs.replace(wide.spec, plan=query.plan))


def read_in_memory(
    view: ViewState, request: Request, wide: Any, *, spine: Any = None, as_of: datetime | None = None
) -> list[pa.Table]:
    """Return the rows of each split with labels and helper columns, before transformation."""
    methods: dict[str, Any] = {
        "all": wide.training_data,
        "two": wide.train_test_split,
        "three": wide.train_validation_test_split,
    }
    parts = methods[request.kind](
        **arguments(request),
        spine=spine_of(spine),
        training_helper_columns=True,
        dataframe_type="arrow",
        as_of=as_of,
    )
    n_splits = len(parts) // 2
    return [
        _joined(features, labels, view.core.labels)
        for features, labels in zip(parts[:n_splits], parts[n_splits:], strict=True)
    ]


def spine_of(spine: Any) -> Any:
    """Return a dataframe that is given in the place of the left-most group, also as a spine group."""
    if spine is None:
        return None
    return sanitized(getattr(spine, "dataframe", spine))


def _joined(features: pa.Table, labels: Any, names: Sequence[str]) -> pa.Table:
    if labels is None:
        return features
    columns = list(labels.columns) if isinstance(labels, pa.Table) else [labels]
    kept = labels.column_names if isinstance(labels, pa.Table) else list(names)
    for name, column in zip(kept, columns, strict=True):
        features = features.append_column(name, column)
    return features


def make(
    view: ViewState,
    request: Request,
    *,
    extra_filter: Any = None,
    spine: Any = None,
    context: dict[str, Any] | None = None,
    target: Mapping[str, Any] | None = None,
) -> tuple[int, list[pa.Table], Chain]:
    """Make training data, in memory or as files, note it, and return its version and its rows.

    Args:
        view: the view.
        request: which rows.
        extra_filter: keeps only the rows that match, also in batches.
        spine: a dataframe in the place of the left-most group.
        context: what functions get as their context.
        target: format, description and place of the files; None: in memory.
    """
    chain, filtered = view._chain(), view._wide(extra_filter)
    wide = bounded(view, filtered, request)
    record: Record = {
        "kind": request.kind,
        "request": msgspec.to_builtins(request),
        "filter": msgspec.to_builtins(filtered.spec.plan.filter) if extra_filter is not None else None,
        "at": datetime.now(UTC).isoformat(),
        "has_spine": spine is not None,
        "context": context or {},
    }
    if target is None:
        tables = read_in_memory(view, request, wide, spine=spine)
    else:
        methods: dict[str, Any] = {
            "all": wide.create_training_data,
            "two": wide.create_train_test_split,
            "three": wide.create_train_validation_test_split,
        }
        dataset = methods[request.kind](**arguments(request), spine=spine_of(spine), **target)
        record["core"] = dataset.version
        tables = [dataset.read(split, dataframe_type="arrow") for split in dataset.splits]
    record["fits"] = chain.fit(tables[0], context) if chain.functions else []
    return view._note_record(record), tables, chain


def read_again(view: ViewState, version: int, kind: str) -> tuple[Record, list[pa.Table]]:
    """Return the rows of a version, as they were when it was made.

    Raises:
        ValueError: it was split in another way.
        FeatureStoreException: it is not there, or was made of a dataframe that was not kept.
    """
    record = view._record(version)
    if record["kind"] != kind:
        raise ValueError(
            f"Incorrect `get` method is used. Use `feature_view.{GETTERS[record['kind']]}` instead."
        )
    view._last_version = int(version)
    if record.get("purged"):
        raise FeatureStoreException(
            f"The files of training dataset version {version} were purged. Make them again with "
            f"recreate_training_dataset({version})."
        )
    if record.get("core") is not None:
        dataset = view._wide().get_training_dataset(record["core"])
        return record, [dataset.read(split, dataframe_type="arrow") for split in dataset.splits]
    if record["has_spine"]:
        raise FeatureStoreException(
            f"Training dataset version {version} was made in memory of a dataframe, which is not kept. Make it with "
            f"create_training_data(spine=...) to read it again."
        )
    request = msgspec.convert(record["request"], Request)
    wide = bounded(view, view._wide(stored_filter=record["filter"]), request)
    return record, read_in_memory(view, request, wide, as_of=datetime.fromisoformat(record["at"]))


def shaped(
    view: ViewState,
    tables: Sequence[pa.Table],
    chain: Chain,
    fits: Sequence[Fit],
    *,
    primary_key: bool,
    event_time: bool,
    training_helper_columns: bool,
    dataframe_type: str | None,
    context: dict[str, Any] | None = None,
) -> tuple[Any, ...]:
    """Return X of each split, then y of each split, transformed, in the form that is asked for."""
    keys, time = view._identity()
    asked_for = {*(keys if primary_key else ()), *([time] if event_time and time else ())}
    helpers = set() if training_helper_columns else set(view.core.spec.training_helper_columns)
    hidden = (set(view._added()) | helpers) - asked_for
    frames, labels = [], []
    for table in tables:
        names = _label_names(view.core.labels, chain)
        changed = chain.apply(table, fits, context) if chain.functions else table
        shown = [name for name in changed.column_names if name not in hidden and name not in names]
        frames.append(in_kind(changed.select(shown), dataframe_type))
        given = [name for name in names if name in changed.column_names]
        labels.append(in_kind(changed.select(given), dataframe_type) if given else None)
    return (*frames, *labels)


def _label_names(labels: Sequence[str], chain: Chain) -> list[str]:
    """Return the labels' names after transformation."""
    names = list(labels)
    for function in chain.functions:
        if set(function.transformation_features) & set(names):
            names = [name for name in names if name not in function.dropped_features]
            names += [name for name in function.output_column_names if name not in names]
    return names


def in_kind(table: pa.Table, dataframe_type: str | None) -> Any:
    """Return a table as the dataframe that a program asks for."""
    kind = (dataframe_type or "default").lower()
    return in_form(to_dataframe(table, read_form(kind)), kind)


def target_of(data_format: str | None, description: str | None, location: str | None) -> dict[str, Any]:
    """Return how files are kept. Formats that Hopyard does not write are kept as parquet, with a warning."""
    asked_format = (data_format or "parquet").lower()
    kept = KEPT_FORMATS.get(asked_format)
    if kept is None:
        known = ("tfrecords", "tfrecord", "tsv", "avro", "orc", "delta", "hudi", "npy", "hdf5", "petastorm")
        if asked_format not in known:
            raise ValueError(
                f"data_format {data_format!r} is unknown: use one of {', '.join([*KEPT_FORMATS, *known])}."
            )
        warn(f"Files of training data are kept as parquet, not as {asked_format}.", StorageWarning)
    return {"data_format": kept or "parquet", "description": description or "", "location": location or ""}
