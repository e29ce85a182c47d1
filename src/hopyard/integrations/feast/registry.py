"""Feast's registry file, which has what the definition files made: read by its wire format, without its pickles.

It stands in for definitions that only running them could tell. The numbers are those of Feast's protobuf messages.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from hopyard.integrations.feast.values import Made, Projection, Symbol, Where

_DUMMY_ENTITY = "__dummy"
"""What Feast writes for a view without entities."""
_SOURCES = {
    1: "FileSource",
    2: "BigQuerySource",
    3: "KafkaSource",
    4: "KinesisSource",
    5: "RedshiftSource",
    7: "RequestSource",
    8: "SnowflakeSource",
    9: "PushSource",
    10: "TrinoSource",
    11: "SparkSource",
    12: "AthenaSource",
}
_TYPES = {
    1: "BYTES",
    2: "STRING",
    3: "INT32",
    4: "INT64",
    5: "DOUBLE",
    6: "FLOAT",
    7: "BOOL",
    8: "UNIX_TIMESTAMP",
    11: "BYTES_LIST",
    12: "STRING_LIST",
    13: "INT32_LIST",
    14: "INT64_LIST",
    15: "DOUBLE_LIST",
    16: "FLOAT_LIST",
    17: "BOOL_LIST",
    18: "UNIX_TIMESTAMP_LIST",
}


class _Message:
    """The fields of one message, by number. Raises ValueError where the bytes are none."""

    def __init__(self, data: bytes) -> None:
        self.fields: dict[int, list[int | bytes]] = {}
        for number, value in _fields(data):
            self.fields.setdefault(number, []).append(value)

    def number(self, field: int) -> int:
        value = self.fields.get(field, [0])[-1]
        return value if isinstance(value, int) else 0

    def text(self, field: int) -> str:
        value = self.fields.get(field, [b""])[-1]
        return value.decode() if isinstance(value, bytes) else ""

    def texts(self, field: int) -> list[str]:
        return [value.decode() for value in self.fields.get(field, []) if isinstance(value, bytes)]

    def all(self, field: int) -> list[_Message]:
        return [_Message(value) for value in self.fields.get(field, []) if isinstance(value, bytes)]

    def one(self, field: int) -> _Message:
        return (self.all(field) or [_Message(b"")])[-1]

    def pairs(self, field: int) -> dict[str, str]:
        return {entry.text(1): entry.text(2) for entry in self.all(field)}


def read_registry(file: Path, repository: Path, project: str) -> list[Made]:
    """Return the entities, views and services of a project; none if the file is no registry.

    Each stands where the registry is: its line is 0.
    """
    where = Where(os.path.relpath(file, repository), 0)
    try:
        registry = _Message(file.read_bytes())
        on_demand = {view.one(1).text(1) for view in registry.all(8)}
        found = [
            _entity(entity.one(1), where)
            for entity in registry.all(1)
            if entity.one(1).text(9) in ("", project)
        ]
        for view in registry.all(6):
            if view.one(1).text(2) in ("", project):
                found.append(_view(view.one(1), where))
        for service in registry.all(7):
            if service.one(1).text(2) in ("", project):
                found.append(_service(service.one(1), on_demand, where))
    except (OSError, ValueError):
        return []
    return found


def _entity(spec: _Message, where: Where) -> Made:
    arguments = {
        "name": spec.text(1),
        "value_type": _type(spec.number(2)),
        "description": spec.text(3),
        "join_key": spec.text(4) or spec.text(1),
    }
    return Made("Entity", (), arguments, where)


def _view(spec: _Message, where: Where) -> Made:
    ttl = spec.one(6)
    derived_from = [view.text(1) for view in spec.all(14)]
    is_computed = bool(spec.one(15).fields)
    arguments = {
        "name": spec.text(1),
        "entities": [name for name in spec.texts(3) if name != _DUMMY_ENTITY],
        "schema": [_field(field, where) for field in (*spec.all(12), *spec.all(4))],
        "tags": spec.pairs(5),
        "ttl": timedelta(seconds=ttl.number(1), microseconds=ttl.number(2) // 1_000),
        "source": derived_from or (_source(spec.one(7), where) if 7 in spec.fields else None),
        "feature_transformation": "a function" if is_computed else None,
        "online": bool(spec.number(8)),
        "description": spec.text(10),
        "owner": spec.text(11),
    }
    return Made("FeatureView", (), arguments, where)


def _field(field: _Message, where: Where) -> Made:
    arguments = {"name": field.text(1), "dtype": _type(field.number(2)), "description": field.text(4)}
    return Made("Field", (), arguments, where)


def _source(source: _Message, where: Where) -> Made:
    arguments = {
        "path": source.one(11).text(2),
        "timestamp_field": source.text(3),
        "created_timestamp_column": source.text(5),
        "field_mapping": source.pairs(2),
        "batch_source": _source(source.one(26), where) if 26 in source.fields else None,
    }
    return Made(_SOURCES.get(source.number(1), "CustomSource"), (), arguments, where)


def _service(spec: _Message, on_demand: set[str], where: Where) -> Made:
    features = []
    for projection in spec.all(3):
        name = projection.text(1)
        kind = "OnDemandFeatureView" if name in on_demand else "FeatureView"
        features.append(
            Projection(
                Made(kind, (), {"name": name}, where),
                tuple(column.text(1) for column in projection.all(2)),
                projection.text(3) or None,
                projection.pairs(4),
            )
        )
    arguments = {
        "name": spec.text(1),
        "features": features,
        "tags": spec.pairs(4),
        "description": spec.text(5),
    }
    return Made("FeatureService", (), arguments, where)


def _type(number: int) -> Symbol | None:
    return Symbol(f"feast.ValueType.{_TYPES[number]}") if number in _TYPES else None


def _fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    at = 0
    while at < len(data):
        key, at = _varint(data, at)
        kind = key & 7
        if kind == 0:
            value, at = _varint(data, at)
            yield key >> 3, value
            continue
        if kind == 2:
            size, at = _varint(data, at)
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
        else:
            raise ValueError("an unknown kind of field")
        if at + size > len(data):
            raise ValueError("a field that ends too late")
        if kind == 2:
            yield key >> 3, data[at : at + size]
        at += size


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(data):
            raise ValueError("a number without an end")
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return (value if value < 1 << 63 else value - (1 << 64)), at
    raise ValueError("a number that is too long")
