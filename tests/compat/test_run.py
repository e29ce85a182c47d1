"""`python -m hopyard.compat run`: scripts and notebooks, and what is said when they fail."""

from __future__ import annotations

import json
from pathlib import Path

import nbformat
import pytest

from hopyard.compat.kernel import without_shim_packages
from programs import compat, texts, write_notebook, write_script

LOGIN = "import hopsworks\nproject = hopsworks.login()"


def test_a_script_runs_as_main_with_its_arguments_and_its_folder(tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    write_script(tmp_path / "code" / "beside.py", "NAME = 'beside'")
    write_script(
        tmp_path / "code" / "train.py",
        """
        import os
        import sys
        import beside
        import hopsworks

        project = hopsworks.login(project="churn")
        if __name__ == "__main__":
            print(beside.NAME, project.name, sys.argv[1:], os.path.basename(sys.argv[0]), os.listdir())
        """,
    )
    run = compat("run", "code/train.py", "--rows", "10", folder=tmp_path)
    assert run.returncode == 0, run.stderr
    assert "beside churn ['--rows', '10'] train.py" in run.stdout
    assert ".hopyard" in run.stdout  # in the current folder, not in that of the script
    assert run.stderr == ""


def test_the_exit_code_of_a_script_is_its_own(tmp_path: Path) -> None:
    write_script(tmp_path / "a.py", "import sys; sys.exit(3)")
    assert compat("run", "a.py", folder=tmp_path).returncode == 3
    write_script(tmp_path / "b.py", "raise SystemExit('no rows')")
    run = compat("run", "b.py", folder=tmp_path)
    assert (run.returncode, run.stderr) == (1, "no rows\n")


def test_a_script_that_fails_is_shown_with_line_call_and_what_to_do(tmp_path: Path) -> None:
    write_script(
        tmp_path / "serve.py",
        """
        import hopsworks
        project = hopsworks.login()
        serving = project.get_model_serving()

        def deploy():
            return serving.create_deployment("x")

        deploy()
        """,
    )
    run = compat("run", "serve.py", folder=tmp_path)
    assert run.returncode == 1
    assert "runpy" not in run.stderr
    summary = run.stderr[run.stderr.index("serve.py: failed") :]
    assert "failed in line 7" in summary
    assert "call      serving.create_deployment" in summary
    assert "CompatError: ModelServing.create_deployment is not available on Hopyard." in summary
    assert "to do     Take what the message names" in summary


@pytest.mark.parametrize(
    ("source", "told"),
    [
        ("import hopsworks\nx = (", "line 2"),
        ("import hopsworks\n!pip install x", "Lines that begin with % or ! are for notebooks"),
        (f"{LOGIN}\nproject.get_feature_stor()", "Did you mean 'get_feature_store'?"),
        ("from hsml.schema import Shema", "Did you mean 'Schema'?"),
        ("import hsml.shema", "Did you mean hsml.schema?"),
        ("import not_installed_anywhere", "pip install not_installed_anywhere"),
        (
            "import pandas as pd\npd.read_csv('missing.csv')",
            "'missing.csv' is not there. Paths are seen from",
        ),
        ("df = spark.read.csv('x')", "There is no Spark here"),
        ("from hopsworks_plugin.operators.hopsworks_operator import X", "BashOperator"),
        ("import hopsworks\nprint(hopsworks.get_secrets_api().get_secret('k').value)", "is None"),
        ("print(undefined)", "not defined before this line"),
        (f"{LOGIN}\nproject.get_feature_store(nam='x')", "help() shows"),
        (f"{LOGIN}\nhopsworks.logn()", "Did you mean 'login'?"),
    ],
)
def test_a_script_is_told_what_to_do(tmp_path: Path, source: str, told: str) -> None:
    (tmp_path / "a.py").write_text(source)
    run = compat("run", "a.py", folder=tmp_path)
    assert run.returncode == 1
    assert told in run.stderr
    assert "to do" in run.stderr


def test_a_notebook_runs_in_its_own_folder_and_keeps_its_outputs(tmp_path: Path) -> None:
    (tmp_path / "books").mkdir()
    path = write_notebook(
        tmp_path / "books" / "features.ipynb",
        LOGIN,
        "",
        """
        import os, sys
        x = 2
        print(os.path.basename(os.getcwd()), sys.argv[1:])
        x + 1
        """,
        "await __import__('asyncio').sleep(0)\nprint('awaited')",
    )
    before = path.read_bytes()
    run = compat("run", "books/features.ipynb", "a", "b", folder=tmp_path)
    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.startswith("books/features.ipynb: 3 of 3 cells run, ")
    assert run.stderr == ""
    assert path.read_bytes() == before
    output = tmp_path / "books" / "features.run.ipynb"
    assert [text.strip() for text in texts(output)] == [
        f"Logged in to project 'default' of the store {tmp_path / 'books' / '.hopyard'}",
        "",
        "books ['a', 'b']",
        "awaited",
    ]
    cells = nbformat.read(output, as_version=4).cells
    assert cells[2].outputs[-1].data["text/plain"] == "3"
    assert [cell.source for cell in cells] == [
        cell.source for cell in nbformat.read(path, as_version=4).cells
    ]


def test_a_notebook_that_fails_keeps_the_outputs_before(tmp_path: Path) -> None:
    path = write_notebook(
        tmp_path / "serve.ipynb",
        LOGIN,
        "",
        "def deployed(name):\n    return project.get_model_serving().get_deployment(name)",
        "name = 'churn'\n\ndeployment = deployed(name)",
        "print('never')",
    )
    run = compat("run", "-o", "out.ipynb", path, folder=tmp_path)
    assert run.returncode == 1
    assert "2 of 4 cells run" in run.stdout
    assert "failed in cell 4, line 3" in run.stdout
    assert "call      deployed(name)" in run.stdout
    assert "error     CompatError: ModelServing.get_deployment is not available" in run.stdout
    assert "outputs   out.ipynb" in run.stdout
    cells = nbformat.read(tmp_path / "out.ipynb", as_version=4).cells
    assert "Logged in" in cells[0].outputs[0].text
    assert cells[3].outputs[0].ename == "CompatError"
    assert cells[4].outputs == []


@pytest.mark.parametrize(
    ("cell", "line", "call"),
    [
        ("x = 1\ndef f(a, b):\n    return a / b\ny = [f(1,\n       b=0)]", 4, "f(1, b=0)"),
        ("%%time\nx = 1\ny = x / 0", 3, "y = x / 0"),
        ("%%capture out\nx = 1\ny = x / 0", 3, "x / 0"),
        ("x = 1\n# ä\ns = 'ä'; y = x / 0", 3, "x / 0"),
    ],
)
def test_the_line_and_the_call_are_those_of_the_cell(tmp_path: Path, cell: str, line: int, call: str) -> None:
    write_notebook(tmp_path / "a.ipynb", cell)
    run = compat("run", "a.ipynb", folder=tmp_path)
    assert run.returncode == 1, run.stdout
    assert f"failed in cell 1, line {line}\n  call      {call}\n" in run.stdout


@pytest.mark.parametrize(
    ("cell", "told"),
    [
        ("from hsml.schema import Shema", "Did you mean 'Schema'?"),
        ("import hsml.shema", "Did you mean hsml.schema?"),
        ("import hopsworks\np = hopsworks.login()\np.get_secret_api()", "Did you mean 'get_secrets_api'?"),
        (
            "import pandas as pd\ndf = pd.read_csv('missing.csv')",
            "'missing.csv' is not there. Paths are seen from",
        ),
        ("rows = spark.sql('x')", "There is no Spark here"),
        ("%no_such_magic", "IPython does not know this magic"),
        ("import hopsworks\nhopsworks.get_current_project()", "Do what the message says"),
        ("raise ValueError('mine')", "the error is of the program"),
        ("import os\nos._exit(1)", "The kernel died"),
    ],
)
def test_a_notebook_is_told_what_to_do(tmp_path: Path, cell: str, told: str) -> None:
    write_notebook(tmp_path / "a.ipynb", "x = 1", cell)
    run = compat("run", "a.ipynb", folder=tmp_path)
    assert run.returncode == 1, run.stdout + run.stderr
    assert "failed in cell 2" in run.stdout
    assert told in run.stdout


def test_a_cell_that_takes_too_long_is_ended(tmp_path: Path) -> None:
    write_notebook(tmp_path / "a.ipynb", "import time", "time.sleep(600)")
    run = compat("run", "--timeout", "2", "a.ipynb", folder=tmp_path)
    assert run.returncode == 1
    assert "failed in cell 2" in run.stdout and "--timeout" in run.stdout


def test_a_syntax_error_is_found_before_any_cell_runs(tmp_path: Path) -> None:
    write_notebook(tmp_path / "a.ipynb", "open('ran', 'w').close()", "x = 1\ny = [1,\nz = 2")
    run = compat("run", "a.ipynb", folder=tmp_path)
    assert run.returncode == 2
    assert "cell 2, line 2" in run.stderr and "Nothing was run" in run.stderr
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"", "not JSON"),
        (b"print('x')", "not JSON"),
        (b"[]", "JSON without cells"),
        (b'{"cells": 3, "nbformat": 4, "nbformat_minor": 5, "metadata": {}}', "not a valid notebook"),
        (b'{"cells": [{}], "nbformat": 4, "nbformat_minor": 5, "metadata": {}}', "not a valid notebook"),
        (b"\xff\xfe\x00", "not text in UTF-8"),
    ],
)
def test_what_is_no_notebook_is_refused(tmp_path: Path, content: bytes, told: str) -> None:
    (tmp_path / "a.ipynb").write_bytes(content)
    run = compat("run", "a.ipynb", folder=tmp_path)
    assert run.returncode == 2
    assert told in run.stderr and "Traceback" not in run.stderr
    assert not (tmp_path / "a.run.ipynb").exists()


