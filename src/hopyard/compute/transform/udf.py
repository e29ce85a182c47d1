"""Users' own transformations: a decorated function, to be bound to features."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Any

from hopyard.compute.transform.builtin import KINDS
from hopyard.compute.transform.load import load
from hopyard.compute.transform.source import read_parameters, read_source
from hopyard.errors import UserFunctionError
from hopyard.model.names import check_name
from hopyard.model.specs import FunctionMode, FunctionSpec, TransformationSpec
from hopyard.model.types import parse_type
from hopyard.trust import trust_here

ReturnType = str | type | Sequence[str | type]
MODES: tuple[FunctionMode, ...] = ("python", "numpy", "pandas")
_PYTHON_TYPES: dict[object, str] = {
    bool: "boolean",
    bytes: "binary",
    date: "date",
    datetime: "timestamp",
    float: "double",
    int: "bigint",
    str: "string",
}


class Udf:
    """A user's function, ready to be bound to features: `ratio("amount", "days")`. Made by `hopyard.udf`."""

    def __init__(self, spec: FunctionSpec, version: int | None = None) -> None:
        self.spec = spec
        self.version = version
        """Under which it is stored; None: it was decorated, or not stored by `create_transformation_function`."""

    @property
    def name(self) -> str:
        """The function's name."""
        return self.spec.name

    @property
    def source(self) -> str:
        """The source that is stored, and run."""
        return self.spec.source

    @property
    def sha256(self) -> str:
        """The hash by which the function is trusted."""
        return self.spec.sha256

    @property
    def function(self) -> Callable[..., Any]:
        """The plain function, made from its source, for tests. Raises UntrustedCodeError."""
        return load(self.spec)

    def __call__(self, *features: str) -> TransformationSpec:
        """Return the function bound to features, by their names: one for each of its parameters, in order.

        The result is called `<function>_<feature>_<feature>...`, several results `..._0`, `..._1` and so on; see
        `TransformationSpec.alias`.

        Raises:
            UserFunctionError: not one name for each parameter.
        """
        parameters = self.spec.parameters
        if len(features) != len(parameters) or not all(isinstance(name, str) for name in features):
            raise UserFunctionError(
                f"{self.name} takes the names of {len(parameters)} feature(s), for {', '.join(parameters)}; it was "
                f"given {', '.join(map(repr, features)) or 'none'}. Its plain function is {self.name}.function."
            )
        name, n_results = "_".join([self.name, *features]), len(self.spec.returns)
        return TransformationSpec(
            name=self.name,
            features=features,
            source_hash=self.sha256,
            function=self.spec,
            outputs=(name,) if n_results == 1 else tuple(f"{name}_{place}" for place in range(n_results)),
        )

    def __repr__(self) -> str:
        version = "" if self.version is None else f", version={self.version}"
        return f"Udf({self.name!r}, {', '.join(self.spec.parameters)} -> {', '.join(self.spec.returns)}{version})"


def udf(
    return_type: ReturnType, *, drop: Sequence[str] | str | None = None, mode: FunctionMode = "python"
) -> Callable[[Callable[..., Any]], Udf]:
    """Return a decorator that makes a transformation of a function, to be bound to features.

    The function is kept as its source, with the imports that it needs: it must not use anything else of the module
    around it. Each of its parameters takes a feature.

    Args:
        return_type: a feature type (`"double"`, `"bigint"`, `"string"`, ...), or a Python type (`float`, `int`, `str`,
            `bool`, `date`, `datetime`, `bytes`); a list of them for a function that returns a tuple.
        drop: the parameters whose features do not stay beside the result; default: all stay.
        mode: `python`: called with the values of one row, None for null. `numpy` and `pandas`: called with an array or
            a Series for each parameter, of the rows in which none of them is null, and returns one; where one is null,
            the result is null.
    Raises:
        UserFunctionError: a function that cannot be kept, or arguments that do not fit it.
        InvalidNameError: its name.
        SchemaMismatchError: no such feature type.
    """
    returns = _returns(return_type)
    if mode not in MODES:
        raise UserFunctionError(f"mode={mode!r} is unknown: use 'python', 'numpy' or 'pandas'.")

    def decorate(function: Callable[..., Any]) -> Udf:
        parameters = read_parameters(function)
        name = check_name("function", function.__name__)
        if name in KINDS:
            raise UserFunctionError(f"{name!r} is the name of a built-in transformation: use another one.")
        spec = FunctionSpec(
            name=name,
            parameters=parameters,
            returns=returns,
            mode=mode,
            drop=_dropped(name, drop, parameters),
            source=read_source(function),  # type: ignore[arg-type]
        )
        trust_here(spec.sha256)
        return Udf(spec)

    return decorate


def spec_of(function: object) -> FunctionSpec:
    """Return the spec of a function. Raises UserFunctionError: it is not decorated, or bound to features already."""
    if isinstance(function, Udf):
        return function.spec
    raise UserFunctionError(
        f"{function!r} is no function that was decorated with @hopyard.udf(...), or it is bound to features already."
    )


def _returns(return_type: ReturnType) -> tuple[str, ...]:
    if not isinstance(return_type, (str, type)) and callable(return_type):
        raise UserFunctionError("Say what the function returns: @hopyard.udf('double').")
    is_list = isinstance(return_type, Sequence) and not isinstance(return_type, str)
    given: list[object] = list(return_type) if is_list else [return_type]  # type: ignore[arg-type]
    if is_list and len(given) < 2:
        raise UserFunctionError(f"return_type={given!r}: a list is for several results; give the type alone.")
    found = []
    for item in given:
        name = _PYTHON_TYPES.get(item, item) if isinstance(item, type) else item
        if not isinstance(name, str):
            known = ", ".join(sorted(type_.__name__ for type_ in _PYTHON_TYPES))  # type: ignore[attr-defined]
            raise UserFunctionError(
                f"return_type={item!r} is no type of a feature: give its name, such as 'double', or one of {known}."
            )
        type_ = parse_type(name)
        if type_.size is not None:
            raise UserFunctionError(f"return_type={name!r}: leave out the size of the array.")
        found.append(str(type_))
    return tuple(found)


def _dropped(name: str, drop: Sequence[str] | str | None, parameters: Sequence[str]) -> tuple[str, ...]:
    dropped = (drop,) if isinstance(drop, str) else tuple(drop or ())
    for parameter in dropped:
        if parameter not in parameters:
            raise UserFunctionError(
                f"drop={list(dropped)!r}: {name} has no parameter {parameter!r}, only {', '.join(parameters)}."
            )
    return tuple(parameter for parameter in parameters if parameter in dropped)
