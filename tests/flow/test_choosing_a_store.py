"""A project chooses its online store by a URL, remembers it without the password, and moves to another one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import hopyard
from hopyard.cli import app
from hopyard.errors import ConfigError, FeatureVectorError, MissingPackageError, StoreError
from hopyard.feature_group import FeatureGroup
from hopyard.feature_view import FeatureView
from hopyard.online import VectorReader
from hopyard.online.stores import open_online_store
from hopyard.ports import OnlineStore
from hopyard.project import Project
from online_stores import new_database
from parity import assert_online_equals_offline

AT = datetime(2026, 1, 1, tzinfo=UTC)
SERVICES = [pytest.param(name, marks=pytest.mark.service(name)) for name in ("redis", "postgres", "mariadb")]


@pytest.fixture(autouse=True)
def _closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Close every store that a test opens, in whatever process of it."""
    opened: list[OnlineStore] = []

    def noted(*arguments: Any, **options: Any) -> OnlineStore:
        opened.append(open_online_store(*arguments, **options))
        return opened[-1]

    for module in ("hopyard.connect", "hopyard.ingest.online_store", "hopyard.online.reader"):
        monkeypatch.setattr(f"{module}.open_online_store", noted)
    yield
    for store in opened:
        store.close()


def fill(project: Project) -> tuple[FeatureGroup, FeatureView]:
    fs = project.get_feature_store()
    levels = fs.create_feature_group("levels", primary_key="tank", event_time="at", online_enabled=True)
    levels.insert([{"tank": n, "at": AT, "level": n / 2, "name": f"tank {n}"} for n in range(50)])
    kinds = fs.create_feature_group("kinds", primary_key="tank", online_enabled=True)
    kinds.insert([{"tank": n, "kind": n % 3} for n in range(50)])
    labels = fs.create_feature_group("labels", primary_key="tank")
    labels.insert([{"tank": 1, "y": 0}])
    query = labels.select(["y"]).join(levels.select_all()).join(kinds.select_all())
    return levels, fs.create_feature_view("tanks", query, labels="y")


@pytest.mark.parametrize("service", SERVICES)
def test_the_same_story_in_every_store(tmp_path: Path, service: str) -> None:
    url = new_database(service)
    project = hopyard.login(tmp_path / "store", online=url)
    levels, view = fill(project)
    view.init_serving()
    assert view.get_feature_vector({"tank": 3}) == [1.5, "tank 3", 0]
    levels.insert([{"tank": 3, "at": AT.replace(hour=1), "level": 9.0, "name": None}])
    levels.insert([{"tank": 3, "at": AT.replace(year=2025), "level": -1.0, "name": "old"}])
    assert view.get_feature_vector({"tank": 3}) == [9.0, None, 0]
    levels.remove_rows([{"tank": 3, "at": AT.replace(hour=1)}])
    assert view.get_feature_vector({"tank": 3}) == [1.5, "tank 3", 0]
    levels.insert([{"tank": 4, "at": AT.replace(hour=2), "level": 4.0, "name": "x"}], online="later")
    assert levels.catch_up_online() == 1
    assert view.get_feature_vectors([{"tank": 4}, {"tank": 5}]) == [[4.0, "x", 1], [2.5, "tank 5", 2]]
    levels.append_features({"extra": "string"}, defaults={"extra": "e"})
    assert_online_equals_offline(project, levels)
    levels.insert([{"tank": 1, "at": AT, "level": 0.0, "name": "only", "extra": None}], overwrite=True)
    assert_online_equals_offline(project, levels)
    levels.rebuild_online()
    assert_online_equals_offline(project, levels)
    with pytest.raises(FeatureVectorError, match="no row online for {'tank': 5}"):
        view.get_feature_vector({"tank": 5})
    assert project.verify().is_fine
    assert view.check_parity().is_equal
    levels.delete(force=True)


@pytest.mark.parametrize("service", SERVICES)
def test_vectors_are_awaited(tmp_path: Path, service: str) -> None:
    project = hopyard.login(tmp_path / "store", online=new_database(service))
    levels, view = fill(project)
    view.init_serving()

    async def ask() -> list[Any]:
        many = [view.aget_feature_vector({"tank": n}) for n in range(40)]
        found = await asyncio.gather(*many)
        found.append(await view.aget_feature_vectors([{"tank": 7}, {"tank": 8}]))
        with pytest.raises(FeatureVectorError):
            await view.aget_feature_vector({"tank": 99})
        levels.rebuild_online()  # the next read finds that the rows are elsewhere
        found.append(await view.aget_feature_vector({"tank": 9}))
        await view._session.online.aclose()  # type: ignore[attr-defined]
        return found

    for _ in range(2):  # an event loop each
        found = asyncio.run(ask())
        assert found[:40] == view.get_feature_vectors([{"tank": n} for n in range(40)])
        assert found[40:] == [[[3.5, "tank 7", 1], [4.0, "tank 8", 2]], [4.5, "tank 9", 0]]