def test_a_notebook_of_another_language_is_refused(tmp_path: Path) -> None:
    write_notebook(
        tmp_path / "a.ipynb", "x <- 1", kernelspec={"name": "ir", "language": "R", "display_name": "R"}
    )
    run = compat("run", "a.ipynb", folder=tmp_path)
    assert run.returncode == 2
    assert "notebook of 'r'" in run.stderr


@pytest.mark.parametrize("name", ["pysparkkernel", "python3", "conda-env-ml", ""])
def test_the_kernel_that_a_notebook_names_need_not_be_there(tmp_path: Path, name: str) -> None:
    spec = {"kernelspec": {"name": name, "language": "python", "display_name": name}} if name else {}
    write_notebook(tmp_path / "a.ipynb", "print(1)", **spec)
    run = compat("run", "a.ipynb", folder=tmp_path)
    assert run.returncode == 0, run.stdout + run.stderr


def test_a_notebook_of_an_older_format_runs(tmp_path: Path) -> None:
    cells = [
        {"cell_type": "code", "language": "python", "metadata": {}, "input": ["print(6 * 7)"], "outputs": []}
    ]
    old = {"nbformat": 3, "nbformat_minor": 0, "metadata": {"name": ""}, "worksheets": [{"cells": cells}]}
    (tmp_path / "old.ipynb").write_text(json.dumps(old))
    run = compat("run", "old.ipynb", folder=tmp_path)
    assert run.returncode == 0, run.stdout + run.stderr
    assert texts(tmp_path / "old.run.ipynb") == ["42\n"]


