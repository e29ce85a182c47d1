"""The mark of an online table as stored: its position in JSON."""

from __future__ import annotations

import msgspec

from hopyard.errors import CorruptStoreError
from hopyard.model.position import Position

_POSITION: msgspec.json.Decoder[Position] = msgspec.json.Decoder(Position)


def position_of(mark: bytes | str, table_id: str, place: object) -> Position:
    """Return the position that a mark says. Raises CorruptStoreError, which names the place of the store."""
    try:
        return _POSITION.decode(mark)
    except msgspec.MsgspecError as error:
        raise CorruptStoreError(
            f"The position of the online table {table_id!r} in {place} cannot be read: {error}. "
            f"`hopyard online rebuild GROUP` writes the table anew; `hopyard verify` says of which group it is."
        ) from error
