"""Transformation functions under a name and a version, and the forms in which programs give them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import Enum
from typing import TYPE_CHECKING, Any

import hopyard
from hopyard.compat.hsfs.builtin_transformations import BUILT_IN
from hopyard.compat.hsfs.client.exceptions import FeatureStoreException, RestAPIError
from hopyard.compat.hsfs.hopsworks_udf import HopsworksUdf, UDFExecutionMode
from hopyard.compat.hsfs.notes import change_notes, forget_notes, read_all_notes
from hopyard.compat.hsfs.util import VersionWarning, warn
from hopyard.errors import AlreadyExistsError
from hopyard.model.specs import TransformationSpec
from hopyard.trust import add_trusted, is_trusted, require_trust

if TYPE_CHECKING:
    from hopyard.compat.hsfs.feature_store import FeatureStore

_KEY = "transformation_function/"


class TransformationType(Enum):
    """Whether a function is of a view, of a feature group, or of neither yet."""

    MODEL_DEPENDENT = "model_dependent"
    ON_DEMAND = "on_demand"
    UNDEFINED = "undefined"


class TransformationFunction:
    """A function of the project. Called with feature names it gives one that is bound to them."""

    NOT_FOUND_ERROR_CODE = 270160

    def __init__(
        self,
        featurestore_id: int | None = None,
        hopsworks_udf: HopsworksUdf | None = None,
        version: int | None = None,
        id: int | None = None,
        transformation_type: TransformationType = TransformationType.UNDEFINED,
        *,
        store: FeatureStore | None = None,
        **_: Any,
    ) -> None:
        """Args: store: where `save` keeps it."""
        if not isinstance(hopsworks_udf, HopsworksUdf):
            raise FeatureStoreException(
                f"Please use the hopsworks_udf decorator to create a transformation function; {hopsworks_udf!r} is no "
                f"function with @udf."
            )
        self._featurestore_id = featurestore_id
        self._udf = hopsworks_udf
        self._version = version
        self._id = id
        self.transformation_type = transformation_type
        self._store = store

    @property
    def id(self) -> int | None:
        """A number that stands for the function; there is none here."""
        return self._id

    @property
    def name(self) -> str:
        """The function's name."""
        return self._udf.function_name

    @property
    def version(self) -> int | None:
        """The version; None before `save`, if none was given."""
        return self._version

    @version.setter
    def version(self, version: int) -> None:
        self._version = version

    @property
    def hopsworks_udf(self) -> HopsworksUdf:
        """The function itself."""
        return self._udf

    @property
    def output_column_names(self) -> list[str]:
        """The names of the results."""
        return self._udf.output_column_names

    @property
    def transformation_features(self) -> list[str]:
        """The features that it is bound to."""
        return self._udf.transformation_features

    def save(self) -> TransformationFunction:
        """Keep the function in the project. Raises RestAPIError: the version is another function."""
        if self._store is None:
            raise FeatureStoreException(
                f"{self.name} was made without a feature store: use fs.create_transformation_function(...)."
            )
        self._version = keep_function(self._store._project, self._udf, self._version)
        return self

    def delete(self) -> None:
        """Forget the function; views keep theirs."""
        if self._store is not None and self._version is not None:
            forget_notes(self._store._project, f"{_KEY}{self.name}_{self._version}")

    def alias(self, *args: str) -> TransformationFunction:
        """Return it with other names for its results."""
        return self._with(self._udf.alias(*args))

    def executor(
        self, statistics: Any = None, context: dict[str, Any] | None = None, online: bool = False
    ) -> Any:
        """Return what runs the function with these statistics and this context, for tests."""
        return self._udf.executor(statistics, context, online)

    def execute(self, *args: Any) -> Any:
        """Run the function on values, for tests."""
        return self._udf.execute(*args)

    def __call__(self, *features: str) -> TransformationFunction:
        """Return one that is bound to features."""
        return self._with(self._udf(*features))

    def _with(self, function: HopsworksUdf) -> TransformationFunction:
        return TransformationFunction(
            self._featurestore_id,
            function,
            self._version,
            self._id,
            self.transformation_type,
            store=self._store,
        )

    def __repr__(self) -> str:
        return f"TransformationFunction({self._udf!r}, version={self._version})"


def create_transformation_function(
    store: FeatureStore, function: Any, output_type: Any = None, version: int | None = None
) -> TransformationFunction:
    """Return a function that is kept once `save` is called.

    Args:
        store: the feature store.
        function: one with @udf; or a plain function of one value, as in 2022, called with each value.
        output_type: what a plain function returns; None: text.
        version: None: the next one.
    """
    if isinstance(function, HopsworksUdf):
        made = function
    elif callable(function):
        made = HopsworksUdf(function, _named_type(output_type), execution_mode=UDFExecutionMode.PYTHON)
        made.dropped_features = made.arguments
    else:
        raise FeatureStoreException(f"{function!r} is no function. Decorate one with @udf(float).")
    return TransformationFunction(store.id, made, version, store=store)


