"""Encoded rows as the lists of bytes that the drivers of stores take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from hopyard.online.keys import stored_keys
from hopyard.ports import EncodedRows

if TYPE_CHECKING:
    import pyarrow as pa


def stored_rows(
    rows: EncodedRows, start: int = 0, n: int | None = None
) -> tuple[list[bytes], list[bytes | None]]:
    """Return the keys, as they are stored, and the rows, pairwise; null rows are None.

    Args:
        start, n: only `n` of them from there on; None: all that follow.
    """
    return stored_keys(_to_list(rows.keys.slice(start, n))), _to_list(rows.rows.slice(start, n))


def _to_list(array: pa.BinaryArray) -> list[Any]:
    values: list[Any] = array.to_numpy(zero_copy_only=False).tolist()
    return values
