"""Makes training datasets with one set of libraries and verifies them with another: `make hashes`.

A virtual environment in a temporary folder gets another version of each library that computes or stores values: the
newest one that pyproject.toml allows and that is not installed here, or the newest other one if there is none; with
`make hashes ARGS='numpy==2.3.5'` that one, whatever is allowed. The datasets of `datasets.py` are made with the
libraries of this environment, and verified and made again there; and the other way round. Before transformation the
hashes must be equal. After it they may differ; then `verify()` must name what has another version. Exits with 1 if not.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import os
import re
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.version import Version
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parents[2]
SCRIPT = Path(__file__).with_name("datasets.py")
LIBRARIES = ("duckdb", "numpy", "pyarrow", "deltalake")
_PLACES = {"before": 1, "after": 3}
"""Where the hashes are in what datasets.py prints of a split."""


def main() -> int:
    """Return 0 if everything is as it has to be."""
    parser = argparse.ArgumentParser(
        description="Make training datasets, and verify them with other libraries."
    )
    parser.add_argument("versions", nargs="*", type=Requirement, help="such as numpy==2.3.5")
    given = {requirement.name: str(requirement.specifier)[2:] for requirement in parser.parse_args().versions}
    console = Console(width=120)
    here = Path(sys.executable)
    with tempfile.TemporaryDirectory(prefix="hopyard-hashes-") as name:
        folder = Path(name)
        chosen = {library: other_version(library, given.get(library)) for library in LIBRARIES}
        for library, (version, is_allowed) in chosen.items():
            if not is_allowed:
                console.print(f"{library}: {version} is forced, which pyproject.toml does not allow")
        console.print("making the virtual environment ...")
        there = make_environment(folder / "venv", chosen)
        failures = []
        for first, second, title in ((here, there, "here, then there"), (there, here, "there, then here")):
            store = folder / title.replace(", ", "-").replace(" ", "-")
            made, again = run(first, "make", store), run(second, "verify", store)
            console.print(f"\n[bold]{title}[/bold]")
            failures += report(console, made, again)
        console.print("\n" + ("\n".join(failures) if failures else "all as it has to be"))
        return 1 if failures else 0


def other_version(library: str, given: str | None) -> tuple[str, bool]:
    """Return another version of a library than the one here, and whether pyproject.toml allows it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = next(
        requirement for text in project["dependencies"] if (requirement := Requirement(text)).name == library
    )
    if given is not None:
        return given, given in wanted.specifier
    here = Version(importlib.metadata.version(library))
    listed = pip(Path(sys.executable), "index", "versions", library)
    found = re.search(r"Available versions: (.*)", listed)
    assert found is not None, listed
    others = [version for text in found[1].split(", ") if (version := Version(text)) != here]  # newest first
    allowed = [version for version in others if version in wanted.specifier]
    return str((allowed or others)[0]), bool(allowed)


def make_environment(folder: Path, versions: dict[str, tuple[str, bool]]) -> Path:
    """Return the Python of a new virtual environment with Hopyard and these versions; all else as here."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = folder / "bin" / "python"
    allowed = [f"{name}=={version}" for name, (version, is_allowed) in versions.items() if is_allowed]
    forced = [f"{name}=={version}" for name, (version, is_allowed) in versions.items() if not is_allowed]
    pinned = (ROOT / "constraints.txt").read_text().splitlines()
    kept = [line for line in pinned if line.partition("==")[0].lower() not in versions]
    constraints = folder / "constraints.txt"
    constraints.write_text("\n".join([*kept, *allowed]) + "\n")
    pip(python, "install", "--quiet", "--constraint", str(constraints), str(ROOT), *allowed)
    if forced:
        pip(python, "install", "--quiet", "--no-deps", *forced)
    return python


def pip(python: Path, *arguments: str) -> str:
    """Return what pip prints."""
    command = [str(python), "-m", "pip", "--disable-pip-version-check", *arguments]
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stderr}")
    return done.stdout


def run(python: Path, action: str, store: Path) -> dict[str, Any]:
    """Return what datasets.py prints in an environment: with the Hopyard of this folder, whatever is installed."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    command = [str(python), str(SCRIPT), action, str(store)]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def report(console: Console, made: dict[str, Any], again: dict[str, Any]) -> list[str]:
    """Print versions, hashes and what `verify()` said; return what is not as it has to be."""
    versions = Table("library", "made with", "verified with")
    for library in LIBRARIES:
        versions.add_row(library, made["libraries"][library], again["libraries"][library])
    hashes = Table("dataset", "split", "rows", "", "made", "made again", "equal")
    failures = []
    is_same = dict.fromkeys(made["hashes"], True)
    for dataset, splits in made["hashes"].items():
        for split, content in splits.items():
            other = again["hashes"][dataset][split]
            for stage, place in _PLACES.items():
                is_equal = content[place : place + 2] == other[place : place + 2]
                shown = (content[place][:12], other[place][:12], "yes" if is_equal else "NO")
                hashes.add_row(dataset, split, str(content[0]), stage, *shown)
                is_same[dataset] &= is_equal
                if stage == "before" and not is_equal:
                    failures.append(f"{dataset}, {split}: other values before transformation")
    console.print(versions)
    console.print(hashes)
    changed = [name for name in LIBRARIES if made["libraries"][name] != again["libraries"][name]]
    if len(changed) < len(LIBRARIES):
        failures.append(f"the libraries that differ are only {changed}")
    for (status, details), dataset in zip(again["verified"], is_same, strict=True):
        console.print(f"{dataset}: verify() says {status}" + "".join(f"\n    {detail}" for detail in details))
        if status != ("same" if is_same[dataset] else "different"):
            failures.append(f"{dataset}: verify() says {status}")
        if status == "different" and not all(f"{name} is " in " ".join(details) for name in changed):
            failures.append(f"{dataset}: verify() does not name {changed}")
    return failures


if __name__ == "__main__":
    sys.exit(main())
