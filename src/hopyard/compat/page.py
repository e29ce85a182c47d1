"""The tables of docs/coming-from-hopsworks.md, written from those that the shim answers with."""

from __future__ import annotations

import re
from pathlib import Path

from hopyard.compat.tables import absent_calls, differences
from hopyard.errors import ConfigError

MARKERS = {
    "differences": "<!-- differences: written by `python -m hopyard.compat page` -->",
    "absent": "<!-- absent: written by `python -m hopyard.compat page` -->",
}
END = "<!-- end -->"


def write_page(path: Path) -> None:
    """Write both tables between their markers. Raises ConfigError: the page has no such markers."""
    path.write_text(with_tables(path.read_text()))


def with_tables(text: str) -> str:
    """Return the page with the tables as they are now."""
    for name, table in (("differences", differences_table()), ("absent", absent_table())):
        marker = MARKERS[name]
        pattern = re.compile(f"{re.escape(marker)}\n.*?{re.escape(END)}", re.DOTALL)
        if not pattern.search(text):
            raise ConfigError(
                f"The page has no lines {marker!r} and {END!r} for the table. Put them where it goes."
            )
        text = pattern.sub(lambda _, new=f"{marker}\n{table}\n{END}": new, text)  # type: ignore[misc]
    return text


def differences_table() -> str:
    """Return a table row per difference."""
    rows = [f"| {_cell(title)} | {_cell(text)} |" for title, text in sorted(differences().items())]
    return "\n".join(["", "| | on Hopyard |", "|---|---|", *rows, ""])


def absent_table() -> str:
    """Return a table row per call that raises CompatError."""
    rows = [f"| `{name}` | {_cell(entry.nearest)} |" for name, entry in sorted(absent_calls().items())]
    return "\n".join(["", "| call | what to use |", "|---|---|", *rows, ""])


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
