"""`hopsworks`, `hsfs`, `hsml` and `hops` are the shim's modules, under all of their names."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import hopyard.compat
from hopyard.compat.finder import is_installed, uninstall
from hopyard.errors import ConfigError


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """Begin without the shim, and leave the process as it was: tests beside these may have installed it."""
    was_installed = is_installed()
    uninstall()
    yield
    uninstall()
    if was_installed:
        hopyard.compat.install()


@pytest.mark.parametrize(
    ("name", "home"),
    [
        ("hopsworks", "hopyard.compat.hopsworks"),
        ("hopsworks.client.exceptions", "hopyard.compat.hopsworks.client.exceptions"),
        ("hopsworks.core.dataset_api", "hopyard.compat.hopsworks.dataset_api"),
        ("hopsworks_common.client.exceptions", "hopyard.compat.hopsworks.client.exceptions"),
        ("hsfs", "hopyard.compat.hsfs"),
        ("hopsworks.hsfs", "hopyard.compat.hsfs"),
        ("hsml.schema", "hopyard.compat.hsml.schema"),
        ("hopsworks.hsml.model_schema", "hopyard.compat.hsml.model_schema"),
        ("hops", "hopyard.compat.hops"),
    ],
)
def test_a_name_is_the_module_of_the_shim_itself(name: str, home: str) -> None:
    hopyard.compat.install()
    module = importlib.import_module(name)
    assert module is importlib.import_module(home)
    assert module.__name__ == home
    assert module.__spec__ is not None and module.__spec__.name == home


def test_a_class_is_one_under_all_of_its_names() -> None:
    hopyard.compat.install()
    from hopsworks.hsml.schema import Schema as Nested
    from hsml.schema import Schema as Direct

    from hopyard.compat.hsml.schema import Schema

    assert Nested is Direct is Schema


def test_packages_below_hopsworks_are_attributes_and_can_be_imported_from_it() -> None:
    hopyard.compat.install()
    import hopsworks
    from hopsworks import hsml

    assert hopsworks.hsml is hsml is importlib.import_module("hsml")
    assert hopsworks.hsfs is importlib.import_module("hsfs")


def test_a_second_install_changes_nothing() -> None:
    hopyard.compat.install()
    finders = list(sys.meta_path)
    hopyard.compat.install()
    assert sys.meta_path == finders


def test_nothing_is_importable_before_install() -> None:
    assert not is_installed()
    with pytest.raises(ModuleNotFoundError, match="hopsworks"):
        importlib.import_module("hopsworks")


def test_a_missing_module_proposes_the_closest_one() -> None:
    hopyard.compat.install()
    with pytest.raises(ModuleNotFoundError, match=r"no module 'hsml.shema'. Did you mean hsml.schema\?"):
        importlib.import_module("hsml.shema")


def test_a_name_that_a_module_lacks_is_an_import_error() -> None:
    hopyard.compat.install()
    with pytest.raises(ImportError, match="Shema"):
        from hsml.schema import Shema  # noqa: F401


@pytest.fixture
def real_hsfs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder in sys.path with a package `hsfs`, as if the real one were installed."""
    (tmp_path / "hsfs").mkdir()
    (tmp_path / "hsfs" / "__init__.py").write_text("REAL = True\n")
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_an_installed_package_is_not_hidden(real_hsfs: Path) -> None:
    with pytest.raises(ConfigError, match=r"hsfs \(.*hsfs\).*shadow=True"):
        hopyard.compat.install()
    assert importlib.import_module("hsfs").REAL


def test_an_installed_package_is_hidden_if_asked(real_hsfs: Path) -> None:
    assert importlib.import_module("hsfs").REAL
    hopyard.compat.install(shadow=True)
    assert importlib.import_module("hsfs") is importlib.import_module("hopyard.compat.hsfs")
    uninstall()
    assert importlib.import_module("hsfs").REAL


def test_a_plain_folder_of_that_name_is_no_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "hops").mkdir()
    monkeypatch.syspath_prepend(tmp_path)
    hopyard.compat.install()
    assert is_installed()


def test_import_of_the_shim_loads_no_heavy_package() -> None:
    import subprocess

    code = "import hopyard.compat, sys; hopyard.compat.install(); print(*sys.modules)"
    source = str(Path(hopyard.__file__).parents[1])
    loaded = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": source}, capture_output=True, text=True, check=True
    ).stdout.split()
    assert {"pandas", "pyarrow", "duckdb", "IPython", "nbclient", "cryptography"}.isdisjoint(loaded)
