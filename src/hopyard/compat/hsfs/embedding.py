"""Embeddings: there is no vector index to put them in."""

from __future__ import annotations

from typing import Any

from hopyard.compat.hsfs.store_absent import refuse


class SimilarityFunctionType:
    """How vectors are compared; named so that programs can be imported."""

    L2 = "l2_norm"
    COSINE = "cosine"
    DOT_PRODUCT = "dot_product"


class EmbeddingFeature:
    """Raises CompatError: there is no vector index."""

    def __init__(self, name: str | None = None, dimension: int | None = None, *_: Any, **__: Any) -> None:
        refuse("EmbeddingIndex")


class EmbeddingIndex:
    """Raises CompatError: there is no vector index."""

    def __init__(
        self,
        index_name: str | None = None,
        features: list[Any] | None = None,
        col_prefix: str | None = None,
    ) -> None:
        refuse("EmbeddingIndex")

    def add_embedding(
        self,
        name: str,
        dimension: int,
        similarity_function_type: str = SimilarityFunctionType.L2,
        model: Any = None,
    ) -> None:
        """Raise CompatError: there is no vector index."""
        refuse("EmbeddingIndex")
