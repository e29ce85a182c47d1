"""Transformations of categories: to their index, to a column for each, to the most frequent of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

import pyarrow as pa

from hopyard.compute.transform.columns import LABELS, counts, no_values
from hopyard.compute.transform.kind import Kind, Transform, fitted, in_place, replaced_by
from hopyard.errors import TrainingDatasetError
from hopyard.model.manifest import FittedStatistics
from hopyard.model.schema import Field, Schema
from hopyard.model.specs import TransformationSpec

MOST_CATEGORIES = 1_000
"""With more, one_hot_encoder would make a table of columns that nobody wants."""

# Kernels. Their source is hashed into every manifest: an edit, even of layout, shows in every training dataset.


def _encode(labels: Sequence[object], places: Mapping[object, int]) -> list[int]:
    return [places.get(label, -1) for label in labels]


def _keep(labels: Sequence[object], kept: Collection[object], other: object) -> list[object]:
    return [label if label in kept else other for label in labels]


# Fits


def _fit_labels(spec: TransformationSpec, columns: Sequence[pa.ChunkedArray]) -> FittedStatistics:
    distinct = counts(columns[0])
    if not distinct:
        raise no_values(spec, columns[0], "is null")
    return fitted(spec, categories=sorted(distinct))


def _fit_one_hot(spec: TransformationSpec, columns: Sequence[pa.ChunkedArray]) -> FittedStatistics:
    statistics = _fit_labels(spec, columns)
    if len(statistics.categories) > MOST_CATEGORIES:
        raise TrainingDatasetError(
            f"one_hot_encoder of {spec.features[0]!r} would make {len(statistics.categories):,} columns, one for each "
            f"value in train; at most {MOST_CATEGORIES:,} are made. Put top_k_categorical({spec.features[0]!r}) before "
            f"it, or use label_encoder."
        )
    return statistics


def _fit_top_k(spec: TransformationSpec, columns: Sequence[pa.ChunkedArray]) -> FittedStatistics:
    distinct = counts(columns[0])
    if not distinct:
        raise no_values(spec, columns[0], "is null")
    return fitted(spec, categories=list(distinct)[: int(spec.parameters["k"])])


# Ready for use


def _bind_labels(spec: TransformationSpec, arguments: Schema, statistics: FittedStatistics) -> Transform:
    places = _places(statistics)

    def columns(taken: Sequence[pa.ChunkedArray]) -> list[pa.ChunkedArray]:
        return [_by_label(taken[0], pa.int64(), lambda labels: _encode(labels, places))]

    def values(taken: Sequence[object]) -> list[object]:
        return [None if taken[0] is None else _encode(taken, places)[0]]

    return Transform(in_place(spec, "bigint"), columns, values)


def _bind_one_hot(spec: TransformationSpec, arguments: Schema, statistics: FittedStatistics) -> Transform:
    places = _places(statistics)
    outputs = tuple(Field(name=f"{spec.features[0]}_{_shown(label)}", type="boolean") for label in places)

    def column(taken: pa.ChunkedArray, place: int) -> pa.ChunkedArray:
        found = _by_label(taken, pa.bool_(), lambda labels: [at == place for at in _encode(labels, places)])
        return found.fill_null(False)

    def columns(taken: Sequence[pa.ChunkedArray]) -> list[pa.ChunkedArray]:
        return [column(taken[0], place) for place in places.values()]

    def values(taken: Sequence[object]) -> list[object]:
        found = _encode(taken, places)[0]
        return [found == place for place in places.values()]

    return Transform(outputs, columns, values)


def _bind_top_k(spec: TransformationSpec, arguments: Schema, statistics: FittedStatistics) -> Transform:
    kept, other = _places(statistics), spec.parameters["other"]

    def columns(taken: Sequence[pa.ChunkedArray]) -> list[pa.ChunkedArray]:
        return [_by_label(taken[0], pa.string(), lambda labels: _keep(labels, kept, other))]

    def values(taken: Sequence[object]) -> list[object]:
        return [None if taken[0] is None else _keep(taken, kept, other)[0]]

    return Transform(in_place(spec, "string"), columns, values)


def _places(statistics: FittedStatistics) -> dict[object, int]:
    return {category.to_python(): place for place, category in enumerate(statistics.categories)}


def _by_label(
    column: pa.ChunkedArray, type_: pa.DataType, kernel: Callable[[list[object]], Sequence[object]]
) -> pa.ChunkedArray:
    """Return what a kernel makes of each label, null for null; it is asked once for each distinct label of a chunk."""
    chunks = []
    for chunk in column.chunks:
        coded = chunk if pa.types.is_dictionary(chunk.type) else chunk.dictionary_encode()
        labels = coded.dictionary.to_pylist()
        found = [
            None if label is None else result for label, result in zip(labels, kernel(labels), strict=True)
        ]
        chunks.append(pa.array(found, type_).take(coded.indices))
    return pa.chunked_array(chunks, type_)


def _shown(label: object) -> str:
    return str(label).lower() if isinstance(label, bool) else str(label)


def _only_the_fit_tells(spec: TransformationSpec, arguments: Schema) -> None:
    return None


KINDS = {
    "label_encoder": Kind(_encode, LABELS, replaced_by("bigint"), _bind_labels, _fit_labels),
    "one_hot_encoder": Kind(_encode, LABELS, _only_the_fit_tells, _bind_one_hot, _fit_one_hot),
    "top_k_categorical": Kind(_keep, ("string",), replaced_by("string"), _bind_top_k, _fit_top_k),
}
