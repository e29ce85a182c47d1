"""Names, instants, feature types and typed literals."""

from __future__ import annotations

import math
import struct
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hopyard.errors import InvalidNameError, QueryError, SchemaMismatchError, TimeTravelError
from hopyard.model.arrow import from_arrow, to_arrow
from hopyard.model.codec import from_json, to_json
from hopyard.model.names import MAX_NAME_LENGTH, check_name, nearest_name
from hopyard.model.plan import Value, literal
from hopyard.model.types import SCALARS, FeatureType, parse_type
from hopyard.time import EPOCH, from_micros, show, system_clock, to_micros

# Names

VALID_NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,62}", fullmatch=True)


@given(VALID_NAMES)
def test_a_valid_name_is_returned_as_it_is(name: str) -> None:
    assert check_name("feature", name) == name


@given(st.text(max_size=100))
def test_the_nearest_name_of_any_text_is_valid(text: str) -> None:
    assert check_name("feature", nearest_name(text))


@pytest.mark.parametrize(
    ("name", "nearest"),
    [
        ("", "x"),
        ("_", "x"),
        ("1", "x"),
        ("Weather", "weather"),
        ("arr delay", "arr_delay"),
        ("arr-delay (min)", "arr_delay_min"),
        ("2nd_engine", "nd_engine"),
        ("_hidden", "hidden"),
        ("weather\n", "weather"),
        ("größe", "gr_e"),
        ("a" * 64, "a" * 63),
    ],
)
def test_an_invalid_name_is_refused_with_the_name_and_the_nearest_valid_one(name: str, nearest: str) -> None:
    with pytest.raises(InvalidNameError) as error:
        check_name("feature group", name)
    assert f"{name!r} cannot name a feature group" in str(error.value)
    assert f"For example: {nearest!r}." in str(error.value)


def test_a_name_has_at_most_63_characters() -> None:
    assert check_name("feature", "a" * MAX_NAME_LENGTH) == "a" * 63
    with pytest.raises(InvalidNameError, match="at most 63 characters"):
        check_name("feature", "a" * 64)


@pytest.mark.parametrize("name", [None, 7, b"weather"])
def test_what_is_no_text_is_no_name(name: object) -> None:
    with pytest.raises(InvalidNameError):
        check_name("feature", name)  # type: ignore[arg-type]


# Instants

SECOND = 1_000_000
HOUR = 3600 * SECOND
DAY = 20_780 * 24 * HOUR
"""2026-11-23 00:00 UTC."""


@pytest.mark.parametrize(
    ("text", "micros"),
    [
        ("20261123", DAY),
        ("2026112314", DAY + 14 * HOUR),
        ("202611231430", DAY + 14 * HOUR + 1800 * SECOND),
        ("20261123143015", DAY + 14 * HOUR + 1815 * SECOND),
        ("20261123143015123", DAY + 14 * HOUR + 1815 * SECOND + 123_000),
        ("2026-11-23", DAY),
        ("2026/11/23", DAY),
        ("2026.11.23", DAY),
        ("2026-11-23 14", DAY + 14 * HOUR),
        ("2026/11/23 14:30", DAY + 14 * HOUR + 1800 * SECOND),
        ("2026-11-23T14:30:15", DAY + 14 * HOUR + 1815 * SECOND),
        ("2026/11/23-14.30.15", DAY + 14 * HOUR + 1815 * SECOND),
        ("20261123T143015", DAY + 14 * HOUR + 1815 * SECOND),
        ("2026-11-23 14:30:15.123", DAY + 14 * HOUR + 1815 * SECOND + 123_000),
        ("2026-11-23T14:30:15.123456", DAY + 14 * HOUR + 1815 * SECOND + 123_456),
        ("2026-11-23T14:30:15Z", DAY + 14 * HOUR + 1815 * SECOND),
        ("2026-11-23T14:30:15.123456Z", DAY + 14 * HOUR + 1815 * SECOND + 123_456),
        ("2026-11-23T14:30:15+00:00", DAY + 14 * HOUR + 1815 * SECOND),
        ("2026-11-23T14:30:15+05:30", DAY + 9 * HOUR + 15 * SECOND),
        ("2026-11-23T14:30:15-05:00", DAY + 19 * HOUR + 1815 * SECOND),
        ("2026-11-23 14:30+01:00", DAY + 13 * HOUR + 1800 * SECOND),
        ("2026-W48-1", DAY),
        ("  2026-11-23\n", DAY),
        ("1970-01-01", 0),
        ("1969-12-31T23:59:59.999999", -1),
        ("1582-10-15", -12_219_292_800 * SECOND),
        ("0001-01-01", -62_135_596_800 * SECOND),
        ("9999-12-31T23:59:59.999999", 253_402_300_799 * SECOND + 999_999),
    ],
)
def test_text_of_each_accepted_form_is_an_instant_in_utc(text: str, micros: int) -> None:
    assert to_micros(text) == micros


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "2026",
        "202611",
        "2026112",
        "20261323",
        "20260230",
        "2026112325",
        "202611231460",
        "20261123143015123456789",
        "2026-11-23T14:30:15 Paris",
        "1795392000000000",
    ],
)
def test_other_text_is_refused_with_the_text_and_examples(text: str) -> None:
    with pytest.raises(TimeTravelError) as error:
        to_micros(text)
    assert f"{text!r} is no instant" in str(error.value)
    assert "'2026-11-23 14:30:00'" in str(error.value)


