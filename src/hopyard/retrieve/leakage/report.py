"""What a search for leakage found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, Literal

LeakageKind = Literal[
    "later_event",
    "unknown_time",
    "later_commit",
    "changed_later",
    "label_copy",
    "next_label",
    "previous_label",
    "predicts_alone",
    "same_entity",
    "same_time",
]
"""later_event: the feature's row happened after the label. unknown_time: nothing says that it did not. later_commit:
the row that was joined was committed after the label. changed_later: features of the left-most group were changed after
their event time. label_copy, next_label, previous_label: the feature equals the label, of its own row or of the next or
the previous row of the entity. predicts_alone: one feature, or whether it is null, separates the two classes of the
label. same_entity: entities of train are in another split, too. same_time: every row that was joined has the very event
time of the row that it was joined to."""

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class LeakageFinding:
    """One way in which features may know what they are to predict.

    Attributes:
        severity: error: features know what was not known. warning: this is normal in some cases, which `advice` names.
        label: the label concerned; empty where it is about no label.
        features: the columns concerned; empty where it is about rows.
        group: the feature group of these features, as `name_version`.
        n_rows: in how many rows it shows (for `same_entity`: in how many entities).
        n_checked: of how many.
        example: the first such row: its identity, and the values that show it.
    """

    kind: LeakageKind
    severity: Severity
    label: str
    features: tuple[str, ...]
    group: str
    message: str
    advice: str
    n_rows: int
    n_checked: int
    example: Mapping[str, object] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the finding in types that JSON has: instants as ISO 8601, bytes as hexadecimal, decimals as text."""
        return {
            "kind": self.kind,
            "severity": self.severity,
            "label": self.label,
            "features": list(self.features),
            "group": self.group,
            "message": self.message,
            "advice": self.advice,
            "n_rows": self.n_rows,
            "n_checked": self.n_checked,
            "example": {name: _plain(value) for name, value in self.example.items()},
        }

    def __str__(self) -> str:
        where = ", ".join(self.features[:5]) + (", ..." if len(self.features) > 5 else "")
        shown = ", ".join(f"{name}={show_value(value)}" for name, value in self.example.items())
        example = f" Such as: {shown}." if shown else ""
        return f"{self.severity}: {f'{where}: ' if where else ''}{self.message}{example} {self.advice}"


@dataclass(frozen=True, slots=True)
class LeakageReport:
    """The answer of `check_leakage()`.

    Attributes:
        labels: the columns to predict.
        features: the columns that were checked.
        n_rows: how many rows were checked.
        findings: errors first.
        skipped: what could not be checked, a sentence each.
    """

    labels: tuple[str, ...]
    features: tuple[str, ...]
    n_rows: int
    findings: tuple[LeakageFinding, ...] = ()
    skipped: tuple[str, ...] = ()

    @property
    def is_clean(self) -> bool:
        """Whether there is no error. Warnings do not count: loaded history, for example, always gives some."""
        return not self.errors

    @property
    def errors(self) -> tuple[LeakageFinding, ...]:
        """The findings of severity error."""
        return tuple(found for found in self.findings if found.severity == "error")

    @property
    def warnings(self) -> tuple[LeakageFinding, ...]:
        """The findings of severity warning."""
        return tuple(found for found in self.findings if found.severity == "warning")

    def to_dict(self) -> dict[str, Any]:
        """Return the report in types that JSON has."""
        return {
            "labels": list(self.labels),
            "features": list(self.features),
            "n_rows": self.n_rows,
            "is_clean": self.is_clean,
            "findings": [found.to_dict() for found in self.findings],
            "skipped": list(self.skipped),
        }

    def __str__(self) -> str:
        found = (
            f"{len(self.errors)} error(s), {len(self.warnings)} warning(s)"
            if self.findings
            else "no leakage found"
        )
        checked = f"{len(self.features)} feature(s) against {', '.join(self.labels)} in {self.n_rows} row(s)"
        skipped = (f"not checked: {reason}" for reason in self.skipped)
        return "\n".join([f"{found}: {checked}", *map(str, self.findings), *skipped])


def show_value(value: object) -> str:
    """Return a value as messages show it."""
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return value.isoformat() if isinstance(value, date) else repr(value)


def _plain(value: object) -> Any:
    if value is None or isinstance(value, (bool, int, float, str)):
        return value if value == value and value not in (float("inf"), float("-inf")) else repr(value)
    if isinstance(value, date):
        return show_value(value)
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    return [_plain(item) for item in value] if isinstance(value, (list, tuple)) else str(value)
