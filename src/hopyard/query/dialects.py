"""The SQL dialects in which a query can be written, and what each of them can say."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from hopyard.errors import QueryError
from hopyard.ports import EngineCapabilities

DIALECTS: Mapping[str, EngineCapabilities] = MappingProxyType(
    {
        "duckdb": EngineCapabilities(dialect="duckdb", has_asof_join=True),
        "spark": EngineCapabilities(dialect="spark", has_asof_join=False, has_file_lists=False),
    }
)


def capabilities_of(dialect: str) -> EngineCapabilities:
    """Return what a dialect can say. Raises QueryError for an unknown one; lists those that there are."""
    if not isinstance(dialect, str) or dialect not in DIALECTS:
        raise QueryError(
            f"Queries are not written in the SQL of {dialect!r}. There are: {', '.join(sorted(DIALECTS))}."
        )
    return DIALECTS[dialect]
