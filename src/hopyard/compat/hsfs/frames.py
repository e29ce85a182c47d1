"""Dataframes on their way in and out: corrected names, and the forms that programs ask for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from importlib import import_module
from typing import Any, Literal

from hopyard.compat.absent_feature_store import ABSENT
from hopyard.compat.errors import CompatError
from hopyard.compat.hsfs.util import FeatureGroupWarning, autofix_feature_name, warn
from hopyard.queries import Query as CoreQuery

Unit = Literal["s", "ms", "us"]


def sanitized(frame: Any) -> Any:
    """Return a frame whose names Hopyard takes: lower-case, `_` for blanks, no index. The given one stays as it is."""
    if isinstance(frame, Mapping):
        frame = import_module("pandas").DataFrame(frame)
    if isinstance(frame, list | tuple):
        frame = _of_rows(list(frame))
        if isinstance(frame, list):
            return [{_fixed(str(name)): value for name, value in row.items()} for row in frame]
    kind = type(frame).__module__.partition(".")[0]
    if kind == "numpy":
        frame = _positional(frame)
        kind = "pandas"
    if kind == "polars" and hasattr(frame, "collect"):
        frame = frame.collect()
    if kind == "pyspark" and hasattr(frame, "toPandas"):
        frame, kind = frame.toPandas(), "pandas"
    names = column_names(frame)
    fixed = [_fixed(name) for name in names]
    _warn_of_changes(names, fixed)
    if kind == "pandas":
        if frame.index.names != [None]:
            frame = frame.reset_index(drop=True)
        return frame if list(frame.columns) == fixed else frame.set_axis(fixed, axis="columns")
    if names == fixed:
        return frame
    if kind == "polars":
        return frame.rename(dict(zip(names, fixed, strict=True)))
    return import_module("pyarrow").table(frame).rename_columns(fixed)


def column_names(frame: Any) -> list[str]:
    """Return the names of a frame's columns."""
    if isinstance(frame, list):
        return list(dict.fromkeys(name for row in frame for name in row))
    names = getattr(frame, "column_names", None)
    if isinstance(names, list):
        return [str(name) for name in names]
    return [str(name) for name in getattr(frame, "columns", ())]


def event_time_unit(frame: Any, column: str) -> Unit | None:
    """Return what an event time of whole numbers counts, by the number of digits; None for other types."""
    if isinstance(frame, list):
        values = [row.get(column) for row in frame if row.get(column) is not None]
    elif column in column_names(frame):
        picked = frame[column]
        values = picked.to_pylist() if hasattr(picked, "to_pylist") else [picked.max()] if len(picked) else []
        values = [value for value in values if value is not None]
    else:
        return None
    try:
        largest = max(values, default=None)
    except TypeError:
        return None
    if largest is not None and hasattr(largest, "item"):
        largest = largest.item() if not hasattr(largest, "to_pydatetime") else largest
    if isinstance(largest, bool) or not isinstance(largest, int):
        return None
    digits = len(str(abs(largest)))
    return "s" if digits <= 10 else "ms" if digits <= 13 else "us"


def returned(query: CoreQuery, dataframe_type: str | None, limit: int | None = None) -> Any:
    """Return a query's rows in the form that a program asks for; lists and arrays have rows without names."""
    kind = (dataframe_type or "default").lower()
    return in_form(query.read(dataframe_type=read_form(kind), limit=limit), kind)


def read_form(dataframe_type: str | None) -> str:
    """Return the form in which Hopyard has to read for what a program asks for."""
    kind = (dataframe_type or "default").lower()
    if kind == "spark":
        raise CompatError("dataframe_type='spark'", ABSENT["dataframe_type.spark"])
    if kind not in ("default", "pandas", "polars", "numpy", "python", "arrow", "pyarrow"):
        raise ValueError(
            f"dataframe_type : {dataframe_type} not supported. Use 'default', 'pandas', 'polars', 'numpy' or 'python'."
        )
    return {"default": "default", "polars": "polars", "arrow": "arrow", "pyarrow": "arrow"}.get(
        kind, "pandas" if kind == "pandas" else kind
    )


def in_form(frame: Any, dataframe_type: str) -> Any:
    """Return what Hopyard read in the original's form: `python` is a list of rows, each a list."""
    return [list(row.values()) for row in frame] if dataframe_type == "python" else frame


def _of_rows(rows: list[Any]) -> Any:
    if all(isinstance(row, Mapping) for row in rows):
        return rows
    return _positional(rows)


def _positional(rows: Iterable[Any]) -> Any:
    """Return rows without names as a frame with columns col_0, col_1, ..., as the original does."""
    frame = import_module("pandas").DataFrame(rows)
    return frame.set_axis([f"col_{index}" for index in range(frame.shape[1])], axis="columns")


def _fixed(name: str) -> str:
    return autofix_feature_name(name)


def _warn_of_changes(names: list[str], fixed: list[str]) -> None:
    changed = [name for name, valid in zip(names, fixed, strict=True) if name != valid]
    if changed:
        warn(
            f"The ingested dataframe contains upper case letters or spaces in feature names: `{changed}`. Feature "
            f"names are sanitized to lower case and underscore in the feature store.",
            FeatureGroupWarning,
        )