@pytest.mark.parametrize("service", SERVICES)
def test_a_project_remembers_its_store(tmp_path: Path, service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    url = new_database(service)
    project = hopyard.login(tmp_path / "store", online=url)
    fill(project)
    shown = project.online_store
    assert "hopyard:hopyard" not in shown
    assert b"hopyard:hopyard@" not in (tmp_path / "store" / "registry.db").read_bytes()
    if service == "redis":  # without a password
        again = hopyard.login(tmp_path / "store")
        assert again.online_store == shown == url
    monkeypatch.setenv("HOPYARD_ONLINE_URL", url)
    again = hopyard.login(tmp_path / "store")
    assert again.online_store == shown
    served = again.get_feature_store().get_feature_view("tanks")
    served.init_serving()
    assert served.get_feature_vector({"tank": 1}) == [0.5, "tank 1", 1]
    served.export_serving_plan(tmp_path / "plan.json")
    assert json.loads((tmp_path / "plan.json").read_text())["online"] == shown
    reader = VectorReader.open(tmp_path / "plan.json", online=url)
    assert reader.get_feature_vector({"tank": 1}) == [0.5, "tank 1", 1]
    with pytest.raises(ConfigError, match=r"keeps its online rows in .*, and lmdb:///elsewhere was given"):
        hopyard.login(tmp_path / "store", online="lmdb:///elsewhere")


@pytest.mark.service("redis")
def test_moving_there_and_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    url = new_database("redis")
    folder = tmp_path / "store"
    fill(hopyard.login(folder))
    embedded = hopyard.login(folder).online_store
    assert embedded.startswith("lmdb:///")
    with pytest.raises(
        ConfigError, match="keeps its online rows in its own folder, and redis://.* was given"
    ):
        hopyard.login(folder, online=url)
    monkeypatch.setenv("HOPYARD_URL", str(folder))
    monkeypatch.setenv("HOPYARD_ONLINE_URL", url)  # as one has it who is about to move
    moved = CliRunner().invoke(app, ["online", "move", url, "--remove-old", "--json"])
    assert moved.exit_code == 0, moved.output
    assert json.loads(moved.output)["to"] == url
    project = hopyard.login(folder)
    assert project.online_store == url
    for name in ("levels", "kinds"):
        assert_online_equals_offline(project, project.get_feature_store().get_feature_group(name))
    again = CliRunner().invoke(app, ["online", "move", url])
    assert again.exit_code != 0
    assert "already" in again.output
    monkeypatch.delenv("HOPYARD_ONLINE_URL")
    project.move_online_store(embedded)
    back = hopyard.login(folder)
    assert back.online_store == embedded
    assert_online_equals_offline(back, back.get_feature_store().get_feature_group("levels"))


def test_a_move_that_fails_changes_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    project = hopyard.login(folder)
    fill(project)
    (tmp_path / "file").write_text("")
    for url, error in ((f"lmdb://{tmp_path}/file/online", StoreError), ("ftp://x", ConfigError)):
        with pytest.raises(error):
            project.move_online_store(url)
    again = hopyard.login(folder)
    assert again.online_store == project.online_store
    assert_online_equals_offline(again, again.get_feature_store().get_feature_group("levels"))


def test_an_embedded_store_elsewhere(tmp_path: Path) -> None:
    url = f"lmdb://{tmp_path}/fast%20disk/online?sync=os"
    project = hopyard.login(tmp_path / "store", online=url)
    fill(project)
    assert project.online_store == url
    assert (tmp_path / "fast disk" / "online" / "data.mdb").exists()
    again = hopyard.login(tmp_path / "store")
    assert_online_equals_offline(again, again.get_feature_store().get_feature_group("levels"))


@pytest.mark.parametrize("scheme", ["redis", "postgresql", "mysql"])
def test_a_driver_that_is_not_installed(tmp_path: Path, scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module = {"redis": "redis", "postgresql": "psycopg", "mysql": "pymysql"}[scheme]
    monkeypatch.setitem(__import__("sys").modules, module, None)
    with pytest.raises(MissingPackageError, match=rf"hopyard\[{scheme}\]"):
        hopyard.login(tmp_path / "store", online=f"{scheme}://127.0.0.1/0")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("redis://127.0.0.1/name", "Redis numbers its databases"),
        ("redis://127.0.0.1/0?ttl=3", "has no option 'ttl'"),
        ("mysql://me:secret@127.0.0.1", "names no database"),
        ("mysql://me:secret@127.0.0.1/db?engine=MyISAM", "must be one of: InnoDB, NDBCLUSTER"),
        ("postgresql://me:secret@127.0.0.1", "names no database"),
        ("postgresql://me:secret@127.0.0.1/db?sslmodus=x", "is no URL of PostgreSQL"),
    ],
)
def test_urls_that_name_no_store(tmp_path: Path, url: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as raised:
        hopyard.login(tmp_path / "store", online=url)
    assert "secret" not in str(raised.value)
    assert hopyard.login(tmp_path / "store").online_store.startswith("lmdb:")


@pytest.mark.parametrize("scheme", ["redis", "postgresql", "mysql"])
def test_a_server_that_is_not_there(tmp_path: Path, scheme: str) -> None:
    project = hopyard.login(tmp_path / "store", online=f"{scheme}://me:secret@127.0.0.1:9/1")
    with pytest.raises(StoreError, match=rf"{scheme}://me@127\.0\.0\.1:9/1 did not answer") as raised:
        project.session.online.read([("a1", b"key")])
    assert "secret" not in str(raised.value)
