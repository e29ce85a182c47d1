"""What a feature view of the shim is made of: Hopyard's view, and what is noted beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

import hopyard
from hopyard.compat.hsfs.client.exceptions import FeatureStoreException
from hopyard.compat.hsfs.constructor.query import Query
from hopyard.compat.hsfs.hopsworks_udf import HopsworksUdf
from hopyard.compat.hsfs.notes import change_notes, read_notes
from hopyard.compat.hsfs.transformation_chain import Chain, Fit
from hopyard.compat.hsfs.transformation_function import require_trusted
from hopyard.compat.hsfs.util import VersionWarning, warn
from hopyard.feature_view import FeatureView as CoreView
from hopyard.model.plan import Output
from hopyard.model.specs import FeatureViewSpec
from hopyard.queries import Query as CoreQuery

if TYPE_CHECKING:
    from hopyard.compat.hsfs.feature_group import FeatureGroup
    from hopyard.compat.hsfs.feature_store import FeatureStore

Record = dict[str, Any]
"""What is noted of one version of training data: kind, request, what the functions learned."""


class ViewQuery(Query):
    """The query of a stored view, found again from it."""

    def __init__(self, groups: list[FeatureGroup], stored: CoreQuery) -> None:
        super().__init__(groups[0], None)
        self._groups = groups
        self._stored = stored

    def _build(self, base: CoreQuery) -> CoreQuery:
        return super()._build(self._stored)

    @property
    def featuregroups(self) -> list[Any]:
        """The groups, the left-most first, each once."""
        joined = [group for join in self._joins for group in join.query.featuregroups]
        return self._groups + [group for group in joined if group not in self._groups]


class ViewState:
    """A stored view with its transformations and its versions of training data."""

    def __init__(self, store: FeatureStore, core: hopyard.FeatureView) -> None:
        self._feature_store = store
        self._core = core
        self._last_version: int | None = None
        self._batch_version: int | None = None
        self._context: dict[str, Any] = {}

    @property
    def _project(self) -> hopyard.Project:
        return self._feature_store._project

    @property
    def core(self) -> hopyard.FeatureView:
        """The view in Hopyard's words: features as they are stored, without transformations."""
        return self._core

    @property
    def name(self) -> str:
        """The view's name."""
        return self._core.name

    @property
    def version(self) -> int:
        """The view's version."""
        return self._core.version

    @property
    def notes_key(self) -> str:
        """Where the view's notes are."""
        return f"feature_view/{self.name}_{self.version}"

    @property
    def _notes(self) -> dict[str, Any]:
        return read_notes(self._project, self.notes_key)

    @property
    def _functions(self) -> list[HopsworksUdf]:
        return [HopsworksUdf.from_dict(item) for item in self._notes.get("functions", [])]

    @property
    def _types(self) -> dict[str, str]:
        return {field.name: field.type for field in self._core.query.schema}

    def _chain(self) -> Chain:
        """Return the transformations, ready for use. Raises UntrustedCodeError."""
        functions = self._functions
        require_trusted(self._project, functions, f"feature view {self.name}_{self.version}")
        return Chain(functions, self._types)

    def _groups(self) -> list[FeatureGroup]:
        labels: dict[tuple[str, int], None] = {}
        for node in self._core.spec.plan.nodes:
            name, _, version = node.source.label.rpartition("_")
            labels[name, int(version)] = None
        found = [self._feature_store.find_feature_group(name, version) for name, version in labels]
        gone = [
            f"{name}_{version}" for (name, version), group in zip(labels, found, strict=True) if not group
        ]
        if gone:
            raise FeatureStoreException(
                f"Feature view {self.name!r} reads feature groups that were deleted: {', '.join(gone)}."
            )
        return [group for group in found if group is not None]

    def _identity(self) -> tuple[list[str], str | None]:
        """Return the primary key and the event time of the left-most group, as columns of training data."""
        source = self._core.spec.plan.root.source
        return list(source.primary_key), source.event_time

    def _added(self) -> list[str]:
        """Return the key columns and the event time that the query has not, and that can be asked for."""
        keys, event_time = self._identity()
        taken = {out.name for out in self._core.spec.plan.outputs}
        wanted = [*keys, *([event_time] if event_time else [])]
        return [name for name in dict.fromkeys(wanted) if name not in taken]

    def _wide(self, extra_filter: Any = None, stored_filter: dict[str, Any] | None = None) -> CoreView:
        """Return the view with keys and event time as helper columns, and a filter; nothing is stored."""
        spec = self._core.spec
        plan, added = spec.plan, self._added()
        if extra_filter is not None:
            query = self.query
            plan = self._core.query.filter(
                extra_filter.core(lambda feature: query._resolve(self._core.query, feature))
            ).plan
        elif stored_filter is not None:
            plan = msgspec.structs.replace(plan, filter=msgspec.convert(stored_filter, _filter_type()))
        outputs = (*plan.outputs, *(Output(name=name, node=0, feature=name) for name in added))
        return self._variant(
            plan=msgspec.structs.replace(plan, outputs=outputs),
            training_helper_columns=(*spec.training_helper_columns, *added),
        )

    def _variant(self, **changes: Any) -> CoreView:
        spec: FeatureViewSpec = msgspec.structs.replace(self._core.spec, **changes)
        return CoreView(self._project.session, spec)

    @property
    def query(self) -> Query:
        """The query of the view, with labels and helper columns."""
        return ViewQuery(self._groups(), self._core.query)

    def _records(self) -> dict[int, Record]:
        found = self._notes.get("training", {})
        return {
            int(version): record for version, record in sorted(found.items(), key=lambda item: int(item[0]))
        }

    def _record(self, version: int) -> Record:
        """Return what is noted of training data. Raises FeatureStoreException with the versions that there are."""
        records = self._records()
        if int(version) not in records:
            raise FeatureStoreException(
                f"There is no training dataset version {version} of feature view {self.name!r} version {self.version}. "
                f"There are: {', '.join(map(str, records)) or 'none; make one with create_train_test_split()'}."
            )
        return records[int(version)]

    def _note_record(self, record: Record) -> int:
        """Note new training data and return its version."""
        taken: list[int] = []

        def change(own: dict[str, Any]) -> None:
            number = int(own.get("next", 1))
            own["next"] = number + 1
            own.setdefault("training", {})[str(number)] = record
            taken.append(number)

        change_notes(self._project, self.notes_key, change)
        self._last_version = taken[0]
        warn(f"Incremented version to `{taken[0]}`.", VersionWarning)
        return taken[0]

    def _change_record(self, version: int, changes: dict[str, Any]) -> None:
        self._record(version)
        change_notes(self._project, self.notes_key, lambda own: own["training"][str(version)].update(changes))

    def _fits(self, chain: Chain, version: int | None) -> list[Fit]:
        """Return what the transformations learned from the train split of a version."""
        if not chain.is_fitted_to_train:
            return chain.unfitted(self._types)
        if version is None:
            raise FeatureStoreException(
                f"Feature view {self.name!r} has transformations that need statistics of training data. Give the "
                f"version: "
                f"init_serving(training_dataset_version=1), or init_batch_scoring(training_dataset_version=1)."
            )
        fits: list[Fit] = self._record(version)["fits"]
        return fits

    def get_last_accessed_training_dataset(self) -> int | None:
        """Return the version of training data that was made or read last by this object."""
        return self._last_version


def _filter_type() -> Any:
    """Return the type of the filter in a plan."""
    from typing import get_type_hints

    from hopyard.model.plan import Plan

    return get_type_hints(Plan)["filter"]
