"""Several transformations, one after another: what they take, what becomes of the columns, and in which order.

Each takes columns by their names: features, or results of those before it. A built-in one replaces its feature; one of
the user's keeps what it takes, unless it says otherwise. Results stand where the first column stood that they replace,
else at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pyarrow as pa

from hopyard.compute.transform.builtin import bind, declare, fit, has_fit
from hopyard.compute.transform.kind import Transform
from hopyard.errors import NotFoundError, TrainingDatasetError
from hopyard.model.manifest import FittedStatistics
from hopyard.model.schema import Schema
from hopyard.model.specs import TransformationSpec

ReadColumns = Callable[[Sequence[str]], pa.Table]
"""Returns columns of the train split by their names, before transformation."""


@dataclass(frozen=True, slots=True)
class _Step:
    spec: TransformationSpec
    transform: Transform
    schema: Schema
    """The columns after this step, in order."""


class Transformer:
    """Transformations that are ready for use, on rows of one schema."""

    def __init__(
        self, specs: Sequence[TransformationSpec], fitted: Sequence[FittedStatistics], schema: Schema
    ) -> None:
        """
        Args:
            fitted: the statistics of each transformation, in order.
            schema: the columns before transformation, in order.
        Raises:
            TrainingDatasetError: the statistics are of other transformations.
        """
        self.before = schema
        self._steps: list[_Step] = []
        for spec, statistics in zip(specs, fitted, strict=True):
            transform = bind(spec, arguments(spec, self.schema), statistics)
            self._steps.append(_Step(spec, transform, placed(spec, self.schema, transform.outputs)))

    @property
    def schema(self) -> Schema:
        """The columns after transformation, in order."""
        return self._steps[-1].schema if self._steps else self.before

    def table(self, rows: pa.Table) -> pa.Table:
        """Return rows transformed; columns that are not of the schema stay, behind the others."""
        if not self._steps:
            return rows
        known = {field.name for field in self.before}
        others = [name for name in rows.column_names if name not in known]
        _check_free(self.schema, others)
        rows = rows.combine_chunks() if any(len(step.spec.features) > 1 for step in self._steps) else rows
        columns = {name: rows.column(name) for name in rows.column_names}
        for step in self._steps:
            taken = [columns[name] for name in step.spec.features]
            results = step.transform.columns(taken)
            columns |= {
                field.name: found for field, found in zip(step.transform.outputs, results, strict=True)
            }
        return pa.table({name: columns[name] for name in [*(field.name for field in self.schema), *others]})

    def row(self, values: Sequence[object]) -> list[object]:
        """Return the values of one row transformed: the same bits as `table`.

        Args:
            values: in the order of the schema before transformation.
        """
        if not self._steps:
            return list(values)
        columns = {field.name: value for field, value in zip(self.before, values, strict=True)}
        for step in self._steps:
            results = step.transform.values([columns[name] for name in step.spec.features])
            columns |= {
                field.name: found for field, found in zip(step.transform.outputs, results, strict=True)
            }
        return [columns[field.name] for field in self.schema]


def _check_free(schema: Schema, others: Sequence[str]) -> None:
    for field in schema:
        if field.name in others:
            raise TrainingDatasetError(
                f"A transformation gives {field.name!r}, and the rows have such a column already. Rename the result "
                f"with alias(), or leave the column out."
            )


def check_all(specs: Sequence[TransformationSpec], schema: Schema) -> None:
    """Check that transformations can be applied one after another.

    Args:
        schema: the columns before transformation, in order.
    Raises:
        NotFoundError, TrainingDatasetError: one takes a column that is not there, or of a wrong type, or gives a name
            that is taken.
    """
    for spec in specs:
        outputs = declare(spec, arguments(spec, schema))
        schema = placed(spec, schema, outputs or ())


def fit_all(
    specs: Sequence[TransformationSpec], schema: Schema, read: ReadColumns
) -> tuple[FittedStatistics, ...]:
    """Return the statistics of each transformation, in order, fitted to what those before it give.

    Memory: the columns that one transformation takes, at a time.

    Args:
        schema: the columns before transformation, in order.
        read: returns columns of the train split.
    Raises:
        TrainingDatasetError: there is nothing to fit to.
    """
    fitted: list[FittedStatistics] = []
    bound: list[tuple[TransformationSpec, Transform]] = []

    def column(name: str, before: int) -> pa.ChunkedArray:
        for index in reversed(range(before)):
            spec, transform = bound[index]
            for place, field in enumerate(transform.outputs):
                if field.name == name:
                    return transform.columns([column(taken, index) for taken in spec.features])[place]
        return read([name]).column(0)

    for index, spec in enumerate(specs):
        taken = arguments(spec, schema)
        columns = [column(name, index) for name in spec.features] if has_fit(spec) else []
        fitted.append(fit(spec, columns))
        transform = bind(spec, taken, fitted[-1])
        schema = placed(spec, schema, transform.outputs)
        bound.append((spec, transform))
    return tuple(fitted)


def arguments(spec: TransformationSpec, schema: Schema) -> Schema:
    """Return the columns that a transformation takes. Raises NotFoundError: one of them is not there."""
    fields = {field.name: field for field in schema}
    for name in spec.features:
        if name not in fields:
            raise NotFoundError(f"feature (that {spec.name} could transform)", name, list(fields))
    return tuple(fields[name] for name in spec.features)


def placed(spec: TransformationSpec, schema: Schema, outputs: Schema) -> Schema:
    """Return the columns after a transformation, in order. Raises TrainingDatasetError: a result's name is taken."""
    dropped = spec.dropped
    kept = [field for field in schema if field.name not in dropped]
    taken = {field.name for field in kept}
    for field in outputs:
        if field.name in taken:
            raise TrainingDatasetError(
                f"{spec.name} of {', '.join(spec.features)} gives {field.name!r}, and there is such a column already."
            )
        taken.add(field.name)
    names = [field.name for field in schema]
    first = min((names.index(name) for name in dropped), default=len(names))
    before = [field for field in schema[:first] if field.name not in dropped]
    return (*before, *outputs, *kept[len(before) :])
