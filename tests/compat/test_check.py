"""`python -m hopyard.compat check`: programs are read, not run."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

import pytest

from hopyard.compat.check import check_file, check_paths
from programs import compat, write_notebook, write_script

HEAD = "import hopsworks\nproject = hopsworks.login()\n"


def troubles(tmp_path: Path, source: str) -> list[tuple[int, str, str]]:
    """Return the line, the name and the status of each use that is not covered."""
    path = write_script(tmp_path / "a.py", HEAD + textwrap.dedent(source))
    return [(found.line, found.name, found.status) for found in check_file(path) if found.status != "covered"]


def test_a_program_that_is_covered_has_no_troubles(tmp_path: Path) -> None:
    source = """
    registry = project.get_model_registry()
    model = registry.sklearn.create_model("churn", metrics={"f1": 0.9})
    model.save("model")
    print(model.version, registry.get_model("churn", 1).download())
    """
    path = write_script(tmp_path / "a.py", HEAD + textwrap.dedent(source))
    found = check_file(path)
    assert {finding.status for finding in found} == {"covered"}
    names = {finding.name for finding in found}
    assert {"hopsworks", "Project.get_model_registry", "Flavor.create_model", "Model.save"} <= names


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("project.get_model_serving().get_deployment('x')", (3, "ModelServing.get_deployment", "absent")),
        ("project.get_members()", (3, "Project.get_members", "absent")),
        ("project.get_job_api().get_job('x').run()", (3, "JobApi.get_job", "absent")),
        ("project.get_dataset_api().uplod('x', 'y')", (3, "DatasetApi.uplod", "unknown")),
        ("hopsworks.logn()", (3, "hopsworks.logn", "unknown")),
        ("hopsworks.login(projet='x')", (3, "login(projet=)", "unknown")),
        ("hopsworks.get_secrets_api().get('k', None, 3)", (3, "SecretsApi.get(...)", "unknown")),
        ("from hsml.schema import Shema", (3, "hsml.schema.Shema", "unknown")),
        ("from hopsworks_plugin.sensors import x", (3, "hopsworks_plugin.sensors", "absent")),
        ("import hsml.shema", (3, "hsml.shema", "unknown")),
        ("from hsml.transformer import Transformer\nTransformer('x')", (4, "Transformer", "absent")),
        (
            "m = project.get_model_registry().python.create_model('m')\nm.deploy()",
            (4, "Model.deploy", "absent"),
        ),
        ("for m in project.get_model_registry().get_models('m'):\n    m.sav()", (4, "Model.sav", "unknown")),
        ("x = [m.sav() for m in project.get_model_registry().get_models('m')]", (3, "Model.sav", "unknown")),
        ("m = project.get_model_registry().get_models('m')[0]\nm.sav()", (4, "Model.sav", "unknown")),
        ("s = hopsworks.get_secrets_api().get_secret('k')\nprint(s.valu)", (4, "Secret.valu", "unknown")),
        ("if (s := hopsworks.get_secrets_api()):\n    s.gett('k')", (4, "SecretsApi.gett", "unknown")),
        ("with hopsworks.connection() as c:\n    c.get_projet()", (4, "Connection.get_projet", "unknown")),
        ("a, b = project.get_dataset_api(), 1\na.remov('x')", (4, "DatasetApi.remov", "unknown")),
        (
            "_, entries = project.get_dataset_api().list_files('x')\nentries[0].nam",
            (4, "Inode.nam", "unknown"),
        ),
    ],
)
def test_a_call_that_is_not_here_is_found(
    tmp_path: Path, source: str, expected: tuple[int, str, str]
) -> None:
    path = tmp_path / "a.py"
    path.write_text(HEAD + source)
    found = [(one.line, one.name, one.status) for one in check_file(path) if one.status != "covered"]
    assert found == [expected]


def test_objects_are_followed_into_functions_and_out_of_them(tmp_path: Path) -> None:
    assert troubles(
        tmp_path,
        """
        def registry(of):
            return of.get_model_registry()

        def save(model, folder=None):
            model.sav(folder)

        class Trainer:
            def __init__(self):
                self.files = project.get_dataset_api()

            def run(self):
                self.files.uplod("x", "y")

        found = registry(project)
        save(model=found.torch.create_model("m"))
        found.get_modle("m")
        """,
    ) == [
        (8, "Model.sav", "unknown"),
        (15, "DatasetApi.uplod", "unknown"),
        (19, "ModelRegistry.get_modle", "unknown"),
    ]


def test_what_the_program_defines_itself_is_not_judged(tmp_path: Path) -> None:
    assert (
        troubles(
            tmp_path,
            """
            import json

            class Project:
                def get_members(self):
                    return []

            project = Project()
            project.get_members()
            json.lods("x")
            hsfs = {}
            hsfs.get_nothing()
            """,
        )
        == []
    )


def test_a_notebook_is_read_cell_by_cell(tmp_path: Path) -> None:
    path = write_notebook(
        tmp_path / "a.ipynb",
        "!pip install hopsworks\nimport hopsworks",
        "",
        "%%time\nproject = hopsworks.login()",
        "def later():\n    return files.lst('x')",
        "x = 1\nfiles = project.get_dataset_api()\nfiles.uplod('x')",
    )
    found = [(one.cell, one.line, one.name) for one in check_file(path) if one.status != "covered"]
    assert found == [(4, 2, "DatasetApi.lst"), (5, 3, "DatasetApi.uplod")]


def test_nothing_of_the_program_is_run(tmp_path: Path) -> None:
    path = write_script(
        tmp_path / "a.py", f"open({str(tmp_path / 'ran')!r}, 'w')\nimport hopsworks\nhopsworks.login()"
    )
    assert [one.status for one in check_file(path)] == ["covered", "covered"]
    assert not (tmp_path / "ran").exists() and not (tmp_path / ".hopyard").exists()


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [("a.py", "x = 1\ny = (", 2), ("a.ipynb", "{", 1), ("b.py", "\x00", 1)],
)
def test_what_cannot_be_read_is_a_trouble(tmp_path: Path, name: str, content: str, line: int) -> None:
    (tmp_path / name).write_text(content)
    (found,) = check_file(tmp_path / name)
    assert (found.status, found.line) == ("unreadable", line)
    assert found.note


def test_a_folder_is_read_with_all_that_is_in_it_but_not_what_tools_made(tmp_path: Path) -> None:
    for name in ("a.py", "deep/b.py", ".venv/c.py", "x/site-packages/d.py", "deep/.ipynb_checkpoints/e.py"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("import hopsworks")
    write_notebook(tmp_path / "f.ipynb", "import hsml")
    write_notebook(tmp_path / "f.run.ipynb", "import hsml")
    report = check_paths([tmp_path])
    assert [Path(path).relative_to(tmp_path).as_posix() for path in report.paths] == [
        "a.py",
        "deep/b.py",
        "f.ipynb",
    ]
    assert report.n_troubles == 0


def test_the_report_is_for_people_and_for_programs(tmp_path: Path) -> None:
    write_script(tmp_path / "a.py", HEAD + "project.get_members()\nproject.get_dataset_api().uplod('x')")
    write_script(tmp_path / "b.py", "print('x')")
    run = compat("check", "a.py", "b.py", folder=tmp_path)
    assert run.returncode == 1
    assert run.stdout.splitlines() == [
        "a.py: 3 of 5 uses covered",
        "  line 3: absent: Project.get_members. A folder has no members: who can read and write it is up to the file "
        "system's permissions.",
        "  line 4: unknown: DatasetApi.uplod. Did you mean 'upload'?",
        "b.py: does not use the API",
        "2 file(s): 3 covered, 1 absent, 1 unknown",
    ]
    run = compat("check", "--json", "a.py", "b.py", folder=tmp_path)
    assert run.returncode == 1
    content = json.loads(run.stdout)
    assert (content["files"], content["counts"]) == (2, {"absent": 1, "covered": 3, "unknown": 1})
    assert content["findings"][-1] == {
        "path": "a.py",
        "cell": None,
        "line": 4,
        "name": "DatasetApi.uplod",
        "status": "unknown",
        "note": "Did you mean 'upload'?",
    }


def test_a_covered_program_exits_with_0_and_a_missing_one_with_2(tmp_path: Path) -> None:
    write_script(tmp_path / "a.py", HEAD)
    assert compat("check", "a.py", folder=tmp_path).returncode == 0
    run = compat("check", "b.py", folder=tmp_path)
    assert run.returncode == 2
    assert "There is no file or folder b.py" in run.stderr


def test_a_wrong_argument_is_told_by_the_class_that_programs_know(tmp_path: Path) -> None:
    path = tmp_path / "program.py"
    path.write_text(
        "import hopsworks\n"
        "fg = hopsworks.login().get_feature_store().get_feature_group('a', 1)\n"
        "fg.insert(None, write_option={})\n"
    )
    unknown = [use for use in check_paths([path]).findings if use.status == "unknown"]
    assert [use.name for use in unknown] == ["FeatureGroup.insert(write_option=)"]
