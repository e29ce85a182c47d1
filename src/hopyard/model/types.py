"""Feature types: a small closed set that every engine and store can keep exactly.

Their text form is stored in specs: `bigint`, `decimal(10,2)`, `array<float>[3]`, `struct<a:bigint,b:string>`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, get_args

from hopyard.errors import SchemaMismatchError

ScalarKind = Literal[
    "boolean", "int", "bigint", "float", "double", "string", "binary", "decimal", "timestamp", "date"
]
Kind = Literal[ScalarKind, "array", "struct"]

SCALARS: tuple[str, ...] = get_args(ScalarKind)
KEY_KINDS = frozenset({"boolean", "int", "bigint", "string", "binary", "decimal", "timestamp", "date"})
"""What may be a primary, foreign or join key: values whose equality is beyond doubt."""
EVENT_TIME_KINDS = frozenset({"timestamp", "date", "bigint"})

_PLAIN_FIELD = re.compile(r"[A-Za-z0-9_]+")


@dataclass(frozen=True, slots=True)
class FeatureType:
    """One feature type. `precision` and `scale` belong to decimals, `element` and `size` to arrays."""

    kind: Kind
    precision: int = 0
    scale: int = 0
    element: FeatureType | None = None
    size: int | None = None
    fields: tuple[tuple[str, FeatureType], ...] = ()

    def __str__(self) -> str:
        if self.kind == "decimal":
            return f"decimal({self.precision},{self.scale})"
        if self.kind == "array":
            return f"array<{self.element}>" + (f"[{self.size}]" if self.size is not None else "")
        if self.kind == "struct":
            return f"struct<{','.join(f'{_quote(name)}:{type_}' for name, type_ in self.fields)}>"
        return self.kind


@lru_cache(maxsize=4096)
def parse_type(text: str) -> FeatureType:
    """Return the feature type written as `text`.

    Raises:
        SchemaMismatchError: `text` is no feature type.
    """
    parser = _Parser(text)
    parsed = parser.type()
    if parser.at != len(text):
        raise parser.error()
    return parsed


def _quote(name: str) -> str:
    return name if _PLAIN_FIELD.fullmatch(name) else "`" + name.replace("`", "``") + "`"


class _Parser:
    """Recursive descent over the text form."""

    def __init__(self, text: str) -> None:
        self.text, self.at = text, 0

    def error(self) -> SchemaMismatchError:
        return SchemaMismatchError(
            f"{self.text!r} is no feature type. Types are: {', '.join(SCALARS)} "
            f"(decimal as decimal(10,2)), array<type>, struct<name:type,...>."
        )

    def take(self, pattern: str) -> re.Match[str]:
        match = re.compile(pattern).match(self.text, self.at)
        if match is None:
            raise self.error()
        self.at = match.end()
        return match

    def peek(self, token: str) -> bool:
        return self.text.startswith(token, self.at)

    def type(self) -> FeatureType:
        kind = self.take(r"[a-z]+").group()
        if kind == "array":
            self.take("<")
            element = self.type()
            self.take(">")
            size = int(self.take(r"\[(\d+)\]").group(1)) if self.peek("[") else None
            return FeatureType("array", element=element, size=size)
        if kind == "struct":
            return FeatureType("struct", fields=self.fields())
        if kind == "decimal":
            digits = self.take(r"\((\d+),\s*(\d+)\)")
            return FeatureType("decimal", precision=int(digits.group(1)), scale=int(digits.group(2)))
        if kind not in SCALARS:
            raise self.error()
        return FeatureType(kind)  # type: ignore[arg-type]

    def fields(self) -> tuple[tuple[str, FeatureType], ...]:
        self.take("<")
        found: list[tuple[str, FeatureType]] = []
        while not self.peek(">"):
            if found:
                self.take(",")
            name = self.take(r"[A-Za-z0-9_]+|`(?:[^`]|``)*`").group()
            if name.startswith("`"):
                name = name[1:-1].replace("``", "`")
            self.take(":")
            found.append((name, self.type()))
        self.take(">")
        return tuple(found)
