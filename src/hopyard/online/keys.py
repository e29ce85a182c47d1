"""Keys as bytes that sort like their values, from Python values. Imports neither pyarrow nor numpy: requests use it.

docs/reference/online-format.md describes the bytes; `codec.encode_keys` makes the same ones from Arrow.
"""

from __future__ import annotations

import operator
import struct
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import SupportsIndex, cast

from hopyard.errors import FeatureVectorError
from hopyard.model.types import FeatureType
from hopyard.ports import OnlineTable
from hopyard.time import EPOCH

LONGEST_PLAIN_KEY = 510
"""Keys up to this length are stored as they are. A longer one is stored in exactly one byte more than this, so that
it equals no plain key, and in full in its row."""

ROW_HEAD_BYTES = 21
"""Array header (3), event time (9), position (9)."""

LONG_KEY_EXTENSION = 1
"""The msgpack extension type of a key in its row. No value is an extension, so the reader can tell them apart."""

_HASH_BYTES = 32
_WIDEST_FIXED_KEY = 16
_PACK_32 = struct.Struct(">I").pack
_PACK_64 = struct.Struct(">Q").pack
_EPOCH_ORDINAL = EPOCH.toordinal()
_MICROSECOND = timedelta(microseconds=1)
_EXAMPLES = {
    "boolean": "True or False",
    "int": "an int from -2147483648 to 2147483647",
    "bigint": "an int of at most 64 bits",
    "string": "a str",
    "binary": "bytes",
    "decimal": "a decimal.Decimal of these digits",
    "timestamp": "a datetime (a naive one is UTC)",
    "date": "a datetime.date",
}

Encoder = Callable[[object], bytes]

UNFIT = (TypeError, ValueError, ArithmeticError, struct.error)
"""What an encoder raises for a value that does not fit its column."""


def encode_key(table: OnlineTable, values: Sequence[object]) -> bytes:
    """Return the encoded key of one row; the same bytes as `codec.encode_keys`.

    Args:
        values: one Python value per column of `table.key`, in its order. NumPy integers and booleans are accepted,
            naive datetimes are UTC; nothing else is converted.
    Raises:
        FeatureVectorError: a value does not fit its column, is None, or there are too many or too few.
    """
    return key_encoder(table)(values)


def key_encoder(table: OnlineTable) -> Callable[[Sequence[object]], bytes]:
    """Return `encode_key` for one table, with everything looked up that does not depend on the values."""
    columns = [(field.name, field.feature_type) for field in table.key]
    encoders = [_encoder(type_) for _, type_ in columns]

    def encode(values: Sequence[object]) -> bytes:
        if len(values) != len(columns):
            names = ", ".join(name for name, _ in columns)
            raise FeatureVectorError(
                f"The key of {table.name!r} has {len(columns)} column(s) ({names}); {len(values)} value(s) were given."
            )
        parts = []
        for (name, type_), encoder, value in zip(columns, encoders, values, strict=True):
            try:
                parts.append(encoder(value))
            except UNFIT:
                raise FeatureVectorError(
                    f"Key column {name!r} of {table.name!r} is {type_}; {value!r} ({type(value).__name__}) does not "
                    f"fit it. Give {_EXAMPLES[type_.kind]}."
                ) from None
        return b"".join(parts)

    return encode


def entry_key(table: OnlineTable, names: Sequence[str]) -> Callable[[Mapping[str, object]], bytes | None]:
    """Return what encodes the key in an entry, fastest; the function gives None where a part of the key is null.

    Args:
        names: under which the entry has the columns of the key, in order.
    Raises:
        FeatureVectorError: (the function) as `encode_key`.
    """
    encode = key_encoder(table)
    encoders = [_encoder(field.feature_type) for field in table.key]
    take = operator.itemgetter(*names)
    first, second = encoders[0], encoders[-1]

    def of_one(entry: Mapping[str, object]) -> bytes | None:
        value = entry[names[0]]
        try:
            return first(value)
        except UNFIT:
            return None if value is None else encode((value,))  # which says what is wrong

    def of_two(entry: Mapping[str, object]) -> bytes | None:
        left, right = take(entry)
        try:
            return first(left) + second(right)
        except UNFIT:
            return None if left is None or right is None else encode((left, right))

    def of_several(entry: Mapping[str, object]) -> bytes | None:
        values = take(entry)
        return None if any(value is None for value in values) else encode(values)

    return {1: of_one, 2: of_two}.get(len(encoders), of_several)


def may_have_long_keys(table: OnlineTable) -> bool:
    """Return whether a key of this table can be too long to be stored as it is."""
    kinds = [field.feature_type.kind for field in table.key]
    return "string" in kinds or "binary" in kinds or _WIDEST_FIXED_KEY * len(kinds) > LONGEST_PLAIN_KEY


