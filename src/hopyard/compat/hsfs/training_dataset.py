"""Training datasets of 2020, made of a query or a dataframe; and those of views."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isclose
from typing import TYPE_CHECKING, Any, NoReturn

import hopyard
from hopyard.compat.absent_view import ABSENT
from hopyard.compat.errors import CompatError
from hopyard.compat.hsfs.client.exceptions import FeatureStoreException, RestAPIError
from hopyard.compat.hsfs.constructor.query import Query
from hopyard.compat.hsfs.feature import Feature
from hopyard.compat.hsfs.frames import in_form, read_form, sanitized
from hopyard.compat.hsfs.hopsworks_udf import HopsworksUdf
from hopyard.compat.hsfs.notes import change_notes, forget_notes, read_notes
from hopyard.compat.hsfs.tags import Noted
from hopyard.compat.hsfs.training_dataset_split import TrainingDatasetSplit
from hopyard.compat.hsfs.transformation_chain import Chain
from hopyard.compat.hsfs.transformation_function import bound_functions, keep_function, require_trusted
from hopyard.compat.hsfs.transformation_statistics import describe
from hopyard.compat.hsfs.util import VersionWarning, names_of, warn
from hopyard.compute.convert import to_dataframe
from hopyard.errors import AlreadyExistsError, FeatureVectorError, NotFoundError
from hopyard.feature_view import FeatureView as CoreView
from hopyard.model.specs import FeatureViewSpec

if TYPE_CHECKING:
    from hopyard.compat.hsfs.feature_store import FeatureStore
    from hopyard.compat.hsfs.view_state import ViewState


class TrainingDataset(Noted):
    """Rows for training under a name and a version. `save` makes them."""

    def __init__(
        self,
        store: FeatureStore,
        core: hopyard.TrainingDataset,
        *,
        functions: Sequence[HopsworksUdf] = (),
        asked: Mapping[str, Any] | None = None,
    ) -> None:
        """Args: asked: label, splits and the like of a dataset that is not saved yet."""
        self._feature_store = store
        self._core = core
        self._given = list(functions)
        self._asked = dict(asked or {})
        self._server: CoreView | None = None
        self._view_version: int | None = None
        self._is_in_memory = False

    @classmethod
    def of_view(cls, view: ViewState, version: int) -> TrainingDataset:
        """Return a version of a view's training data."""
        core_version = view._record(version).get("core")
        if core_version is None:
            core = view._feature_store._store.create_training_dataset(
                f"{view.name}_{view.version}_in_memory", label=view.core.labels
            )
        else:
            core = view._wide().get_training_dataset(core_version)
        found = cls(view._feature_store, core, asked={"label": view.core.labels, "version": version})
        found._view_version, found._is_in_memory = version, core_version is None
        return found

    @property
    def _project(self) -> hopyard.Project:
        return self._feature_store._project

    @property
    def core(self) -> hopyard.TrainingDataset:
        """The dataset in Hopyard's words; rows before transformation."""
        return self._core

    @property
    def notes_key(self) -> str:
        """Where the dataset's notes are. Raises RestAPIError: it is not saved yet."""
        if not self._is_saved:
            raise RestAPIError(
                f"Training dataset {self.name!r} is not saved yet: save() a query or a dataframe."
            )
        return f"training_dataset/{self.name}_{self.version}"

    @property
    def name(self) -> str:
        """The dataset's name."""
        return self._core.name

    @property
    def version(self) -> int | None:
        """The version; None before `save`, if none was given."""
        if self._view_version is not None:
            return self._view_version
        return self._core.version if self._is_saved else self._asked.get("version")

    @property
    def _is_saved(self) -> bool:
        return not self._asked or self._asked.get("is_saved", False)

    @property
    def description(self) -> str:
        """What the dataset is for."""
        return self._core.manifest.description if self._is_saved else self._asked.get("description", "")

    @property
    def data_format(self) -> str:
        """The format of the files."""
        return (
            self._core.manifest.data_format if self._is_saved else self._asked.get("data_format", "parquet")
        )

    @property
    def location(self) -> str:
        """The folder of the files."""
        return self._core.location

    @property
    def label(self) -> list[str]:
        """The columns to predict."""
        return list(self._core.manifest.labels) if self._is_saved else list(self._asked.get("label", []))

    @property
    def seed(self) -> int | None:
        """The seed of the split, if one was given."""
        found: int | None = self._asked.get("seed")
        return found

    @property
    def splits(self) -> list[TrainingDatasetSplit]:
        """The splits with their shares."""
        shares = self._asked.get("splits") or self._notes.get("splits") or {}
        return [
            TrainingDatasetSplit(name, TrainingDatasetSplit.RANDOM_SPLIT, share)
            for name, share in shares.items()
        ]

    @property
    def _notes(self) -> dict[str, Any]:
        return read_notes(self._project, self.notes_key) if self._is_saved else {}

    @property
    def schema(self) -> list[Feature]:
        """The columns."""
        labels = set(self.label)
        return [
            Feature(field.name, field.type)
            for field in self._core.manifest.schema
            if field.name not in labels
        ] + [Feature(field.name, field.type) for field in self._core.manifest.schema if field.name in labels]

    features = schema

    @property
    def query(self) -> str:
        """The SQL of the query that the dataset was made of."""
        return self.get_query()

    def save(self, features: Any, write_options: dict[str, Any] | None = None) -> TrainingDataset:
        """Make the dataset of a query, a group or a dataframe, and return it.

        Raises:
            RestAPIError: the version exists.
            FeatureStoreException: a label that is no column.
        """
        if hasattr(features, "select_all"):
            features = features.select_all()
        source = features.core if isinstance(features, Query) else sanitized(features)
        if isinstance(features, Query) and self._given:
            Chain(self._given, features.core.features)
        try:
            self._core.save(source)
        except AlreadyExistsError as error:
            raise RestAPIError(str(error)) from error
        except NotFoundError as error:
            raise FeatureStoreException(str(error)) from error
        had_version = self._asked.get("version") is not None
        self._asked["is_saved"] = True
        for function in self._given:
            keep_function(self._project, function)
        if not had_version:
            warn(f"Incremented version to `{self.version}`.", VersionWarning)
        noted: dict[str, Any] = {
            "functions": [function.to_dict() for function in self._given],
            "splits": self._asked.get("splits") or {},
            "train_split": self._asked.get("train_split"),
        }
        forget_notes(self._project, self.notes_key)
        change_notes(self._project, self.notes_key, lambda own: own.update(noted))
        if self._given:
            fits = self._chain.fit(self._rows(self._fitted_split))
            change_notes(self._project, self.notes_key, lambda own: own.update(fits=fits))
        return self

    def insert(self, features: Any, overwrite: bool = False, write_options: Any = None) -> NoReturn:
        """Raise CompatError: a training dataset never changes."""
        raise CompatError("TrainingDataset.insert", ABSENT["TrainingDataset.insert"])

    def read(self, split: str | None = None, read_options: dict[str, Any] | None = None) -> Any:
        """Return the rows of a split as a dataframe; without a split, all of them."""
        if self._is_in_memory:
            raise FeatureStoreException(
                f"Version {self._view_version} of the view's training data was made in memory and has no files. "
                f"Read it as it was made: with get_training_data({self._view_version}), get_train_test_split or "
                f"get_train_validation_test_split of the feature view."
            )
        rows = self._rows(split)
        if self._functions:
            rows = self._chain.apply(rows, self._notes["fits"])
        return in_form(to_dataframe(rows, read_form("default")), "default")

    def show(self, n: int, split: str | None = None) -> Any:
        """Return the first `n` rows of a split."""
        return self.read(split)[:n]

    def compute_statistics(self) -> Any:
        """Return the statistics of all rows."""
        return self.get_statistics()

    def get_statistics(self, commit_time: Any = None, feature_names: list[str] | None = None) -> Any:
        """Return the statistics of the columns."""
        frame = self.read()
        return [describe(name, frame[name]) for name in feature_names or frame.columns]

    statistics = property(get_statistics)

    def get_query(self, online: bool = True, with_label: bool = False) -> str:
        """Return the SQL of the query that the dataset was made of."""
        query = self._core.get_query()
        if not with_label:
            from hopyard.compat.hsfs.view_plan import without_columns

            query = without_columns(query, self.label)
        return query.to_string()

    def tf_data(
        self,
        target_name: str,
        split: str | None = None,
        feature_names: list[str] | None = None,
        var_len_features: list[str] | None = None,
        is_training: bool = True,
        cycle_length: int = 2,
    ) -> NoReturn:
        """Raise CompatError: rows are read and given to TensorFlow."""
        raise CompatError("TrainingDataset.tf_data", ABSENT["TrainingDataset.tf_data"])

    def init_prepared_statement(self, external: bool | None = None, **_: Any) -> None:
        """Prepare `get_serving_vector`. Raises FeatureStoreException: it was made of a dataframe."""
        manifest = self._core.manifest
        if manifest.spine is not None:
            raise FeatureStoreException(
                f"Training dataset {self.name!r} was made of a dataframe, so no feature vector can be made for it: "
                f"save a "
                f"query of online feature groups."
            )
        from hopyard.compat.hsfs.view_plan import latest_plan
        from hopyard.compat.hsfs.view_vectors import served

        spec = FeatureViewSpec(
            project=self._project.name,
            name=self.name,
            version=self._core.version,
            id="",
            plan=latest_plan(manifest.plan),
            labels=manifest.labels,
        )
        self._server = served(CoreView(self._project.session, spec))

    init_serving = init_prepared_statement

    @property
    def serving_keys(self) -> set[str]:
        """The keys that an entry needs."""
        return set(self._served().serving_keys)

    def get_serving_vector(self, entry: Mapping[str, Any], external: bool | None = None) -> list[Any]:
        """Return the features of one entity as they are now, in the order of the query, without labels."""
        server = self._served()
        if set(entry) != self.serving_keys:
            raise ValueError(
                f"Provided primary key map doesn't correspond to serving_keys: {sorted(entry)} and "
                f"{sorted(self.serving_keys)}."
            )
        try:
            found = server.get_feature_vector(dict(entry), return_type="dict")
        except FeatureVectorError as error:
            raise FeatureStoreException(str(error)) from error
        if self._functions:
            chain = self._chain
            found = chain.row(found, self._notes["fits"], None, chain.without(self.label))
        return list(found.values())

    def get_serving_vectors(
        self, entry: Mapping[str, Sequence[Any]] | Sequence[Mapping[str, Any]], external: bool | None = None
    ) -> list[list[Any]]:
        """Return one vector per entity: keys with lists of values, or a list of entries."""
        if isinstance(entry, Mapping):
            names = list(entry)
            rows = [dict(zip(names, row, strict=True)) for row in zip(*entry.values(), strict=True)]
        else:
            rows = [dict(item) for item in entry]
        return [self.get_serving_vector(row) for row in rows]

    def delete(self) -> None:
        """Remove the dataset and its files."""
        key = self.notes_key
        self._core.delete()
        forget_notes(self._project, key)

    def __repr__(self) -> str:
        return f"TrainingDataset({self.name!r}, version={self.version})"

    def _served(self) -> CoreView:
        if self._server is None:
            self.init_prepared_statement()
        assert self._server is not None
        return self._server

    @property
    def _functions(self) -> list[HopsworksUdf]:
        return [HopsworksUdf.from_dict(item) for item in self._notes.get("functions", [])]

    @property
    def _chain(self) -> Chain:
        functions = self._functions
        require_trusted(self._project, functions, f"training dataset {self.name!r}")
        return Chain(functions, [field.name for field in self._core.manifest.schema])

    @property
    def _fitted_split(self) -> str | None:
        named: str | None = self._notes.get("train_split")
        return named or ("train" if "train" in self._core.splits else None)

    def _rows(self, split: str | None) -> Any:
        if split is None and len(self._core.splits) > 1:
            import pyarrow as pa

            return pa.concat_tables(
                [self._core.read(name, dataframe_type="arrow") for name in self._core.splits]
            )
        if split is not None and split not in self._core.splits:
            raise FeatureStoreException(
                f"Training dataset {self.name!r} has no split {split!r}. It has: {', '.join(self._core.splits)}."
            )
        return self._core.read(split, dataframe_type="arrow")