def find_transformation_function(
    store: FeatureStore, name: str, version: int | None = None
) -> TransformationFunction | None:
    """Return a function of the project, or a built-in one; None if there is none."""
    stored = _stored(store, name)
    if not stored and name in BUILT_IN:
        return TransformationFunction(store.id, BUILT_IN[name], 1, store=store)
    if version is None:
        warn(
            f"No version provided for getting transformation function `{name}`, defaulting to `1`.",
            VersionWarning,
        )
    return next((item for item in stored if item.version == (version or 1)), None)


def list_transformation_functions(store: FeatureStore) -> list[TransformationFunction]:
    """Return the built-in functions, and those of the project by name and version."""
    built_in = [TransformationFunction(store.id, item, 1, store=store) for item in BUILT_IN.values()]
    return built_in + _stored(store, None)


def on_demand_features(transformation_functions: Any) -> list[TransformationSpec]:
    """Return on-demand functions as a feature group of Hopyard takes them.

    Raises:
        FeatureStoreException: one that uses statistics or a context.
    """
    return [udf.on_demand() for udf in bound_functions(transformation_functions)]


def bound_functions(given: Any) -> list[HopsworksUdf]:
    """Return functions in any of the forms in which programs give them.

    A dict from feature to function is the form of 2022: the result has the name and the place of its feature.
    """
    if given is None:
        return []
    if isinstance(given, Mapping):
        found = []
        for feature, item in given.items():
            function = _udf_of(item)(feature)
            function.is_in_place = True
            found.append(function)
        return found
    items = given if isinstance(given, Iterable) and not isinstance(given, str) else [given]
    return [_udf_of(item) for item in items]


def keep_function(project: hopyard.Project, function: HopsworksUdf, version: int | None = None) -> int:
    """Store a function in the project and return its version; this user trusts it, since this process wrote it."""
    if function.kind is not None:
        return 1
    try:
        stored = project.get_feature_store().create_transformation_function(
            hopyard.Udf(function.function_spec), version
        )
    except AlreadyExistsError as error:
        raise RestAPIError(str(error)) from error
    assert stored.version is not None
    trust_for_user(project, function)
    key = f"{_KEY}{function.function_name}_{stored.version}"
    change_notes(project, key, lambda own: own.update({"function": function.to_dict()}))
    return stored.version


def trust_for_user(project: hopyard.Project, function: HopsworksUdf | TransformationSpec) -> None:
    """Let this user's later processes run a function that this process may run, such as those that serve it."""
    spec = function.function if isinstance(function, TransformationSpec) else function.function_spec
    if spec is not None and spec.source and is_trusted(spec.sha256):
        session = project.session
        add_trusted(session.config.trust_file, {spec.sha256: spec.name}, store=session.root)


def require_trusted(project: hopyard.Project, functions: Iterable[HopsworksUdf], owner: str) -> None:
    """Raise UntrustedCodeError if one of a view's functions was written by somebody else and is not trusted."""
    specs = [function.function_spec for function in functions if function.kind is None]
    require_trust(
        {spec.sha256: spec.name for spec in specs},
        trust_file=project.session.config.trust_file,
        store=project.session.root,
        owner=owner,
        command=f"hopyard trust {specs[0].name if specs else ''} --kind function",
    )


def _stored(store: FeatureStore, name: str | None) -> list[TransformationFunction]:
    found = []
    for key, own in read_all_notes(store._project).items():
        if not key.startswith(_KEY) or "function" not in own:
            continue
        function = HopsworksUdf.from_dict(own["function"])
        if name in (None, function.function_name):
            version = int(key.rpartition("_")[2])
            found.append(TransformationFunction(store.id, function, version, store=store))
    return sorted(found, key=lambda item: (item.name, item.version or 0))


def _udf_of(item: Any) -> HopsworksUdf:
    if isinstance(item, HopsworksUdf):
        return item
    if isinstance(item, TransformationFunction):
        return item.hopsworks_udf
    raise FeatureStoreException(
        f"{item!r} is no transformation function. Decorate a function with @udf(float), or use one of "
        f"hopsworks.hsfs.builtin_transformations, bound as in label_encoder('category')."
    )


def _named_type(output_type: Any) -> Any:
    name = getattr(output_type, "__name__", output_type)
    known: dict[Any, Any] = {
        None: str,
        "StringType": str,
        "LongType": int,
        "IntegerType": int,
        "FloatType": float,
        "DoubleType": float,
        "BooleanType": bool,
        "int8": int,
        "int16": int,
        "int32": int,
        "int64": int,
        "float32": float,
        "float64": float,
        "float16": float,
    }
    return known.get(name, output_type)
