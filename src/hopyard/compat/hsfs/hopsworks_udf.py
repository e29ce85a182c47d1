"""Functions that transform features, as programs write them: `@udf(float)`."""

from __future__ import annotations

import ast
import copy
import inspect
from collections.abc import Callable
from datetime import date, datetime, time
from enum import Enum
from typing import Any

import hopyard
from hopyard.compat.hsfs.client.exceptions import FeatureStoreException
from hopyard.compat.hsfs.transformation_statistics import TransformationStatistics
from hopyard.compat.hsfs.util import FeatureGroupWarning, warn
from hopyard.compute.transform.load import load
from hopyard.compute.transform.source import read_source
from hopyard.errors import UserFunctionError
from hopyard.model.specs import FunctionMode, FunctionSpec
from hopyard.trust import is_trusted, trust_here

LONGEST_NAME = 63
RESERVED = ("statistics", "context")
_TYPES: dict[Any, str] = {
    str: "string",
    int: "bigint",
    float: "double",
    bool: "boolean",
    datetime: "timestamp",
    time: "timestamp",
    date: "date",
    "str": "string",
    "int": "bigint",
    "float": "double",
    "bool": "boolean",
    "datetime": "timestamp",
    "time": "timestamp",
    "long": "bigint",
}
_MODES: dict[str, FunctionMode] = {"default": "pandas", "pandas": "pandas", "python": "python"}


class UDFExecutionMode(Enum):
    """What a function gets: Series offline and values online, always values, or always Series."""

    DEFAULT = "default"
    PYTHON = "python"
    PANDAS = "pandas"

    def get_current_execution_mode(self, online: bool) -> UDFExecutionMode:
        """Return whether it gets Series or values, here."""
        if self is not UDFExecutionMode.DEFAULT:
            return self
        return UDFExecutionMode.PYTHON if online else UDFExecutionMode.PANDAS

    @staticmethod
    def from_string(execution_mode: str) -> UDFExecutionMode:
        """Return the mode of this name. Raises FeatureStoreException."""
        try:
            return UDFExecutionMode(str(execution_mode).lower())
        except ValueError:
            raise FeatureStoreException(
                f"The execution mode of a function is `default`, `python` or `pandas`, and not `{execution_mode}`."
            ) from None


def udf(
    return_type: list[type] | type, drop: str | list[str] | None = None, mode: str = "default"
) -> Callable[[Callable[..., Any]], HopsworksUdf]:
    """Return a decorator that makes a transformation of a function.

    Args:
        return_type: a Python type, or a list of them for several results.
        drop: the arguments whose features do not stay.
        mode: see `UDFExecutionMode`.
    """
    execution_mode = UDFExecutionMode.from_string(mode)

    def wrapper(function: Callable[..., Any]) -> HopsworksUdf:
        return HopsworksUdf(
            func=function,
            return_types=return_type,
            dropped_argument_names=drop,
            execution_mode=execution_mode,
        )

    return wrapper


