"""Connectors: there are none, and what programs import of them says so."""

from __future__ import annotations

from typing import Any

from hopyard.compat.hsfs.store_absent import refuse


class StorageConnector:
    """Raises CompatError: data is read by the program itself."""

    def __init__(self, *_: Any, **__: Any) -> None:
        refuse("StorageConnector")

    def read(
        self,
        query: str | None = None,
        data_format: str | None = None,
        options: dict[str, Any] | None = None,
        path: str | None = None,
        dataframe_type: str = "default",
    ) -> Any:
        """Raise CompatError: data is read by the program itself."""
        refuse("StorageConnector")
