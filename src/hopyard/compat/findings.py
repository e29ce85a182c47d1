"""What `check` found, for people and for programs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Literal

Status = Literal["covered", "absent", "unknown", "unreadable"]

_ORDER: tuple[Status, ...] = ("covered", "absent", "unknown", "unreadable")


@dataclass(frozen=True, slots=True)
class Finding:
    """A use of the API.

    Attributes:
        path: of the file.
        cell: of a notebook, from 1; None in a script.
        line: of the cell or the script, from 1.
        name: such as `FeatureGroup.read`.
        status: absent: it raises CompatError. unknown: neither the shim nor its tables know it.
        note: what to use instead, or what may be meant.
    """

    path: str
    cell: int | None
    line: int
    name: str
    status: Status
    note: str = ""


@dataclass(frozen=True, slots=True)
class CheckReport:
    """All uses in the files that were read."""

    paths: Sequence[str]
    findings: Sequence[Finding]

    @property
    def n_troubles(self) -> int:
        """How many uses are not covered."""
        return sum(finding.status != "covered" for finding in self.findings)


def as_json(report: CheckReport) -> str:
    """Return the report as JSON: counts by status, and every finding."""
    counts = Counter(finding.status for finding in report.findings)
    return (
        json.dumps(
            {
                "files": len(report.paths),
                "counts": dict(sorted(counts.items())),
                "findings": [asdict(finding) for finding in report.findings],
            },
            indent=1,
        )
        + "\n"
    )


def as_text(report: CheckReport) -> str:
    """Return a line per file, and below it one per use that is not covered."""
    lines = []
    for path in report.paths:
        here = [finding for finding in report.findings if finding.path == path]
        covered = sum(finding.status == "covered" for finding in here)
        uses = f"{covered} of {len(here)} uses covered" if here else "does not use the API"
        lines.append(f"{path}: {uses}")
        for finding in here:
            if finding.status != "covered":
                place = (
                    f"line {finding.line}"
                    if finding.cell is None
                    else f"cell {finding.cell}, line {finding.line}"
                )
                lines.append(f"  {place}: {finding.status}: {finding.name}. {finding.note}".rstrip())
    counts = Counter(finding.status for finding in report.findings)
    total = ", ".join(f"{counts[status]} {status}" for status in _ORDER if counts[status])
    lines.append(f"{len(report.paths)} file(s): {total or 'no use of the API'}")
    return "\n".join(lines) + "\n"
