"""The reference names everything that there is: what is added to the code and not to the page fails here."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import hopyard
from hopyard import errors
from hopyard.model.commit import Commit
from hopyard.model.manifest import ColumnSplit, LabelBalance, Manifest, RandomSplit, SplitContent, TimeSplit
from hopyard.model.specs import FunctionSpec, TransformationSpec
from hopyard.model.types import SCALARS

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"


def page(name: str) -> str:
    return (REFERENCE / name).read_text()


@pytest.mark.parametrize("name", hopyard.__all__)
def test_every_public_name_is_in_the_api(name: str) -> None:
    assert f"::: hopyard.{name}\n" in page("python-api.md")


def test_the_error_tree_is_that_of_the_code() -> None:
    tree = re.search(r"^    HopyardError\n(    .*\n)+", errors.__doc__ or "", re.MULTILINE)
    assert tree is not None
    shown = "\n".join(line.removeprefix("    ") for line in tree.group().splitlines())
    assert shown in page("errors.md")


def test_the_error_tree_has_every_error() -> None:
    kinds = {
        name
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, errors.HopyardError)
    }
    assert {name for name in kinds if not re.search(rf"\b{name}\b", page("errors.md"))} == set()


def test_every_environment_variable_is_described() -> None:
    used = {
        name
        for file in (ROOT / "src" / "hopyard").rglob("*.py")
        for name in re.findall(r'"(HOPYARD_[A-Z_]+)"', file.read_text())
    }
    assert used
    assert {name for name in used if f"| `{name}` |" not in page("configuration.md")} == set()


@pytest.mark.parametrize(
    "kind",
    [
        *(Manifest, RandomSplit, TimeSplit, ColumnSplit, SplitContent, LabelBalance),
        *(TransformationSpec, FunctionSpec),
    ],
)
def test_every_field_of_a_manifest_is_described(kind: type) -> None:
    described = set(re.findall(r"`([a-z0-9_]+)`", page("manifest.md")))
    assert set(kind.__struct_fields__) - described == set()  # type: ignore[attr-defined]


def test_every_field_of_a_commit_is_described() -> None:
    described = set(re.findall(r"`([a-z0-9_]+)`", page("names-and-versions.md")))
    assert set(Commit.__struct_fields__) - described == {"format_version"}


@pytest.mark.parametrize("kind", SCALARS)
def test_every_feature_type_is_described(kind: str) -> None:
    assert re.search(rf"^\| `{kind}(\(p,s\))?` \|", page("types.md"), re.MULTILINE)
