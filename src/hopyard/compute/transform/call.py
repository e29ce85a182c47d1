"""Calls of a user's function: what it is given, what it may return; every error names it and its arguments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from hopyard.compute.scalar import coerce
from hopyard.compute.transform.load import load
from hopyard.errors import FeatureVectorError, UserFunctionError
from hopyard.model.schema import Schema
from hopyard.model.specs import FunctionSpec
from hopyard.model.types import FeatureType, parse_type

_OF_MANY_FORMS = ("timestamp", "array", "struct")
"""Offline and online these may come as other Python objects, or as ones that the function must not change."""
_PLAIN: dict[str, Callable[[Any], object]] = {
    "bigint": int.__int__,
    "binary": bytes.__bytes__,
    "int": int.__int__,
    "string": str.__str__,
}
"""Makes the plain value of one whose type is derived, such as a member of an IntEnum."""

_AS_IT_IS: dict[str, type] = {"boolean": bool, "double": float}


class Call:
    """A function that is ready to be called. Raises UntrustedCodeError if it may not."""

    def __init__(self, function: FunctionSpec, arguments: Schema) -> None:
        self.function = function
        self.returns = tuple(parse_type(type_) for type_ in function.returns)
        self._takes = [
            field.feature_type if field.feature_type.kind in _OF_MANY_FORMS else None for field in arguments
        ]
        self._has_forms = any(self._takes)
        self._function = load(function)

    def row(self, values: Sequence[object]) -> list[object]:
        """Return the results for the values of one row. Raises UserFunctionError."""
        given = (
            values
            if not self._has_forms
            else [
                value if type_ is None else coerce(name, type_, value)
                for name, type_, value in zip(self.function.parameters, self._takes, values, strict=True)
            ]
        )
        results = self.run(given, values)
        return [self.checked(place, result, values) for place, result in enumerate(results)]

    def run(self, given: Sequence[object], values: Sequence[object], *, n_rows: int = 1) -> Sequence[Any]:
        """Return what the function returns, one item for each of its results.

        Args:
            given: what it is called with.
            values: the values of its first row, for messages.
        Raises:
            UserFunctionError: it raises something, or does not return a tuple where it should.
        """
        try:
            results = self._function(*given)
        except Exception as error:
            raise UserFunctionError(
                f"{self.shown(values, n_rows=n_rows)} raised {type(error).__name__}: {error}"
            ) from error
        if len(self.returns) == 1:
            return (results,)
        if not isinstance(results, (tuple, list)) or len(results) != len(self.returns):
            raise UserFunctionError(
                f"{self.shown(values, n_rows=n_rows)} returned {_shown(results)}, and not a tuple of "
                f"{len(self.returns)} results ({', '.join(self.function.returns)})."
            )
        return results

    def checked(self, place: int, value: object, values: Sequence[object]) -> object:
        """Return one value of a result as its declared type has it. Raises UserFunctionError: it is none."""
        type_ = self.returns[place]
        if type(value) is _AS_IT_IS.get(type_.kind):
            return value
        try:
            if value is None or (type_.kind in ("timestamp", "date") and value != value):  # pandas.NaT
                return None
            return _typed(type_, value)
        except (FeatureVectorError, OverflowError, UnicodeError) as error:
            which = f" as result {place}" if len(self.returns) > 1 else ""
            raise UserFunctionError(
                f"{self.shown(values)} returned {_shown(value)} ({type(value).__name__}){which}, which is no {type_}: "
                f"return one, or declare another return_type."
            ) from error

    def shown(self, values: Sequence[object], *, n_rows: int = 1) -> str:
        """Return a call as messages show it, such as `ratio(amount=1.5, days=None)`."""
        pairs = zip(self.function.parameters, values, strict=True)
        text = f"{self.function.name}({', '.join(f'{name}={_shown(value)}' for name, value in pairs)})"
        return text if n_rows == 1 else f"{text} and {n_rows - 1:,} more rows, in mode {self.function.mode},"


def _typed(type_: FeatureType, value: object) -> object:
    found = coerce("result", type_, value)
    if type_.kind in _PLAIN:
        found = _PLAIN[type_.kind](found)
    if type_.kind == "string":
        str(found).encode()  # refuses halves of characters, which no store could keep
    if type_.kind == "decimal" and abs(found) >= 10 ** (type_.precision - type_.scale):  # type: ignore[arg-type]
        raise OverflowError
    return found.to_pydatetime() if hasattr(found, "to_pydatetime") else found


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
