"""Which columns are read for training data: those of the dataset, and hidden ones that decide the split of a row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from hopyard.compute.event_time import event_times_us
from hopyard.compute.row_hash import hash_pairs, row_hashes
from hopyard.errors import NotFoundError, TrainingDatasetError
from hopyard.model.manifest import ColumnSplit, Manifest, RandomSplit, Split, TimeSplit
from hopyard.model.plan import Output, Plan
from hopyard.model.schema import Field, Schema
from hopyard.model.specs import FeatureViewSpec, TransformationSpec, row_identity
from hopyard.query.lower import identity_order, multiples_order
from hopyard.retrieve.read import with_outputs
from hopyard.retrieve.spine import Spine
from hopyard.retrieve.split import Marks, named_places
from hopyard.retrieve.split_request import RandomRequest
from hopyard.retrieve.view import feature_outputs, training_outputs

_HIDDEN = "__id_"
_BY = "__by_"
_OCCURRENCE = Field(name="__occurrence", type="bigint")


@dataclass(frozen=True, slots=True)
class Recipe:
    """What training data is made of, from a feature view or from the manifest of a dataset.

    Attributes:
        plan: its outputs are the columns of the dataset.
        spine: the rows in the place of the root.
        models_see: the columns that a model may see, which cannot name the splits.
        view, view_version: whose transformations they are, for messages.
    """

    plan: Plan
    labels: tuple[str, ...] = ()
    transformations: tuple[TransformationSpec, ...] = ()
    spine: Spine | None = None
    models_see: frozenset[str] = frozenset()
    view: str = ""
    view_version: int = 0


def recipe_of_view(view: FeatureViewSpec, spine: Spine | None = None) -> Recipe:
    """Return what the training data of a view is made of."""
    return Recipe(
        plan=with_outputs(view.plan, training_outputs(view)) if spine is None else spine.plan,
        labels=view.labels,
        transformations=view.transformations,
        spine=spine,
        models_see=frozenset({*view.labels, *(out.name for out in feature_outputs(view))}),
        view=view.name,
        view_version=view.version,
    )


def recipe_of_query(plan: Plan, frame: pa.Table | None, labels: Sequence[str]) -> Recipe:
    """Return what the training data of a query is made of; `frame`: the rows of a root that is a dataframe.

    Raises:
        NotFoundError: a label that the query does not have.
    """
    for label in labels:
        if all(out.name != label for out in plan.outputs):
            raise NotFoundError(
                "column of the query (to be a label)", label, [out.name for out in plan.outputs]
            )
    source = plan.root.source
    identity = row_identity(source.primary_key, source.event_time) if source.primary_key else ()
    return Recipe(
        plan=plan,
        labels=tuple(labels),
        spine=None if frame is None else Spine(plan, frame, identity),
        models_see=frozenset(out.name for out in plan.outputs),
    )


def recipe_of_manifest(manifest: Manifest, spine: Spine | None = None) -> Recipe:
    """Return what a dataset was made of; `spine`: its stored rows, with the resolved plan of the manifest."""
    return Recipe(
        plan=manifest.plan,
        labels=manifest.labels,
        transformations=manifest.transformations,
        spine=spine,
        view=manifest.view,
        view_version=manifest.view_version,
    )


class Layout:
    """The columns that are read for a recipe, and what each batch of them says about its rows."""

    def __init__(self, recipe: Recipe, plan: Plan, request: RandomRequest | Split | None) -> None:
        """
        Args:
            plan: the recipe's, resolved.
        Raises:
            NotFoundError: the split names a column that is not there.
            TrainingDatasetError: the split needs an event time, or the column that names it cannot.
        """
        self._request, self._spine, self._resolved = request, recipe.spine, plan
        self.schema = plan.schema
        self._identity = () if request is None and plan.root.source.primary_key else _identity(plan)
        self._by = _deciding(recipe, plan, request)
        shown = {out.feature: out.name for out in plan.outputs if out.node == 0}
        self._read_as = {out.name: shown.get(out.feature, out.name) for out in self._identity}
        hidden = [out for out in self._identity if out.feature not in shown]
        self.plan = with_outputs(plan, (*plan.outputs, *hidden, *self._by))
        if isinstance(request, TimeSplit) and plan.root.source.event_time is None:
            raise TrainingDatasetError(
                f"A split by time needs an event time, and {plan.root.source.label!r} has none. "
                f"Use a random split: test_size=0.2."
            )

    @property
    def order_by(self) -> tuple[tuple[int, str], ...]:
        """The order of the dataset's rows; a spine keeps its own."""
        return identity_order(self._resolved) if self._spine is None else multiples_order(self._resolved)

    @property
    def is_keyless(self) -> bool:
        """Whether the rows have no identity to be ordered by; see `ordered`."""
        return self._spine is None and not self._resolved.root.source.primary_key

    def rows(self, table: pa.Table) -> pa.Table:
        """Return the columns of the dataset."""
        return table.select([field.name for field in self.schema])

    def ordered(self, table: pa.Table) -> pa.Table:
        """Return all rows of a root without a key in the order of two hashes of the root's columns.

        Rows that are equal in both are interchangeable; occurrence numbers, from 0, place them in a split.
        """
        first, second = hash_pairs(self._identities(table), self._identity_schema)
        order = np.lexsort((second, first))
        first, second = first[order], second[order]
        starts = np.ones(len(order), dtype=bool)
        starts[1:] = (first[1:] != first[:-1]) | (second[1:] != second[:-1])
        places = np.arange(len(order))
        occurrence = places - np.maximum.accumulate(np.where(starts, places, 0))
        return table.take(pa.array(order)).append_column(_OCCURRENCE.name, pa.array(occurrence, pa.int64()))

    def marks(self, table: pa.Table) -> Marks:
        """Return what decides the split of these rows."""
        match self._request:
            case None:
                return Marks()
            case ColumnSplit():
                return Marks(places=named_places(self._request, table.column(self._by[0].name)))
            case TimeSplit():
                return Marks(event_time_us=self._event_times(table))
            case RandomSplit() | RandomRequest():
                return self._random_marks(table, self._request)

    def _random_marks(self, table: pa.Table, request: RandomSplit | RandomRequest) -> Marks:
        by, by_schema = table.select([out.name for out in self._by]), self._by_schema
        if request.group_by:
            return Marks(hashes=row_hashes(by, by_schema, seed=request.seed))
        strata = row_hashes(by, by_schema) if request.stratify_by else None
        identity = self._identities(table)
        if self._spine is None:
            schema = self._identity_schema
            if self.is_keyless:
                identity = identity.append_column(_OCCURRENCE.name, table.column(_OCCURRENCE.name))
                schema = (*schema, _OCCURRENCE)
            return Marks(hashes=row_hashes(identity, schema, seed=request.seed), strata=strata)
        # Whatever the order of the rows and columns of a spine: rows of equal hash are told apart by all columns.
        named = {field.name: field for field in sorted(self._identity_schema, key=lambda field: field.name)}
        chosen = [_HIDDEN + name for name in self._spine.identity] or list(named)
        hashes = row_hashes(identity, tuple(named[name] for name in chosen), seed=request.seed)
        return Marks(hashes=hashes, strata=strata, ties=row_hashes(identity, tuple(named.values())))

    def _event_times(self, table: pa.Table) -> npt.NDArray[np.int64]:
        source = self._resolved.root.source
        assert source.event_time is not None
        field = self._resolved.field(0, source.event_time)
        column = self._identities(table).column(_HIDDEN + source.event_time)
        times: npt.NDArray[np.int64] = event_times_us(field, source.event_time_unit, column).to_numpy()
        return times

    def _identities(self, table: pa.Table) -> pa.Table:
        return table.select(list(self._read_as.values())).rename_columns(list(self._read_as))

    @property
    def _identity_schema(self) -> Schema:
        return with_outputs(self._resolved, self._identity).schema

    @property
    def _by_schema(self) -> Schema:
        return with_outputs(self._resolved, self._by).schema


