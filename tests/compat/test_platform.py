"""Login, the project, its files, and secrets."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import hopyard
from hopyard.compat import hopsworks
from hopyard.compat.errors import CompatError
from hopyard.compat.hopsworks.absent_apis import AbsentApi
from hopyard.compat.hopsworks.client.exceptions import RestAPIError
from hopyard.compat.hopsworks.dataset_api import DatasetApi
from hopyard.compat.hopsworks.project import Project
from hopyard.errors import AlreadyExistsError, ConfigError, NotFoundError


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Return a project of a new store in the current folder, which is empty but for it."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HOPSWORKS_PROJECT", raising=False)
    return hopsworks.login(project="churn")


@pytest.fixture
def files(project: Project) -> DatasetApi:
    return project.get_dataset_api()


def test_login_takes_the_arguments_of_a_cluster_and_opens_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    project = hopsworks.login("c.app.hopsworks.ai", 443, "churn", "key", engine="python")
    assert project.location == str(tmp_path / ".hopyard")
    assert "Logged in to project 'churn'" in capsys.readouterr().out
    assert hopyard.login(project="churn").name == project.name


def test_the_project_is_the_argument_else_the_environment_else_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOPYARD_URL", str(tmp_path / "store"))
    monkeypatch.delenv("HOPSWORKS_PROJECT", raising=False)
    assert hopsworks.login().name == "default"
    monkeypatch.setenv("HOPSWORKS_PROJECT", "taxi")
    assert hopsworks.login().name == "taxi"
    assert hopsworks.login(project="loans").name == "loans"


def test_a_name_that_hopyard_refuses_is_changed_with_a_warning(project: Project) -> None:
    with pytest.warns(UserWarning, match="'Fraud-Demo' is kept as 'fraud_demo'"):
        assert hopsworks.login(project="Fraud-Demo").name == "fraud_demo"


def test_the_current_project_is_that_of_the_last_login(project: Project) -> None:
    assert hopsworks.get_current_project() is project
    hopsworks.logout()
    with pytest.raises(ConfigError, match="hopsworks.login"):
        hopsworks.get_current_project()


def test_a_project_has_the_attributes_that_programs_print(project: Project) -> None:
    again = hopsworks.login(project="churn")
    assert (again.id, again.created) == (project.id, project.created)
    assert again.owner == project.session.actor
    assert again.project_namespace == "churn"
    assert again.get_url().startswith("file:///")
    assert set(again.to_dict()) == {"id", "name", "owner", "description", "created"}


def test_create_project_makes_it_once(project: Project) -> None:
    created = hopsworks.create_project("taxi", description="Trips of a year")
    assert created.description == "Trips of a year"
    assert hopsworks.login(project="taxi").description == "Trips of a year"
    with pytest.raises(AlreadyExistsError, match="taxi"):
        hopsworks.create_project("taxi")


def test_the_older_connection_opens_the_same_project(project: Project) -> None:
    with hopsworks.connection(host="x", project="churn", api_key_value="y") as connection:
        assert connection.get_project().name == "churn"


@pytest.mark.parametrize(
    "getter",
    [
        *("get_job_api", "get_jobs_api", "get_kafka_api", "get_opensearch_api", "get_git_api"),
        *("get_environment_api", "get_alerts_api", "get_search_api", "get_model_serving"),
    ],
)
def test_what_is_not_here_can_be_fetched_and_says_so_when_it_is_used(project: Project, getter: str) -> None:
    handle = getattr(project, getter)()
    assert isinstance(handle, AbsentApi)
    assert repr(handle)
    assert not hasattr(handle, "_repr_html_")
    with pytest.raises(
        CompatError, match=rf"{type(handle).__name__}.get_something is not available"
    ) as error:
        handle.get_something("x")
    assert error.value.nearest


@pytest.mark.parametrize("call", ["get_members", "get_members_api"])
def test_a_folder_has_no_members(project: Project, call: str) -> None:
    with pytest.raises(CompatError, match="permissions"):
        getattr(project, call)()
    with pytest.raises(CompatError):
        project.add_member("a@b.c", "Data scientist")


def test_a_file_goes_up_and_comes_down(files: DatasetApi, tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("a\n1\n")
    assert files.upload("data.csv", "Resources") == "Resources/data.csv"
    assert files.exists("Resources/data.csv")
    assert files.exists("/Projects/churn/Resources/data.csv")
    assert files.list("Resources") == ["Resources/data.csv"]
    assert files.read_content("Resources/data.csv") == b"a\n1\n"
    (tmp_path / "down").mkdir()
    assert files.download("Resources/data.csv", local_path="down") == str(tmp_path / "down" / "data.csv")
    assert (tmp_path / "down" / "data.csv").read_text() == "a\n1\n"


def test_a_folder_goes_up_with_all_that_is_in_it(files: DatasetApi, tmp_path: Path) -> None:
    (tmp_path / "images" / "cats").mkdir(parents=True)
    (tmp_path / "images" / "cats" / "1.txt").write_text("meow")
    files.upload(str(tmp_path / "images"), "Resources/new")
    assert files.read_content("Resources/new/images/cats/1.txt") == b"meow"
    count, entries = files.list_files("Resources/new/images")
    assert count == 1 and entries[0].dir and entries[0].path == "Resources/new/images/cats"


def test_what_is_there_is_replaced_only_if_asked(files: DatasetApi, tmp_path: Path) -> None:
    (tmp_path / "x.txt").write_text("old")
    files.upload("x.txt", "Resources")
    (tmp_path / "x.txt").write_text("new")
    with pytest.raises(AlreadyExistsError, match="overwrite=True"):
        files.upload("x.txt", "Resources")
    assert files.read_content("Resources/x.txt") == b"old"
    files.upload("x.txt", "Resources", overwrite=True)
    assert files.read_content("Resources/x.txt") == b"new"
    with pytest.raises(AlreadyExistsError, match="overwrite=True"):
        files.download("Resources/x.txt")
    files.download("Resources/x.txt", overwrite=True)


def test_folders_are_made_moved_copied_and_removed(files: DatasetApi, tmp_path: Path) -> None:
    assert files.mkdir("Resources/a/b") == "Resources/a/b"
    with pytest.raises(AlreadyExistsError):
        files.mkdir("Resources/a")
    (tmp_path / "x.txt").write_text("x")
    files.upload("x.txt", "Resources/a/b")
    files.copy("Resources/a", "Resources/c")
    files.move("Resources/a", "Resources/d")
    assert not files.exists("Resources/a")
    assert files.read_content("Resources/c/b/x.txt") == files.read_content("Resources/d/b/x.txt") == b"x"
    files.remove("Resources/d")
    assert not files.exists("Resources/d")
    with pytest.raises(NotFoundError):
        files.remove("Resources/d")
    with pytest.raises(ConfigError, match="into itself"):
        files.copy("Resources/c", "Resources/c/b/c")


def test_a_zip_file_is_made_and_unpacked(files: DatasetApi, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "x.txt").write_text("x")
    files.upload("data", "Resources")
    files.zip("Resources/data")
    files.remove("Resources/data")
    files.unzip("Resources/data.zip")
    assert files.read_content("Resources/data/data/x.txt") == b"x"


@pytest.mark.parametrize(
    "path", ["../x", "Resources/../../x", "/Projects/other/Resources/x", "/Projects", "Resources/\0", "..\\x"]
)
def test_no_path_leads_out_of_the_project(files: DatasetApi, tmp_path: Path, path: str) -> None:
    (tmp_path / "x").write_text("x")
    for call in (files.exists, files.remove, files.mkdir, files.download, files.read_content):
        with pytest.raises(ConfigError, match="leads out of|is not in the project"):
            call(path)
    with pytest.raises(ConfigError):
        files.upload("x", path)


def test_no_link_leads_out_of_the_project(files: DatasetApi, project: Project, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    place = Path(project.location) / "projects" / "churn" / "files" / "Resources" / "link"
    place.symlink_to(tmp_path / "outside")
    with pytest.raises(ConfigError, match="leads out of"):
        files.mkdir("Resources/link/x")


def test_the_folder_of_all_files_stays(files: DatasetApi) -> None:
    with pytest.raises(ConfigError):
        files.remove("/Projects/churn")
    assert files.exists("Resources")


def test_a_missing_file_proposes_the_closest_one(files: DatasetApi, tmp_path: Path) -> None:
    (tmp_path / "data.csv").write_text("x")
    with pytest.raises(NotFoundError, match=r"Did you mean 'data.csv'\?"):
        files.upload("data.csw", "Resources")
    files.upload("data.csv", "Resources")
    with pytest.raises(RestAPIError, match="Did you mean 'data.csv'|There are: data.csv"):
        files.download("Resources/data.cs")


def test_a_tag_of_a_file_is_refused_by_name(files: DatasetApi) -> None:
    with pytest.raises(CompatError, match="DatasetApi.add"):
        files.add("Resources", "x", "y")


def test_a_secret_is_kept_and_given_back(project: Project) -> None:
    secrets = hopsworks.get_secrets_api()
    created = secrets.create_secret("KEY", "värde")
    assert created.value == "värde"
    assert project.get_secrets_api().get("KEY") == "värde"
    found = secrets.get_secret("KEY")
    assert found is not None and found.value == "värde"
    assert [secret.name for secret in secrets.get_secrets()] == ["KEY"]
    assert "värde" not in repr(found)


def test_a_missing_secret_is_none_or_an_error(project: Project) -> None:
    secrets = project.get_secrets_api()
    secrets.create_secret("KEY", "v")
    assert secrets.get_secret("OTHER") is None
    with pytest.raises(NotFoundError, match="KEY"):
        secrets.get("OTHER")


def test_a_secret_is_deleted_and_not_overwritten(project: Project) -> None:
    secrets = project.get_secrets_api()
    secret = secrets.create_secret("KEY", "v")
    with pytest.raises(AlreadyExistsError, match="KEY"):
        secrets.create_secret("KEY", "w")
    secret.delete()
    assert secrets.get_secrets() == []


def test_secrets_are_encrypted_and_only_their_owner_can_read_the_key(project: Project) -> None:
    project.get_secrets_api().create_secret("NAME_OF_KEY", "VALUE_OF_KEY")
    folder = Path(project.location) / "secrets"
    content = b"".join(file.read_bytes() for file in folder.iterdir())
    assert b"VALUE_OF_KEY" not in content and b"NAME_OF_KEY" not in content
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()} == {0o600}


def test_the_key_can_be_in_the_environment(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    from cryptography.fernet import Fernet

    monkeypatch.setenv("HOPYARD_SECRETS_KEY", Fernet.generate_key().decode())
    project.get_secrets_api().create_secret("KEY", "v")
    assert not (Path(project.location) / "secrets" / "key").exists()
    monkeypatch.setenv("HOPYARD_SECRETS_KEY", Fernet.generate_key().decode())
    with pytest.raises(ConfigError, match="another key"):
        project.get_secrets_api().get("KEY")
    monkeypatch.setenv("HOPYARD_SECRETS_KEY", "short")
    with pytest.raises(ConfigError, match="32 bytes"):
        project.get_secrets_api().get("KEY")
    monkeypatch.delenv("HOPYARD_SECRETS_KEY")
    with pytest.raises(ConfigError, match="key of the secrets is not in"):
        project.get_secrets_api().get("KEY")


def test_secrets_of_many_threads_are_all_kept(project: Project) -> None:
    names = [f"KEY_{number}" for number in range(16)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda name: project.get_secrets_api().create_secret(name, name), names))
    assert sorted(secret.value for secret in project.get_secrets_api().get_secrets()) == sorted(names)


def test_the_store_finds_nothing_wrong_with_itself(
    files: DatasetApi, project: Project, tmp_path: Path
) -> None:
    (tmp_path / "x").write_text("x")
    files.upload("x", "Resources")
    project.get_secrets_api().create_secret("KEY", "v")
    report = hopyard.login(project="churn").verify()
    assert str(report).startswith("all fine")
    leftovers = [
        name for _, _, names in os.walk(project.location) for name in names if name.startswith(".part-")
    ]
    assert leftovers == []