def create_training_dataset(store: FeatureStore, **named: Any) -> TrainingDataset:
    """Return a new dataset; `save` makes it. The arguments are those of `FeatureStore.create_training_dataset`."""
    from hopyard.compat.hsfs.view_rows import target_of

    if named.get("storage_connector") is not None:
        name = "TrainingDataset.storage_connector"
        raise CompatError(name, ABSENT[name])
    splits = _splits(named.get("splits"))
    labels = [name.lower() for name in names_of(named.get("label"))]
    target = target_of(named.get("data_format"), named.get("description"), named.get("location"))
    try:
        core = store._store.create_training_dataset(
            named["name"],
            named.get("version"),
            splits=splits,
            seed=named.get("seed"),
            label=labels,
            **target,
        )
    except AlreadyExistsError as error:
        raise RestAPIError(str(error)) from error
    asked = {
        "version": named.get("version"),
        "description": named.get("description") or "",
        "data_format": target["data_format"],
        "label": labels,
        "splits": splits,
        "seed": named.get("seed"),
        "train_split": named.get("train_split"),
    }
    functions = bound_functions(named.get("transformation_functions"))
    return TrainingDataset(store, core, functions=functions, asked=asked)


def find_training_dataset(store: FeatureStore, name: str, version: int | None = None) -> TrainingDataset:
    """Return a stored dataset; without a version the first, with a warning. Raises RestAPIError: there is none."""
    if version is None:
        warn(f"No version provided for getting training dataset `{name}`, defaulting to `1`.", VersionWarning)
    try:
        return TrainingDataset(store, store._store.get_training_dataset(name, int(version or 1)))
    except NotFoundError as error:
        raise RestAPIError(str(error)) from error


def list_training_datasets(store: FeatureStore, name: str | None = None) -> list[TrainingDataset]:
    """Return the stored datasets by name and version, without those of views."""
    found = store._store.list_training_datasets(name)
    return [TrainingDataset(store, core) for core in found if not core.manifest.view]


def _splits(splits: Any) -> dict[str, float]:
    if not splits:
        return {}
    given = [] if isinstance(splits, Mapping) else list(splits)
    if any(split.split_type == TrainingDatasetSplit.TIME_SERIES_SPLIT for split in given):
        name = "TrainingDatasetSplit.TIME_SERIES_SPLIT"
        raise CompatError(name, ABSENT[name])
    shares = splits if isinstance(splits, Mapping) else {split.name: split.percentage for split in given}
    if not all(0 < share < 1 for share in shares.values()) or not isclose(sum(shares.values()), 1):
        raise ValueError(
            f"Sum of split ratios should be 1 and each values should be in range (0, 1), and they are {dict(shares)}."
        )
    return dict(shares)
