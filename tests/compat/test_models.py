"""The model registry: models are saved, found, compared, and linked to what they were trained with."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from hopyard.compat import hopsworks, hsml
from hopyard.compat.errors import CompatError
from hopyard.compat.hsml.deployment import Deployment
from hopyard.compat.hsml.model_registry import ModelRegistry
from hopyard.compat.hsml.model_schema import ModelSchema
from hopyard.compat.hsml.predictor import Predictor
from hopyard.compat.hsml.schema import Schema
from hopyard.compat.hsml.transformer import Transformer
from hopyard.errors import (
    AlreadyExistsError,
    ConfigError,
    CorruptStoreError,
    MissingPackageError,
    NotFoundError,
    SchemaMismatchError,
)


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelRegistry:
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "model"
    (folder / "assets").mkdir(parents=True)
    (folder / "model.pkl").write_bytes(b"\x80weights")
    (folder / "assets" / "plot.png").write_bytes(b"png")
    return hopsworks.login(project="churn").get_model_registry()


def test_a_folder_is_saved_and_downloaded(registry: ModelRegistry, tmp_path: Path) -> None:
    model = registry.sklearn.create_model("churn_model", metrics={"f1": 0.9}, description="Trees")
    assert model.version is None and model.id is None
    assert model.save("model") is model
    assert (model.version, model.framework, model.metrics) == (1, "SKLEARN", {"f1": 0.9})
    found = registry.get_model("churn_model", version=1)
    assert type(found) is type(model)
    assert (found.id, found.description, found.created) == (model.id, "Trees", model.created)
    folder = Path(found.download())
    assert (folder / "model.pkl").read_bytes() == b"\x80weights"
    assert (folder / "assets" / "plot.png").read_bytes() == b"png"
    assert (tmp_path / "model" / "model.pkl").exists()


def test_a_single_file_is_saved_and_downloaded_to_a_given_folder(
    registry: ModelRegistry, tmp_path: Path
) -> None:
    registry.python.create_model("churn_model").save("model/model.pkl")
    registry.get_model("churn_model", 1).download(str(tmp_path / "down"))
    assert [file.name for file in (tmp_path / "down").iterdir()] == ["model.pkl"]


@pytest.mark.parametrize("flavor", ["python", "sklearn", "tensorflow", "torch", "llm"])
def test_every_framework_makes_models_of_its_own_kind(registry: ModelRegistry, flavor: str) -> None:
    model = getattr(registry, flavor).create_model("m")
    model.save("model")
    found = registry.get_model("m", 1)
    assert (found.framework, type(found).__module__) == (
        flavor.upper(),
        f"hopyard.compat.hsml.{flavor}.model",
    )


def test_versions_count_up(registry: ModelRegistry) -> None:
    for expected in (1, 2, 3):
        assert registry.python.create_model("m").save("model").version == expected
    registry.python.create_model("m", version=7).save("model")
    assert [model.version for model in registry.get_models("m")] == [1, 2, 3, 7]
    with pytest.raises(AlreadyExistsError, match="version 7"):
        registry.python.create_model("m", version=7).save("model")
    assert registry.python.create_model("m").save("model").version == 8


def test_versions_of_many_threads_are_different(registry: ModelRegistry) -> None:
    models = [registry.python.create_model("m") for _ in range(8)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda model: model.save("model"), models))
    assert sorted(model.version or 0 for model in models) == list(range(1, 9))


def test_get_model_without_a_version_is_version_1_with_a_warning(registry: ModelRegistry) -> None:
    registry.python.create_model("m").save("model")
    registry.python.create_model("m").save("model")
    with pytest.warns(UserWarning, match="defaulting to `1`"):
        assert registry.get_model("m").version == 1


def test_a_missing_model_says_what_there_is(registry: ModelRegistry) -> None:
    registry.python.create_model("churn_model").save("model")
    with pytest.raises(NotFoundError, match=r"Did you mean 'churn_model'\?"):
        registry.get_model("churn_modle", 1)
    with pytest.raises(NotFoundError, match="version 1"):
        registry.get_model("churn_model", 2)
    assert registry.get_models("other") == []


def test_the_best_model_is_found_in_both_directions(registry: ModelRegistry) -> None:
    for loss in (0.3, 0.1, 0.2):
        registry.python.create_model("m", metrics={"loss": loss}).save("model")
    registry.python.create_model("m", metrics={"f1": 1}).save("model")
    best, worst = registry.get_best_model("m", "loss", "min"), registry.get_best_model("m", "loss", "max")
    assert best is not None and best.version == 2
    assert worst is not None and worst.version == 1
    assert registry.get_best_model("m", "auc", "max") is None
    with pytest.raises(ConfigError, match="'up'"):
        registry.get_best_model("m", "loss", "up")


def test_metrics_are_numbers(registry: ModelRegistry) -> None:
    model = registry.python.create_model("m", metrics={"f1": np.float32(0.5), "n": 3, "text": "0.25"})
    assert model.metrics == {"f1": 0.5, "n": 3.0, "text": 0.25}
    with pytest.raises(TypeError, match="dict"):
        registry.python.create_model("m", metrics=[0.5])
    with pytest.raises(ValueError, match="'f1' must be a number, not 'good'"):
        registry.python.create_model("m", metrics={"f1": "good"})
    with pytest.raises(ValueError, match="nan"):
        registry.python.create_model("m", metrics={"f1": float("nan")})
    with pytest.raises(TypeError, match="str"):
        registry.python.create_model("m", metrics={1: 0.5})


@pytest.mark.parametrize(
    ("example", "kept"),
    [
        (pd.DataFrame({"a": [1, 2], "b": [0.5, 1.5]}), [1.0, 0.5]),
        (pd.Series([1, 2]), [1, 2]),
        (np.array([[1.0, 2.0]]), [[1.0, 2.0]]),
        ([1, "x", None], [1, "x", None]),
        ({"a": np.int64(3), "t": pd.Timestamp("2026-01-01")}, {"a": 3, "t": "2026-01-01T00:00:00"}),
    ],
)
def test_an_input_example_is_kept(registry: ModelRegistry, example: object, kept: object) -> None:
    registry.python.create_model("m", input_example=example).save("model")
    assert registry.get_model("m", 1).input_example == kept


def test_an_input_example_that_json_cannot_hold_is_refused(registry: ModelRegistry) -> None:
    with pytest.raises(TypeError, match="object"):
        registry.python.create_model("m", input_example={"a": object()})


def test_a_schema_is_read_from_frames_and_arrays(registry: ModelRegistry) -> None:
    frame = pd.DataFrame({"a": [1], "b": [0.5]})
    schema = ModelSchema(input_schema=Schema(frame), output_schema=Schema(np.zeros((5, 2), dtype="float32")))
    registry.sklearn.create_model("m", model_schema=schema).save("model")
    assert registry.get_model("m", 1).model_schema == {
        "input_schema": {
            "columnar_schema": [{"name": "a", "type": "int64"}, {"name": "b", "type": "float64"}]
        },
        "output_schema": {"tensor_schema": {"type": "float32", "shape": [None, 2]}},
    }
    assert Schema(pd.Series([1], name="y")).to_dict() == {"columnar_schema": [{"name": "y", "type": "int64"}]}
    assert Schema([{"name": "a", "type": "double"}]).to_dict() == {
        "columnar_schema": [{"name": "a", "type": "double"}]
    }
    assert json.loads(Schema([{"type": "float", "shape": [1, 2]}]).json()) == {
        "tensor_schema": {"type": "float", "shape": [1, 2]}
    }


@pytest.mark.parametrize("given", ["text", 3, [{"nome": "a"}]])
def test_what_is_no_schema_is_refused(given: object) -> None:
    with pytest.raises(SchemaMismatchError, match="Give a dataframe|is a list of columns"):
        Schema(given)


def test_tags_are_kept(registry: ModelRegistry) -> None:
    model = registry.python.create_model("m", tags={"team": "risk"}).save("model")
    model.add_tag("stage", {"name": "production"})
    found = registry.get_model("m", 1)
    assert found.get_tags() == {"team": "risk", "stage": {"name": "production"}}
    assert found.get_tag("team") == "risk" and found.get_tag("other") is None
    found.delete_tag("team")
    assert registry.get_model("m", 1).get_tags() == {"stage": {"name": "production"}}
    with pytest.raises(NotFoundError, match="stage"):
        found.delete_tag("team")


def test_a_deleted_version_is_gone_and_the_others_stay(registry: ModelRegistry) -> None:
    registry.python.create_model("m").save("model")
    second = registry.python.create_model("m").save("model")
    registry.get_model("m", 1).delete()
    assert [model.version for model in registry.get_models("m")] == [2]
    second.delete()
    with pytest.raises(NotFoundError):
        second.download()


def test_nothing_is_there_to_save(registry: ModelRegistry) -> None:
    with pytest.raises(NotFoundError, match=r"Did you mean 'model'\?|model"):
        registry.python.create_model("m").save("modl")
    assert registry.get_models("m") == []


def test_a_save_that_was_cut_off_leaves_no_version(registry: ModelRegistry) -> None:
    (registry.root / "m" / "1" / "Files").mkdir(parents=True)
    (registry.root / "m" / "1" / "Files" / "half").write_text("x")
    assert registry.get_models("m") == []
    model = registry.python.create_model("m").save("model")
    assert model.version == 1
    assert not (Path(model.download()) / "half").exists()


def test_a_damaged_card_is_named(registry: ModelRegistry) -> None:
    registry.python.create_model("m").save("model")
    (registry.root / "m" / "1" / "model.json").write_text("{")
    with pytest.raises(CorruptStoreError, match=r"model.json"):
        registry.get_model("m", 1)


@pytest.mark.parametrize("name", ["a-b", "a b", "", "../x", "a/b"])
def test_a_name_is_letters_digits_and_underscores(registry: ModelRegistry, name: str) -> None:
    with pytest.raises(ConfigError, match="cannot name a model"):
        registry.python.create_model(name)
    with pytest.raises(NotFoundError):
        registry.get_model(name, 1)


def test_a_model_has_the_attributes_that_programs_print(registry: ModelRegistry) -> None:
    model = registry.sklearn.create_model("m").save("model")
    assert model.project_name == "churn"
    assert model.model_registry_id == registry.model_registry_id
    assert model.version_path == "/Projects/churn/Models/m/1"
    assert registry.project.get_dataset_api().exists(model.model_files_path + "/model.pkl")
    assert model.get_url().startswith("file:///")
    assert json.loads(model.json())["name"] == "m"
    assert repr(model) == "Model(name: 'm', version: 1)"


def test_a_saved_file_is_read(registry: ModelRegistry) -> None:
    Path("model/README.md").write_text("Trees.")
    model = registry.python.create_model("m").save("model")
    assert model.read_file() == "Trees."
    with pytest.raises(ConfigError, match="leads out of"):
        model.read_file("../model.json")


def test_the_older_connection_finds_the_same_models(registry: ModelRegistry) -> None:
    registry.python.create_model("m").save("model")
    connection = hsml.connection(project="churn")
    assert connection.get_model_registry().get_model("m", 1).version == 1
    with pytest.raises(CompatError, match="ModelServing.get_deployment"):
        connection.get_model_serving().get_deployment("m")


def test_nothing_is_deployed(registry: ModelRegistry) -> None:
    model = registry.python.create_model("m").save("model")
    with pytest.raises(CompatError, match=r"Model.deploy is not available.*download"):
        model.deploy(name="m")
    for kind in (Transformer, Predictor, Deployment):
        with pytest.raises(CompatError, match=kind.__name__):
            kind(script_file="x.py")


def test_a_mirror_without_its_package_is_named_before_anything_is_saved(
    registry: ModelRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOPYARD_MLFLOW_TRACKING_URI", "./mlruns")
    monkeypatch.setitem(__import__("sys").modules, "mlflow", None)
    with pytest.raises(MissingPackageError, match=r"hopyard\[mlflow\]"):
        registry.python.create_model("m").save("model")
    assert registry.get_models("m") == []


def test_a_saved_model_is_shown_in_mlflow(
    registry: ModelRegistry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow = pytest.importorskip("mlflow")
    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    monkeypatch.setenv("HOPYARD_MLFLOW_TRACKING_URI", uri)
    model = registry.python.create_model("m", metrics={"f1": 0.5}).save("model")
    mirrored = model.to_dict()["mlflow"]
    client = mlflow.MlflowClient(tracking_uri=uri, registry_uri=uri)
    assert client.get_run(mirrored["run_id"]).data.metrics == {"f1": 0.5}
    assert client.get_model_version("churn.m", "1").run_id == mirrored["run_id"]
