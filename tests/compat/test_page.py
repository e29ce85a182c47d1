"""The page for who comes from Hopsworks says what the shim's tables say, and nothing else."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest

from hopyard.compat.absent import Absent
from hopyard.compat.hopsworks import absent_apis
from hopyard.compat.hopsworks.absent_apis import AbsentApi
from hopyard.compat.page import END, MARKERS, with_tables, write_page
from hopyard.compat.tables import absent_calls, differences
from hopyard.errors import ConfigError
from programs import ROOT

PAGE = ROOT / "docs" / "coming-from-hopsworks.md"


def rows(name: str) -> dict[str, str]:
    """Return the first and the second column of a table of the page."""
    text = PAGE.read_text().split(MARKERS[name], 1)[1].split(END, 1)[0]
    cells = [line.strip("|").split(" | ", 1) for line in text.splitlines() if line.startswith("| ")]
    return {first.strip(): second.strip().replace("\\|", "|") for first, second in cells[1:]}


def test_every_difference_is_on_the_page_and_nothing_else() -> None:
    assert rows("differences") == differences()


def test_every_absent_call_is_on_the_page_and_nothing_else() -> None:
    assert rows("absent") == {f"`{name}`": entry.nearest for name, entry in absent_calls().items()}


def test_the_page_is_as_the_command_writes_it(tmp_path: Path) -> None:
    assert with_tables(PAGE.read_text()) == PAGE.read_text()
    bare = tmp_path / "page.md"
    bare.write_text("\n".join(f"{marker}\n{END}" for marker in MARKERS.values()))
    write_page(bare)
    assert "`Model.deploy`" in bare.read_text() and "Secrets belong to the store" in bare.read_text()
    write_page(bare)
    assert bare.read_text().count("`Model.deploy`") == 1


def test_a_page_without_places_for_the_tables_is_refused() -> None:
    with pytest.raises(ConfigError, match="differences"):
        with_tables("# A page\n")


@pytest.mark.parametrize("name", sorted(absent_calls()))
def test_every_entry_says_something_and_names_a_page_that_is_there(name: str) -> None:
    entry = absent_calls()[name]
    assert isinstance(entry, Absent)
    assert entry.nearest.endswith(".")
    assert (ROOT / "docs" / entry.page.partition("#")[0]).is_file()


def test_every_handle_of_what_is_not_here_has_an_entry() -> None:
    handles = {
        name
        for name, kind in vars(absent_apis).items()
        if inspect.isclass(kind) and issubclass(kind, AbsentApi) and kind is not AbsentApi
    }
    assert handles and handles <= set(absent_calls())
