"""Feast's types as feature types."""

from __future__ import annotations

from hopyard.integrations.feast.values import Made, Symbol

_SCALARS = {
    "INT32": "int",
    "INT64": "bigint",
    "FLOAT32": "float",
    "FLOAT": "float",
    "FLOAT64": "double",
    "DOUBLE": "double",
    "STRING": "string",
    "BYTES": "binary",
    "PDFBYTES": "binary",
    "PDF_BYTES": "binary",
    "IMAGEBYTES": "binary",
    "IMAGE_BYTES": "binary",
    "BOOL": "boolean",
    "UNIXTIMESTAMP": "timestamp",
    "UNIX_TIMESTAMP": "timestamp",
    "UUID": "string",
    "JSON": "string",
}


def feature_type(dtype: object) -> str | None:
    """Return the feature type that a dtype of Feast stands for; None: there is none, or it is not told."""
    if isinstance(dtype, Symbol):
        name = dtype.name.upper()
        if name.endswith("_LIST"):
            element = _SCALARS.get(name.removesuffix("_LIST"))
            return None if element is None else f"array<{element}>"
        return _SCALARS.get(name)
    if isinstance(dtype, Made) and dtype.kind == "Array":
        element = feature_type(next(iter([*dtype.args, *dtype.kwargs.values()]), None))
        return None if element is None else f"array<{element}>"
    return None


def shown(dtype: object, depth: int = 4) -> str:
    """Return a dtype as its file writes it."""
    if depth == 0:
        return "..."
    if isinstance(dtype, Symbol):
        return dtype.name
    if isinstance(dtype, dict):
        return ", ".join(f"{name}: {shown(value, depth - 1)}" for name, value in dtype.items())
    if isinstance(dtype, Made):
        return f"{dtype.kind}({', '.join(shown(value, depth - 1) for value in dtype.args)})"
    return "not readable"