def test_the_users_own_history_of_ipython_stays_theirs(tmp_path: Path) -> None:
    write_notebook(tmp_path / "a.ipynb", "x = 'of the notebook'")
    run = compat("run", "a.ipynb", folder=tmp_path, IPYTHONDIR=str(tmp_path / "ipython"))
    assert run.returncode == 0, run.stdout + run.stderr
    assert list((tmp_path / "ipython").rglob("history.sqlite")) == []


def test_a_missing_file_is_named_with_those_that_are_there(tmp_path: Path) -> None:
    write_notebook(tmp_path / "churn.ipynb", "x = 1")
    for name in ("chrun.ipynb", "chrun.py"):
        run = compat("run", name, folder=tmp_path)
        assert run.returncode == 2
        assert f"There is no file {name}" in run.stderr
    assert "churn.ipynb" in compat("run", "chrun.ipynb", folder=tmp_path).stderr


def test_magics_run_and_the_shim_is_not_installed_over(tmp_path: Path) -> None:
    write_notebook(
        tmp_path / "a.ipynb",
        "!pip install -U hopsworks --quiet\n%pip install 'hopsworks[python]==4.2' hsfs",
        "%%bash\npip install hopsworks\necho from bash",
        "!echo from a shell",
        "%%time\nimport hopsworks\nprint(hopsworks.__name__)",
    )
    run = compat("run", "a.ipynb", folder=tmp_path)
    assert run.returncode == 0, run.stdout + run.stderr
    first, bash, shell, last = texts(tmp_path / "a.run.ipynb")
    assert first == (
        "Not installed: hopsworks. Hopyard stands in for it.\n"
        "Not installed: hopsworks[python]==4.2, hsfs. Hopyard stands in for it.\n"
    )
    assert "Not installed: hopsworks" in bash and "from bash" in bash
    assert "from a shell" in shell
    assert "hopyard.compat.hopsworks" in last