@pytest.mark.parametrize("thing", [None, 7, 7.5, b"2026-11-23"])
def test_what_is_no_instant_at_all_is_refused(thing: object) -> None:
    with pytest.raises(TimeTravelError, match="is no instant. Give a datetime"):
        to_micros(thing)  # type: ignore[arg-type]


ZONES = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
NAIVE = st.datetimes(min_value=datetime(2, 1, 1), max_value=datetime(9998, 12, 31))


@given(NAIVE)
def test_a_naive_datetime_is_taken_as_utc_and_comes_back_aware(moment: datetime) -> None:
    aware = from_micros(to_micros(moment))
    assert aware == moment.replace(tzinfo=UTC)
    assert aware.utcoffset() == timedelta(0)


@given(NAIVE, ZONES)
def test_an_aware_datetime_is_converted(moment: datetime, zone: timezone) -> None:
    assert from_micros(to_micros(moment.replace(tzinfo=zone))) == moment.replace(tzinfo=zone)


@given(NAIVE, ZONES)
def test_iso_text_means_what_the_datetime_means(moment: datetime, zone: timezone) -> None:
    assert to_micros(moment.isoformat()) == to_micros(moment)
    aware = moment.replace(tzinfo=zone)
    assert to_micros(aware.isoformat()) == to_micros(aware)


@given(st.dates())
def test_a_date_is_its_midnight_in_utc(day: date) -> None:
    assert to_micros(day) == (day - EPOCH.date()).days * 24 * HOUR
    assert to_micros(day) == to_micros(day.isoformat()) == to_micros(f"{day.isoformat()}T00:00")


@given(st.integers(-62_135_596_800 * SECOND, 253_402_300_799 * SECOND))
def test_microseconds_survive_as_datetime_and_as_text(micros: int) -> None:
    assert to_micros(from_micros(micros)) == micros
    assert show(micros).endswith("Z")
    assert to_micros(show(micros)) == micros


def test_the_system_clock_gives_microseconds_of_now() -> None:
    before = to_micros(datetime.now(UTC))
    assert before <= system_clock() + SECOND
    assert system_clock() <= to_micros(datetime.now(UTC)) + SECOND


# Feature types


def _nested(inner: st.SearchStrategy[FeatureType]) -> st.SearchStrategy[FeatureType]:
    arrays = st.builds(
        lambda element, size: FeatureType("array", element=element, size=size),
        inner,
        st.none() | st.integers(1, 4096),
    )
    fields = st.lists(st.tuples(st.text(max_size=6), inner), max_size=4).map(tuple)
    return arrays | st.builds(lambda fields: FeatureType("struct", fields=fields), fields)


DECIMALS = st.integers(1, 38).flatmap(
    lambda precision: st.integers(0, precision).map(
        lambda scale: FeatureType("decimal", precision=precision, scale=scale)
    )
)
PLAIN = st.sampled_from([FeatureType(kind) for kind in SCALARS if kind != "decimal"])  # type: ignore[arg-type]
TYPES = st.recursive(PLAIN | DECIMALS, _nested, max_leaves=8)


@given(TYPES)
def test_a_type_survives_its_text_form(type_: FeatureType) -> None:
    assert parse_type(str(type_)) == type_


@given(TYPES)
def test_a_type_survives_arrow_but_for_the_size_of_arrays(type_: FeatureType) -> None:
    assert from_arrow(to_arrow(type_), column="c") == _stored(type_)


def _stored(type_: FeatureType) -> FeatureType:
    """Return the type as Arrow keeps it: stored lists have no fixed size."""
    if type_.element is not None:
        return FeatureType("array", element=_stored(type_.element))
    if type_.kind == "struct":
        return FeatureType("struct", fields=tuple((name, _stored(field)) for name, field in type_.fields))
    return type_