class HopsworksUdf:
    """A function, or a built-in transformation; called with feature names it gives a copy that is bound to them."""

    def __init__(
        self,
        func: Callable[..., Any] | str,
        return_types: Any,
        name: str | None = None,
        transformation_features: list[str] | None = None,
        transformation_function_argument_names: list[str] | None = None,
        dropped_argument_names: str | list[str] | None = None,
        execution_mode: UDFExecutionMode | str = UDFExecutionMode.DEFAULT,
        transformation_context: dict[str, Any] | None = None,
        *,
        kind: str | None = None,
    ) -> None:
        """Args: kind: the transformation of Hopyard that does this one's work; None: the function does."""
        self._mode = (
            execution_mode
            if isinstance(execution_mode, UDFExecutionMode)
            else UDFExecutionMode.from_string(execution_mode)
        )
        self._return_types = _return_types(return_types)
        self.kind = kind
        self.statistics_features: list[str] = []
        if isinstance(func, str):
            self._name = name or ""
            self._source = func
            self._arguments = list(transformation_function_argument_names or [])
        else:
            self._name = name or func.__name__
            self._read(func)
        self._features = list(transformation_features or self.arguments)
        dropped = dropped_argument_names
        self._dropped = [dropped] if isinstance(dropped, str) else list(dropped or [])
        for argument in self._dropped:
            if argument not in self.arguments:
                raise FeatureStoreException(
                    f"Cannot drop features '{argument}', which are no arguments of the function. "
                    f""
                    f"{self._name} has: {', '.join(self.arguments)}."
                )
        self._context = dict(transformation_context or {})
        self._outputs: list[str] | None = None
        self.is_in_place = False
        """The result has its feature's name and place, as in programs that give a dict of functions."""
        if not isinstance(func, str):
            trust_here(self.function_spec.sha256)

    def _read(self, function: Callable[..., Any]) -> None:
        parameters = inspect.signature(function).parameters
        self._arguments = list(parameters)
        statistics = parameters.get("statistics")
        if statistics is not None and isinstance(statistics.default, TransformationStatistics):
            self.statistics_features = list(statistics.default.features)
        elif statistics is not None:
            self.statistics_features = [name for name in self._arguments if name not in RESERVED]
        unknown = [name for name in self.statistics_features if name not in self._arguments]
        if unknown:
            raise FeatureStoreException(
                f"No argument corresponding to statistics parameter '{unknown[0]}' present in function definition."
            )
        if not self.arguments:
            raise FeatureStoreException(
                "No arguments present in the provided user defined function. Please provide at least one argument in "
                "the "
                "defined user defined function."
            )
        if self.kind is not None:
            self._source = ""
            return
        try:
            self._source = _bare(read_source(function))  # type: ignore[arg-type]
        except UserFunctionError as error:
            raise FeatureStoreException(str(error)) from error

    @property
    def function_spec(self) -> FunctionSpec:
        """The function in Hopyard's words, with all its arguments."""
        return FunctionSpec(
            name=self._name,
            parameters=tuple(self._arguments),
            returns=tuple(self._return_types),
            mode=_MODES[self._mode.value],
            drop=tuple(self._dropped),
            source=self._source,
        )

    @property
    def function_name(self) -> str:
        """The function's name."""
        return self._name

    @property
    def arguments(self) -> list[str]:
        """The arguments that take features."""
        return [name for name in self._arguments if name not in RESERVED]

    @property
    def return_types(self) -> list[str]:
        """The feature type of each result."""
        return list(self._return_types)

    @property
    def execution_mode(self) -> UDFExecutionMode:
        """What the function gets."""
        return self._mode

    @property
    def transformation_features(self) -> list[str]:
        """The features that it is bound to, by default those called as its arguments."""
        return list(self._features)

    @property
    def unprefixed_transformation_features(self) -> list[str]:
        """The features, under their names in their groups."""
        return list(self._features)

    @property
    def dropped_features(self) -> list[str]:
        """The features that do not stay."""
        pairs = zip(self.arguments, self._features, strict=True)
        return [feature for argument, feature in pairs if argument in self._dropped]

    @dropped_features.setter
    def dropped_features(self, arguments: list[str]) -> None:
        is_ours = is_trusted(self.function_spec.sha256)
        self._dropped = list(arguments)
        if is_ours:
            trust_here(self.function_spec.sha256)

    @property
    def statistics_required(self) -> bool:
        """Whether it needs statistics of train."""
        return bool(self.statistics_features)

    @property
    def transformation_context(self) -> dict[str, Any]:
        """What the argument `context` gets."""
        return dict(self._context)

    @transformation_context.setter
    def transformation_context(self, context: dict[str, Any] | None) -> None:
        if context is not None and not isinstance(context, dict):
            raise FeatureStoreException("Transformation context variable must be passed as dictionary.")
        self._context = dict(context or {})

    @property
    def output_column_names(self) -> list[str]:
        """The names of the results. Those of a one-hot encoder are counted once it is fitted."""
        if self._outputs is not None:
            return list(self._outputs)
        if self.is_in_place and len(self._return_types) == 1:
            return list(self._features[:1])
        stem = f"{self._name}_{'_'.join(self._features)}_"
        if len(self._return_types) == 1:
            return [_shortened(stem)]
        return [_shortened(stem, str(place)) for place in range(len(self._return_types))]

    @property
    def on_demand_names(self) -> list[str]:
        """The names of the results as on-demand features: those of the function."""
        if self._outputs is not None:
            return list(self._outputs)
        if len(self._return_types) == 1:
            return [_shortened(self._name)]
        return [_shortened(f"{self._name}_", str(place)) for place in range(len(self._return_types))]

    def __call__(self, *features: Any) -> HopsworksUdf:
        """Return a copy bound to features, one for each argument."""
        names = [str(getattr(feature, "name", feature)) for feature in features]
        if len(names) != len(self.arguments):
            raise FeatureStoreException(
                f"Number of features provided does not match the number of features provided in the UDF definition. "
                f"{self._name} takes {len(self.arguments)} ({', '.join(self.arguments)}) and was given {len(names)}."
            )
        bound = copy.copy(self)
        bound._features, bound._outputs = names, None
        bound._context = dict(self._context)
        return bound

    def alias(self, *args: str | list[str]) -> HopsworksUdf:
        """Return it with other names for its results."""
        names = list(args[0]) if len(args) == 1 and isinstance(args[0], list | tuple) else list(args)
        if not all(isinstance(name, str) for name in names):
            raise FeatureStoreException(
                f"Invalid alias provided for transformation function: {names!r}. Give strings."
            )
        if len(names) != len(self._return_types):
            raise FeatureStoreException(
                f"The number of output feature names provided does not match the number of features returned by the "
                f"transformation function '{self._name}': {len(names)} and {len(self._return_types)}."
            )
        if len(set(names)) != len(names):
            raise FeatureStoreException(
                f"Duplicate output feature names provided for the transformation function: {names}."
            )
        for name in names:
            if len(name) > LONGEST_NAME:
                raise FeatureStoreException(
                    f"Invalid output feature names for the transformation function '{self._name}'. Names must "
                    f""
                    f"have at most {LONGEST_NAME} characters; {name!r} has {len(name)}."
                )
        aliased = copy.copy(self)
        aliased._outputs = [str(name) for name in names]
        return aliased

    def get_udf(self, online: bool = False) -> Callable[..., Any]:
        """Return the plain function."""
        return self.function

    @property
    def function(self) -> Callable[..., Any]:
        """The plain function, made from its source. Raises UntrustedCodeError."""
        if self.kind is not None:
            raise FeatureStoreException(
                f"{self._name} is built in, and has no function of its own: bind it, as in {self._name}('amount')."
            )
        return load(self.function_spec)

    def executor(
        self,
        statistics: TransformationStatistics | dict[str, Any] | None = None,
        context: dict[str, Any] | None = None,
        online: bool = False,
    ) -> Executor:
        """Return what runs the function with these statistics and this context, for tests."""
        return Executor(self, statistics, context, online)

    def execute(self, *args: Any) -> Any:
        """Run the function on values, for tests: with neither statistics nor context."""
        return self.executor().execute(*args)

    def to_dict(self) -> dict[str, Any]:
        """All that is stored of it."""
        return {
            "name": self._name,
            "kind": self.kind,
            "source": self._source,
            "arguments": self._arguments,
            "return_types": self._return_types,
            "mode": self._mode.value,
            "features": self._features,
            "dropped": self._dropped,
            "statistics": self.statistics_features,
            "context": self._context,
            "outputs": self._outputs,
            "is_in_place": self.is_in_place,
        }

    @classmethod
    def from_dict(cls, stored: dict[str, Any]) -> HopsworksUdf:
        """Return one from what was stored of it."""
        made = cls(
            stored["source"],
            stored["return_types"],
            name=stored["name"],
            transformation_features=stored["features"],
            transformation_function_argument_names=stored["arguments"],
            dropped_argument_names=stored["dropped"],
            execution_mode=stored["mode"],
            transformation_context=stored["context"],
            kind=stored["kind"],
        )
        made.statistics_features = stored["statistics"]
        made._outputs = stored["outputs"]
        made.is_in_place = stored["is_in_place"]
        return made

    def on_demand(self) -> Any:
        """Return it as a feature group of Hopyard takes it."""
        if self.kind is not None or self.statistics_features or "statistics" in self._arguments:
            raise FeatureStoreException(
                f"On-Demand Transformation functions cannot use statistics, please remove statistics parameters from "
                f"the "
                f"functions: {self._name}."
            )
        if "context" in self._arguments:
            raise FeatureStoreException(
                f"The on-demand transformation {self._name!r} takes a context, which is not stored with its feature "
                f"group. "
                f"Take its values as arguments, and give them as columns and as request parameters."
            )
        trust_here(self.function_spec.sha256)
        return hopyard.Udf(self.function_spec)(*self._features).alias(*self.on_demand_names)

    def __repr__(self) -> str:
        return f"{self._name}({', '.join(self._features)})"


