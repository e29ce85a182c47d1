"""JSON in and out for frozen data, with a format version that is checked first."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from hopyard.errors import ConfigError, CorruptStoreError, FormatVersionError

T = TypeVar("T")


class Frozen(msgspec.Struct, frozen=True, kw_only=True):
    """The base of all frozen data."""


class _Head(msgspec.Struct):
    format_version: int = 1


def to_json(value: object) -> bytes:
    """Return `value` as compact JSON, its keys in the order of the definition: equal data, equal bytes.

    Raises:
        ConfigError: it holds a value of a wrong type, so that it could never be read back. Arguments end up here.
    """
    try:
        text = msgspec.json.encode(value)
        msgspec.json.decode(text, type=type(value))
    except (msgspec.MsgspecError, TypeError, ValueError) as error:
        raise ConfigError(
            f"An argument has a wrong type and cannot be stored: {error}. Nothing was stored. Give plain Python values "
            f"of the documented types."
        ) from error
    return text


def from_json(type_: type[T], text: bytes | str, *, known: int, what: str) -> T:
    """Return `text` as `type_`.

    Args:
        known: the newest format version that this code reads.
        what: names the thing in error messages.
    Raises:
        FormatVersionError: it was written by a newer Hopyard.
        CorruptStoreError: it is not what it should be.
    """
    try:
        found = msgspec.json.decode(text, type=_Head).format_version
        if found > known:
            raise FormatVersionError(what, found, known)
        return msgspec.json.decode(text, type=type_)
    except msgspec.MsgspecError as error:
        raise CorruptStoreError(f"{what} cannot be read: {error}. Was the file edited by hand?") from error