@pytest.mark.parametrize(
    ("text", "type_"),
    [
        ("bigint", FeatureType("bigint")),
        ("decimal(10,2)", FeatureType("decimal", precision=10, scale=2)),
        ("decimal(10, 2)", FeatureType("decimal", precision=10, scale=2)),
        ("array<float>[3]", FeatureType("array", element=FeatureType("float"), size=3)),
        (
            "struct<a:bigint,`b c`:array<string>>",
            FeatureType(
                "struct",
                fields=(
                    ("a", FeatureType("bigint")),
                    ("b c", FeatureType("array", element=FeatureType("string"))),
                ),
            ),
        ),
        ("struct<>", FeatureType("struct")),
    ],
)
def test_the_documented_text_forms(text: str, type_: FeatureType) -> None:
    assert parse_type(text) == type_


@pytest.mark.parametrize(
    "text",
    [
        "",
        " bigint",
        "bigint ",
        "BIGINT",
        "long",
        "decimal",
        "decimal(10)",
        "decimal(10,2",
        "array",
        "array<>",
        "array<int",
        "array<int>[]",
        "array<int>[-1]",
        "struct",
        "struct<a>",
        "struct<a:int",
        "struct<a:int,>",
        "struct<,a:int>",
        "struct<a b:int>",
        "struct<`a:int>",
        "int,int",
        "map<string,int>",
    ],
)
def test_other_text_is_no_type_and_the_error_lists_the_types(text: str) -> None:
    with pytest.raises(SchemaMismatchError) as error:
        parse_type(text)
    assert f"{text!r} is no feature type" in str(error.value)
    assert all(kind in str(error.value) for kind in SCALARS)


# Literals

INT64 = st.integers(-(2**63), 2**63 - 1)


def _through_json(value: object) -> object:
    """Return what a literal is after it was stored and read back."""
    stored = to_json(literal(value))
    return from_json(Value, stored, known=1, what="A value").to_python()


@given(st.none() | st.booleans() | INT64 | st.text() | st.binary() | st.dates())
def test_a_literal_survives_json_with_its_type(value: object) -> None:
    back = _through_json(value)
    assert back == value
    assert type(back) is type(value)


@given(st.floats())
def test_a_float_survives_json_to_the_bit(value: float) -> None:
    back = _through_json(value)
    assert isinstance(back, float)
    if math.isnan(value):
        assert math.isnan(back)  # one NaN stands for all
    else:
        assert struct.pack("<d", back) == struct.pack("<d", value)


@given(NAIVE, ZONES)
def test_a_datetime_survives_json_as_an_instant(moment: datetime, zone: timezone) -> None:
    assert _through_json(moment.replace(tzinfo=zone)) == moment.replace(tzinfo=zone)
    assert _through_json(moment) == moment.replace(tzinfo=UTC)


@given(st.integers(-(10**38) + 1, 10**38 - 1), st.integers(0, 38))
def test_a_decimal_survives_json_with_its_scale(unscaled: int, scale: int) -> None:
    digits = tuple(int(digit) for digit in str(abs(unscaled)))
    value = Decimal((int(unscaled < 0), digits, -scale))
    back = _through_json(value)
    assert isinstance(back, Decimal)
    assert back.as_tuple() == value.as_tuple()


@pytest.mark.parametrize(
    ("value", "type_"),
    [
        (True, "boolean"),
        (7, "bigint"),
        (0.5, "double"),
        ("text", "string"),
        (b"bytes", "binary"),
        (datetime(2026, 11, 23), "timestamp"),
        (date(2026, 11, 23), "date"),
        (Decimal("1.50"), "decimal(3,2)"),
        (Decimal("0.001"), "decimal(3,3)"),
        (Decimal(12), "decimal(2,0)"),
        (np.int32(7), "bigint"),
        (np.float64(0.5), "double"),
        (np.bool_(False), "boolean"),
        (np.str_("text"), "string"),
        (np.datetime64("2026-11-23T14:30:15.123456", "us"), "timestamp"),
        (np.datetime64("2026-11-23", "D"), "date"),
    ],
)
def test_the_type_of_a_literal(value: object, type_: str) -> None:
    assert literal(value).type == type_


@pytest.mark.parametrize("value", [2**63, -(2**63) - 1])
def test_an_int_beyond_64_bits_is_refused(value: int) -> None:
    with pytest.raises(QueryError, match=f"{value} does not fit a bigint"):
        literal(value)


@pytest.mark.parametrize(
    "value", [[1], {"a": 1}, object(), 1j, timedelta(1), Decimal("NaN"), Decimal("-Infinity")]
)
def test_what_cannot_be_compared_with_a_feature_is_refused(value: object) -> None:
    with pytest.raises(QueryError, match="cannot be compared with a feature"):
        literal(value)