@pytest.mark.parametrize(
    ("line", "run"),
    [
        ("!pip install hopsworks\n", "%hopyard_skipped hopsworks\n"),
        ("!pip3 install -q -U 'hopsworks>=4'\n", "%hopyard_skipped hopsworks>=4\n"),
        ("!python -m pip install hsfs[python] xgboost\n", "!python -m pip install xgboost\n"),
        ("!{sys.executable} -m pip install hopsworks\n", "%hopyard_skipped hopsworks\n"),
        ("%pip install xgboost -r requirements.txt\n", "%pip install xgboost -r requirements.txt\n"),
        ("    !pip install hsml --quiet\n", "    %hopyard_skipped hsml\n"),
        ("!pip install hopsworks -r requirements.txt\n", "!pip install -r requirements.txt\n"),
        ("!pip install hopsworks-aws\n", "!pip install hopsworks-aws\n"),
        ("x = 'pip install hopsworks'\n", "x = 'pip install hopsworks'\n"),
        ("!pip install 'open\n", "!pip install 'open\n"),
    ],
)
def test_only_the_packages_that_the_shim_stands_for_are_left_out(line: str, run: str) -> None:
    assert without_shim_packages([line]) == [run]


def test_installed_packages_are_hidden_only_if_asked(tmp_path: Path) -> None:
    (tmp_path / "real" / "hopsworks").mkdir(parents=True)
    (tmp_path / "real" / "hopsworks" / "__init__.py").write_text("REAL = True\n")
    source = str(Path(__file__).parents[2] / "src")
    write_script(tmp_path / "a.py", "import hopsworks; print(hopsworks.__name__)")
    write_notebook(tmp_path / "a.ipynb", "import hopsworks; print(hopsworks.__name__)")
    path = f"{source}:{tmp_path / 'real'}"
    refused = compat("run", "a.py", folder=tmp_path, PYTHONPATH=path)
    assert refused.returncode == 2
    assert "The real packages are installed here" in refused.stderr
    refused = compat("run", "a.ipynb", folder=tmp_path, PYTHONPATH=path)
    assert refused.returncode == 2 and "The real packages are installed here" in refused.stderr
    run = compat("run", "--shadow", "a.py", folder=tmp_path, PYTHONPATH=path)
    assert (run.returncode, run.stdout) == (0, "hopyard.compat.hopsworks\n")
    run = compat("run", "--shadow", "a.ipynb", folder=tmp_path, PYTHONPATH=path)
    assert run.returncode == 0, run.stderr
    assert texts(tmp_path / "a.run.ipynb") == ["hopyard.compat.hopsworks\n"]


@pytest.mark.parametrize("package", ["nbclient", "ipykernel", "nbformat"])
def test_a_package_of_the_extra_that_is_missing_is_named(tmp_path: Path, package: str) -> None:
    """A module of that name which cannot be found stands for an environment without it."""
    write_notebook(tmp_path / "a.ipynb", "x = 1")
    blocker = f"import sys\nsys.modules[{package!r}] = None\n"
    (tmp_path / "sitecustomize.py").write_text(blocker)
    source = str(Path(__file__).parents[2] / "src")
    run = compat("run", "a.ipynb", folder=tmp_path, PYTHONPATH=f"{tmp_path}:{source}")
    assert run.returncode == 2
    assert f"needs the package '{package}'" in run.stderr and "hopyard[compat]" in run.stderr


def test_a_kernel_that_does_not_start_is_told(tmp_path: Path) -> None:
    write_notebook(tmp_path / "a.ipynb", "x = 1")
    (tmp_path / "sitecustomize.py").write_text(
        "import os, sys\nif 'hopyard.compat.kernel' in sys.orig_argv:\n    os._exit(3)\n"
    )
    source = str(Path(__file__).parents[2] / "src")
    run = compat("run", "a.ipynb", folder=tmp_path, PYTHONPATH=f"{tmp_path}:{source}")
    assert run.returncode == 2
    assert "The kernel for a.ipynb did not start" in run.stderr and "Traceback" not in run.stderr
    assert not (tmp_path / "a.run.ipynb").exists()


def test_a_relative_store_is_the_same_for_scripts_and_notebooks(tmp_path: Path) -> None:
    (tmp_path / "books").mkdir()
    write_notebook(
        tmp_path / "books" / "a.ipynb", LOGIN, "hopsworks.get_secrets_api().create_secret('K', 'v')"
    )
    write_script(tmp_path / "b.py", "import hopsworks; print(hopsworks.get_secrets_api().get('K'))")
    assert compat("run", "books/a.ipynb", folder=tmp_path, HOPYARD_URL="./store").returncode == 0
    run = compat("run", "b.py", folder=tmp_path, HOPYARD_URL="./store")
    assert run.stdout == "v\n", run.stderr