class Executor:
    """A function with its statistics and context."""

    def __init__(
        self,
        function: HopsworksUdf,
        statistics: TransformationStatistics | dict[str, Any] | None,
        context: dict[str, Any] | None,
        online: bool,
    ) -> None:
        self._function = function
        if isinstance(statistics, dict):
            given, statistics = statistics, TransformationStatistics()
            for name, values in given.items():
                statistics.set_statistics(name, values)
        self._statistics = statistics
        self._context = context or function.transformation_context
        self._online = online

    def execute(self, *args: Any) -> Any:
        """Run the function on values or Series, one for each argument."""
        from hopyard.compat.hsfs.transformation_chain import call

        return call(
            self._function,
            list(args),
            online=self._online,
            statistics=self._statistics,
            context=self._context,
        )


def _return_types(given: Any) -> list[str]:
    items = list(given) if isinstance(given, list | tuple) else [given]
    found = []
    for item in items:
        text = _TYPES.get(item, item if isinstance(item, str) else None)
        if text is None:
            raise FeatureStoreException(
                f"Output type {item} is not supported. Please refer to `DATA_TYPES` for supported types: str, int, "
                f"float, "
                f"bool, datetime, time, date."
            )
        found.append(text)
    return found


def _bare(source: str) -> str:
    """Return a function's source without annotations and defaults, which may use names of the module around it."""
    tree = ast.parse(source)
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            node.returns = None
            for argument in node.args.args:
                argument.annotation = None
            node.args.defaults = []
    return ast.unparse(tree) + "\n"


def _shortened(stem: str, ending: str = "") -> str:
    name = stem + ending
    if len(name) <= LONGEST_NAME:
        return name
    short = stem[: LONGEST_NAME - len(ending)] + ending
    warn(
        f"The default output feature name {name!r} has more than {LONGEST_NAME} characters and was cut to {short!r}. "
        f"Name it with alias().",
        FeatureGroupWarning,
    )
    return short