def _identity(plan: Plan) -> tuple[Output, ...]:
    """Return hidden outputs with the root's row identity; all its columns where it has no key; and its event time."""
    source = plan.root.source
    names = source.primary_key or tuple(field.name for field in source.fields)
    if source.event_time and source.event_time not in names:
        names = (*names, source.event_time)
    return tuple(Output(name=_HIDDEN + name, node=0, feature=name) for name in names)


def _deciding(recipe: Recipe, plan: Plan, request: RandomRequest | Split | None) -> tuple[Output, ...]:
    """Return hidden outputs with the columns that a split names: of the dataset, or of its root."""
    names: Sequence[str] = () if request is None else request.columns
    found = []
    for name in names:
        output = next((out for out in plan.outputs if out.name == name), None)
        root = [field.name for field in plan.root.source.fields]
        if output is None and name not in root:
            known = {*(out.name for out in plan.outputs), *root}
            raise NotFoundError("column of the query or of its left-most group (to split by)", name, known)
        node, feature = (0, name) if output is None else (output.node, output.feature)
        found.append(Output(name=_BY + name, node=node, feature=feature))
    if isinstance(request, ColumnSplit):
        type_ = plan.field(found[0].node, found[0].feature).type
        if type_ != "string":
            raise TrainingDatasetError(
                f"split_column={request.column!r} is {type_}: it must be a string that names each row's split."
            )
        if request.column in recipe.models_see:
            raise TrainingDatasetError(
                f"split_column={request.column!r} is a feature or a label, so that a model could see it. Make it one "
                f"of the training_helper_columns, or leave it out of the query if the left-most group has it."
            )
    return tuple(found)