def has_long(keys: Sequence[bytes]) -> bool:
    """Return whether one of the keys is stored under another one; see `stored_key`."""
    return max(map(len, keys), default=0) > LONGEST_PLAIN_KEY


def stored_keys(keys: list[bytes]) -> list[bytes]:
    """Return each key as it is stored: the list itself where none is long."""
    return list(map(stored_key, keys)) if has_long(keys) else keys


def stored_key(key: bytes) -> bytes:
    """Return the key under which a store files an encoded key: at most 511 bytes, itself where that is possible.

    A longer key becomes its first bytes and the BLAKE2b-256 hash of the whole: it sorts by those first bytes, and its
    length is one that no plain key has.
    """
    if len(key) <= LONGEST_PLAIN_KEY:
        return key
    from hashlib import blake2b  # takes 3 ms to load, and few stores have long keys

    return key[: LONGEST_PLAIN_KEY + 1 - _HASH_BYTES] + blake2b(key, digest_size=_HASH_BYTES).digest()


def full_key(stored: bytes, row: bytes) -> bytes:
    """Return the encoded key of a stored row: the stored key, or the long one kept in the row."""
    if len(stored) <= LONGEST_PLAIN_KEY:
        return stored
    start = ROW_HEAD_BYTES
    if row[start] == 0xC8:
        return row[start + 4 : start + 4 + int.from_bytes(row[start + 1 : start + 3], "big")]
    return row[start + 6 : start + 6 + int.from_bytes(row[start + 1 : start + 5], "big")]


def _encoder(type_: FeatureType) -> Encoder:
    if type_.kind == "decimal":
        return lambda value: _decimal(value, type_)
    return _ENCODERS[type_.kind]


def _whole(value: object) -> int:
    """Return an int, or what counts as one (NumPy's integers); a bool is none."""
    if isinstance(value, bool):
        raise TypeError
    return operator.index(cast(SupportsIndex, value))


def _boolean(value: object) -> bytes:
    if not isinstance(value, bool):
        if type(value).__module__ != "numpy" or not type(value).__name__.startswith("bool"):
            raise TypeError
        value = bool(value)
    return b"\x01" if value else b"\x00"


def _int(value: object) -> bytes:
    return _PACK_32((value if type(value) is int else _whole(value)) + 2**31)


def _bigint(value: object) -> bytes:
    return _PACK_64((value if type(value) is int else _whole(value)) + 2**63)


def _timestamp(value: object) -> bytes:
    if not isinstance(value, datetime):
        raise TypeError
    aware = value.replace(tzinfo=UTC) if value.tzinfo is None else value
    return _PACK_64((aware - EPOCH) // _MICROSECOND + 2**63)


def _date(value: object) -> bytes:
    if not isinstance(value, date) or isinstance(value, datetime):
        raise TypeError
    return _PACK_32(value.toordinal() - _EPOCH_ORDINAL + 2**31)


def _string(value: object) -> bytes:
    if not isinstance(value, str):
        raise TypeError
    encoded = value.encode()
    return (encoded.replace(b"\x00", b"\x00\xff") if b"\x00" in encoded else encoded) + b"\x00\x00"


def _binary(value: object) -> bytes:
    if not isinstance(value, (bytes, bytearray, memoryview)):
        raise TypeError
    return bytes(value).replace(b"\x00", b"\x00\xff") + b"\x00\x00"


def _decimal(value: object, type_: FeatureType) -> bytes:
    number = value if isinstance(value, Decimal) else Decimal(_whole(value))
    sign, digits, exponent = number.as_tuple()
    if not isinstance(exponent, int):  # NaN and the infinities
        raise ValueError
    # Integers, not Decimal arithmetic: that would round to the context's 28 digits.
    unscaled, shift = int("".join(map(str, digits))), exponent + type_.scale
    if unscaled == 0:
        shift = 0
    if shift > type_.precision:
        raise ValueError
    unscaled, rest = (unscaled * 10**shift, 0) if shift >= 0 else _divide(unscaled, -shift, len(digits))
    if rest or unscaled >= 10**type_.precision:
        raise ValueError
    return ((-unscaled if sign else unscaled) + 2**127).to_bytes(16, "big")


def _divide(unscaled: int, places: int, n_digits: int) -> tuple[int, int]:
    """Return quotient and remainder by 10**places; more places than digits need no huge power."""
    return divmod(unscaled, 10**places) if places <= n_digits else (0, unscaled)


_ENCODERS: dict[str, Encoder] = {
    "boolean": _boolean,
    "int": _int,
    "bigint": _bigint,
    "timestamp": _timestamp,
    "date": _date,
    "string": _string,
    "binary": _binary,
}
