"""`hopyard vector`: keys and features from the command line, parsed by the types that the view gives them."""

from __future__ import annotations

import base64
import binascii
import json
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from hopyard.cli.text import to_json
from hopyard.errors import ConfigError, TimeTravelError
from hopyard.model.types import FeatureType, parse_type
from hopyard.online.reader import VectorReader
from hopyard.retrieve.serving import open_reader
from hopyard.retrieve.view import get_view
from hopyard.session import Session
from hopyard.time import from_micros, to_micros

_EXAMPLES = {
    "boolean": "true or false",
    "int": "a whole number",
    "bigint": "a whole number",
    "float": "a number",
    "double": "a number",
    "decimal": "a number",
    "binary": "base64",
    "timestamp": "an instant, such as 2026-11-23T14:30:00Z",
    "date": "a date, such as 2026-11-23",
    "array": "a JSON array",
    "struct": "a JSON object",
}


def look_up(
    session: Session,
    view: str,
    keys: Sequence[str],
    passed: Sequence[str],
    *,
    version: int | None,
    training_dataset_version: int | None,
    allow_missing: bool,
) -> dict[str, Any]:
    """Return the feature vector for `key=value` texts as a document, with the time of a warm lookup.

    Raises:
        ConfigError: a text that is no pair, or a value that is not of its key's type.
        NotFoundError, ServingError, FeatureVectorError: as `FeatureView.get_feature_vector`.
    """
    spec = get_view(session, view, version)
    reader = open_reader(session, spec, training_dataset_version)
    types = _key_types(reader)
    entry = parse_pairs(keys, types)
    known = parse_pairs(passed, types | {out.name: parse_type(out.type) for out in reader.plan.outputs})
    reader.read([entry], [known], allow_missing=allow_missing)  # opens the files
    start = time.perf_counter_ns()
    values = reader.read([entry], [known], allow_missing=allow_missing)[0]
    elapsed_us = (time.perf_counter_ns() - start) / 1000
    return {
        "view": spec.name,
        "version": spec.version,
        "features": {
            field.name: to_json(value)
            for field, value in zip(reader.schema(transform=True), values, strict=True)
        },
        "lookup_us": round(elapsed_us, 1),
    }


def parse_pairs(texts: Sequence[str], types: Mapping[str, FeatureType]) -> dict[str, object]:
    """Return `name=value` texts as values of these types; a name without a type keeps its text.

    Raises:
        ConfigError: a text without `=`, a name given twice, or a value that is not of its type.
    """
    values: dict[str, object] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name:
            raise ConfigError(f"{text!r} is no pair of name and value. Write it as name=value.")
        if name in values:
            raise ConfigError(f"{name!r} is given twice: {values[name]!r} and {value!r}. Give it once.")
        values[name] = parse_value(name, types.get(name, FeatureType("string")), value)
    return values


def parse_value(name: str, type_: FeatureType, text: str) -> object:
    """Return a text as a value of a feature type. `null` is None; for text in quotes, the quotes go: "null".

    Raises:
        ConfigError: it is none.
    """
    if text == "null":
        return None
    if type_.kind == "string":
        is_quoted = len(text) >= 2 and text[0] == text[-1] == '"'
        return text[1:-1] if is_quoted else text
    try:
        return _PARSERS[type_.kind](text)
    except (ValueError, InvalidOperation, binascii.Error, TimeTravelError) as error:
        raise ConfigError(
            f"{name!r} is {type_}, and {text!r} is none. Give {_EXAMPLES[type_.kind]}, or null."
        ) from error


def _key_types(reader: VectorReader) -> dict[str, FeatureType]:
    """Return the type of every name that an entry may have."""
    plan = reader.plan
    types = {field.name: field.feature_type for field in plan.root_fields}
    for node in plan.all_nodes:
        for key, field in zip(node.keys, node.table.key, strict=True):
            types[key.name] = types[key.alias] = field.feature_type
    return types


def _boolean(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise ValueError(text)
    return text.lower() == "true"


def _json(type_: type) -> Callable[[str], object]:
    def parse(text: str) -> object:
        value = json.loads(text)
        if not isinstance(value, type_):
            raise ValueError(text)
        return value

    return parse


_PARSERS: dict[str, Callable[[str], object]] = {
    "boolean": _boolean,
    "int": int,
    "bigint": int,
    "float": float,
    "double": float,
    "decimal": Decimal,
    "binary": lambda text: base64.b64decode(text, validate=True),
    "timestamp": lambda text: from_micros(to_micros(text)),
    "date": date.fromisoformat,
    "array": _json(list),
    "struct": _json(dict),
}
