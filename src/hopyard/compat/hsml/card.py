"""What is written beside a saved model, and how a program's values become JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hopyard.compat.files import write_atomically
from hopyard.errors import CorruptStoreError

CARD = "model.json"


def read_card(folder: Path) -> dict[str, Any]:
    """Return what is known of the model version in `folder`. Raises CorruptStoreError."""
    try:
        return dict(json.loads((folder / CARD).read_text()))
    except (OSError, ValueError) as error:
        raise CorruptStoreError(
            f"The model in {folder} cannot be read: {error}. Restore {CARD} from a backup, or remove the folder."
        ) from error


def write_card(folder: Path, card: Mapping[str, Any]) -> None:
    """Write what is known of a model version."""
    write_atomically(folder / CARD, json.dumps(card, indent=1).encode())


def checked_metrics(metrics: object) -> dict[str, float]:
    """Return metrics as a dict of numbers; texts of numbers are taken too, as programs give them.

    Raises:
        TypeError: no dict, or a name that is no text. ValueError: a value that is no number.
    """
    if metrics is None:
        return {}
    if not isinstance(metrics, Mapping):
        raise TypeError(
            f"metrics must be a dict of names and numbers, not {type(metrics).__name__}: {metrics!r:.100}."
        )
    return {_metric_name(name): _number(name, value) for name, value in metrics.items()}


def _metric_name(name: object) -> str:
    if isinstance(name, str):
        return name
    raise TypeError(f"The name of a metric must be a str, not {name!r}. Give a dict such as {{'f1': 0.9}}.")


def _number(name: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"The metric {name!r} must be a number, not {value!r:.100}.") from error
    if not math.isfinite(number):
        raise ValueError(f"The metric {name!r} is {number}, which cannot be compared. Leave it out.")
    return number


def example_to_json(example: Any) -> Any:
    """Return an input example as JSON can hold it: of a dataframe its first row, of an array its lists.

    Raises:
        TypeError: it holds something that JSON does not have.
    """
    if example is None:
        return None
    if hasattr(example, "iloc") and hasattr(example, "columns"):
        example = example.iloc[0].tolist() if len(example) else []
    elif hasattr(example, "tolist"):  # a series, an array, a scalar of numpy
        example = example.tolist()
    return json.loads(json.dumps(example, default=_plain))


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    if hasattr(value, "isoformat"):
        return value.isoformat()
    raise TypeError(
        f"An input example holds {type(value).__name__}, which JSON does not have: {value!r:.100}."
    )
