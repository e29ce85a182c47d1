"""The calls of the platform and the model registry take the parameters that programs pass, in that order."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import pytest

from hopyard.compat import hopsworks, hsml
from hopyard.compat.hopsworks.connection import Connection
from hopyard.compat.hopsworks.dataset_api import DatasetApi
from hopyard.compat.hopsworks.project import Project
from hopyard.compat.hopsworks.secret_api import Secret, SecretsApi
from hopyard.compat.hsml.connection import Connection as ModelConnection
from hopyard.compat.hsml.flavor import Flavor
from hopyard.compat.hsml.model import Model
from hopyard.compat.hsml.model_registry import ModelRegistry
from hopyard.compat.hsml.model_schema import ModelSchema
from hopyard.compat.hsml.schema import Schema

CONNECTION = (
    "host=None, port=443, project=None, engine=None, hostname_verification=False, trust_store_path=None, "
    "cert_folder=None, api_key_file=None, api_key_value=None"
)
SIGNATURES: list[tuple[Callable[..., Any], str]] = [
    (
        hopsworks.login,
        "host=None, port=443, project=None, api_key_value=None, api_key_file=None, hostname_verification=False, "
        "trust_store_path=None, cert_folder=None, engine=None",
    ),
    (hopsworks.logout, ""),
    (hopsworks.get_current_project, ""),
    (hopsworks.create_project, "name, description=None, feature_store_topic=None, namespace=None"),
    (hopsworks.get_secrets_api, ""),
    (hopsworks.connection, CONNECTION),
    (Connection.connection, CONNECTION),
    (Connection.get_project, "self, name=None"),
    (Connection.close, "self"),
    (Project.get_model_registry, "self"),
    (Project.get_model_serving, "self"),
    (Project.get_dataset_api, "self"),
    (Project.get_job_api, "self"),
    (Project.get_jobs_api, "self"),
    (Project.get_kafka_api, "self"),
    (Project.get_opensearch_api, "self"),
    (Project.get_git_api, "self"),
    (Project.get_environment_api, "self"),
    (Project.get_alerts_api, "self"),
    (Project.get_search_api, "self"),
    (Project.get_members_api, "self"),
    (Project.get_members, "self"),
    (Project.add_member, "self, email, role"),
    (Project.remove_member, "self, email, delete_home_dir=False"),
    (DatasetApi.exists, "self, path"),
    (DatasetApi.mkdir, "self, path"),
    (DatasetApi.remove, "self, path"),
    (SecretsApi.get_secrets, "self"),
    (SecretsApi.get_secret, "self, name, owner=None"),
    (SecretsApi.get, "self, name, owner=None"),
    (SecretsApi.create_secret, "self, name, value, project=None"),
    (Secret.delete, "self"),
    (ModelConnection.get_model_registry, "self, project=None"),
    (hsml.Connection.close, "self"),
    (
        Flavor.create_model,
        "self, name, version=None, metrics=None, description=None, input_example=None, model_schema=None, "
        "feature_view=None, training_dataset_version=None, tags=None",
    ),
    (ModelRegistry.get_model, "self, name, version=None"),
    (ModelRegistry.get_models, "self, name"),
    (ModelRegistry.get_best_model, "self, name, metric, direction"),
    (Model.download, "self, local_path=None"),
    (Model.get_feature_view, "self, init=True, online=False"),
    (Model.get_feature_view_provenance, "self"),
    (Model.get_training_dataset_provenance, "self"),
    (Model.delete, "self"),
    (Schema, "object=None"),
    (ModelSchema, "input_schema=None, output_schema=None"),
]
LONGER: list[tuple[Callable[..., Any], str]] = [
    (Project.get_feature_store, "self, name=None"),
    (DatasetApi.upload, "self, local_path, upload_path, overwrite=False"),
    (DatasetApi.download, "self, path, local_path=None, overwrite=False"),
    (Model.save, "self, model_path, await_registration=480, keep_original_files=False"),
]
"""Of these, some releases take more parameters behind the ones here."""


def shown(call: Callable[..., Any]) -> str:
    parameters = inspect.signature(call).parameters.values()
    return ", ".join(str(one.replace(annotation=one.empty)).replace(" = ", "=") for one in parameters)


@pytest.mark.parametrize(
    ("call", "parameters"), SIGNATURES, ids=lambda value: getattr(value, "__qualname__", "")
)
def test_a_call_takes_these_parameters(call: Callable[..., Any], parameters: str) -> None:
    assert shown(call) == parameters


@pytest.mark.parametrize(("call", "parameters"), LONGER, ids=lambda value: getattr(value, "__qualname__", ""))
def test_a_call_takes_these_parameters_first(call: Callable[..., Any], parameters: str) -> None:
    assert shown(call).startswith(parameters)


@pytest.mark.parametrize("name", ["id", "name", "owner", "description", "created"])
def test_a_project_has_these_attributes(name: str) -> None:
    assert isinstance(getattr(Project, name), property)


@pytest.mark.parametrize("name", ["python", "sklearn", "tensorflow", "torch", "llm"])
def test_a_registry_has_these_frameworks(name: str) -> None:
    assert isinstance(getattr(ModelRegistry, name), property)
