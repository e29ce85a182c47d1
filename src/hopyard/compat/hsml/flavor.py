"""`mr.python`, `mr.sklearn` and the others: each makes models of its framework."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from hopyard.compat.hsml.model import Model
from hopyard.compat.hsml.model_schema import ModelSchema

if TYPE_CHECKING:
    from hopyard.compat.hsml.model_registry import ModelRegistry

M = TypeVar("M", bound=Model)


class Flavor(Generic[M]):
    """Makes models of one framework."""

    def __init__(self, registry: ModelRegistry, kind: type[M]) -> None:
        self._registry = registry
        self._kind = kind

    def create_model(
        self,
        name: str,
        version: int | None = None,
        metrics: Mapping[str, float] | None = None,
        description: str | None = None,
        input_example: Any = None,
        model_schema: ModelSchema | None = None,
        feature_view: Any = None,
        training_dataset_version: int | None = None,
        tags: Any = None,
    ) -> M:
        """Return a model that nothing is stored of until `save`.

        Args:
            version: None: the next one, when it is saved.
            input_example: a dataframe, a series, an array, a list or a dict.
            feature_view: the view that the model was trained with.
            training_dataset_version: of that view; None: the one that this process asked the view for last.
        """
        return self._kind(
            registry=self._registry,
            name=name,
            version=version,
            metrics=metrics,
            description=description,
            input_example=input_example,
            model_schema=model_schema,
            feature_view=feature_view,
            training_dataset_version=training_dataset_version,
            tags=tags,
        )
