"""Encoded keys come back as the values that they were made of."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hopyard.errors import CorruptStoreError
from hopyard.model.schema import Field
from hopyard.online.key_values import key_values
from hopyard.online.keys import key_encoder
from hopyard.ports import OnlineTable

TYPES = {
    "boolean": st.booleans(),
    "int": st.integers(-(2**31), 2**31 - 1),
    "bigint": st.integers(-(2**63), 2**63 - 1),
    "string": st.text(max_size=8) | st.sampled_from(["", "\x00", "a\x00\xff", "\x00\x00"]),
    "binary": st.binary(max_size=8),
    "date": st.dates(),
    "timestamp": st.datetimes(timezones=st.just(UTC)),
    "decimal(12,3)": st.integers(-(10**12) + 1, 10**12 - 1).map(lambda n: Decimal(n).scaleb(-3)),
}


def online_table(types: list[str]) -> OnlineTable:
    key = tuple(Field(name=f"k{at}", type=type_) for at, type_ in enumerate(types))
    return OnlineTable(id="t", name="t_1", key=key, values=())


@given(
    st.lists(st.sampled_from(sorted(TYPES)), min_size=1, max_size=4).flatmap(
        lambda types: st.tuples(st.just(types), st.tuples(*(TYPES[type_] for type_ in types)))
    )
)
def test_a_key_comes_back(case: tuple[list[str], tuple[object, ...]]) -> None:
    types, values = case
    table = online_table(types)
    assert list(key_values(table, key_encoder(table)(values)).values()) == list(values)


@given(st.sampled_from(sorted(TYPES)), st.binary(max_size=20))
def test_other_bytes_are_an_error_or_a_key(type_: str, data: bytes) -> None:
    table = online_table([type_])
    with suppress(CorruptStoreError):
        assert isinstance(key_values(table, data)["k0"], (bool, int, str, bytes, date, datetime, Decimal))


def test_bytes_after_the_key_are_an_error() -> None:
    table = online_table(["int"])
    with pytest.raises(CorruptStoreError, match="0x8000000100 is no key of the online table 't_1'"):
        key_values(table, key_encoder(table)([1]) + b"\x00")
