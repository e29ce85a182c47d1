"""On-demand features in vectors: computed from request parameters, and from what is stored."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from hopyard.compute.scalar import coerce
from hopyard.errors import FeatureVectorError
from hopyard.model.manifest import FittedStatistics
from hopyard.online.serving_plan import ServingFunction, ServingOutput

ABSENT: Any = object()
"""In the place of a value that nobody gave."""

Parameters = Mapping[str, object]
Find = Callable[[int, str], object]
"""Returns what is known of a feature of a node for one vector, or `ABSENT`."""


class OnDemand:
    """The functions of a view, ready to compute the on-demand features of vectors. Raises UntrustedCodeError."""

    def __init__(self, functions: Sequence[ServingFunction], outputs: Sequence[ServingOutput]) -> None:
        """Args: outputs: the places of a vector."""
        self._outputs = outputs
        self._places = {(out.node, out.feature): place for place, out in enumerate(outputs)}
        self._steps = [(function, _ready(function)) for function in functions]
        results = {(f.node, name) for f in functions for name in f.transformation.outputs}
        self.parameters = tuple(
            dict.fromkeys(
                name
                for function in functions
                for field in function.takes
                if (function.node, field.name) not in results
                for name in function.names(field.name)
            )
        )
        """The names that request parameters may have."""

    def __bool__(self) -> bool:
        return bool(self._steps)

    def per_entry(
        self, parameters: Parameters | Sequence[Parameters] | None, n_entries: int
    ) -> Sequence[Parameters]:
        """Return the request parameters of each entry. Raises FeatureVectorError: they are no such thing."""
        is_list = isinstance(parameters, Sequence) and not isinstance(parameters, str)
        given: Sequence[Any] = parameters if is_list else [parameters or {}] * n_entries  # type: ignore[assignment]
        if len(given) != n_entries or not all(isinstance(item, Mapping) for item in given):
            raise FeatureVectorError(
                f"request_parameters={parameters!r} must be a dict from names to values, or a list with one for each "
                f"of {n_entries} entries."
            )
        for name in (name for item in given for name in item if name not in self.parameters):
            raise FeatureVectorError(
                f"{name!r} is no request parameter of the view. It has: {', '.join(self.parameters) or 'none'}."
            )
        return given

    def fill(self, vector: list[object], parameters: Parameters, passed: Parameters, find: Find) -> None:
        """Compute the on-demand features of a vector, in their places.

        Args:
            parameters: request parameters; they win over what is stored.
            passed: features that the caller gives, by their names in the vector: these are not computed.
            find: what is stored or passed.
        Raises:
            FeatureVectorError: a request parameter is missing, or of another type.
        """
        computed: dict[tuple[int, str], object] = {}
        for function, values in self._steps:
            node, item = function.node, function.transformation
            places = [self._places.get((node, name)) for name in item.outputs]
            shown = [place for place in places if place is not None]
            if shown and all(self._outputs[place].name in passed for place in shown):
                continue
            taken = []
            for field in function.takes:
                value = computed.get((node, field.name), ABSENT)
                for name in function.names(field.name):
                    if value is ABSENT and name in parameters:
                        value = coerce(name, field.feature_type, parameters[name])
                if value is ABSENT and field.name in function.stored:
                    value = find(node, field.name)
                elif value is ABSENT:
                    raise FeatureVectorError(
                        f"The request parameter {function.names(field.name)[0]!r} ({field.type}) is missing, from "
                        f"which {item.name} computes {', '.join(map(repr, item.outputs))}: give it in "
                        f"request_parameters."
                    )
                taken.append(value)
            if any(value is ABSENT for value in taken):
                continue  # a feature that it takes has no row: so its results are missing, too
            for name, place, result in zip(item.outputs, places, values(taken), strict=True):
                computed[node, name] = result
                if place is not None and self._outputs[place].name not in passed:
                    vector[place] = result


def _ready(function: ServingFunction) -> Callable[[Sequence[object]], list[object]]:
    from hopyard.compute.transform.builtin import (
        bind,  # with numpy, which services without functions need not load
    )

    item = function.transformation
    nothing = FittedStatistics(feature=item.features[0], transformation=item.name)
    return bind(item, function.takes, nothing).values
