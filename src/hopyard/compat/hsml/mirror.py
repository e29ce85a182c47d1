"""Saved models shown in MLflow too, where HOPYARD_MLFLOW_TRACKING_URI names a tracking server or folder."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hopyard.require import require

TRACKING_VARIABLE = "HOPYARD_MLFLOW_TRACKING_URI"


def mlflow_client() -> Any:
    """Return a client of the tracking server, or None if none is configured. Raises MissingPackageError."""
    uri = os.environ.get(TRACKING_VARIABLE)
    if not uri:
        return None
    return require("mlflow", extra="mlflow").MlflowClient(tracking_uri=uri, registry_uri=uri)


def mirror(client: Any, *, project: str, card: Mapping[str, Any], files: Path) -> dict[str, str]:
    """Register a saved model in MLflow: a run with its metrics and files, and a model version of that run.

    Returns:
        The run and the version there, to be kept with the model.
    """
    name = f"{project}.{card['name']}"
    experiment = client.get_experiment_by_name(f"hopyard/{project}")
    experiment_id = experiment.experiment_id if experiment else client.create_experiment(f"hopyard/{project}")
    tags = {
        "hopyard.model": f"{card['name']}_{card['version']}",
        "hopyard.feature_view": str(card["feature_view"] or ""),
        "hopyard.training_dataset_version": str(card["training_dataset_version"] or ""),
    }
    run = client.create_run(experiment_id, run_name=f"{card['name']}_{card['version']}", tags=tags)
    run_id = run.info.run_id
    for metric, value in card["training_metrics"].items():
        client.log_metric(run_id, metric, value)
    client.log_artifacts(run_id, str(files), artifact_path="model")
    client.set_terminated(run_id)
    if not client.search_registered_models(filter_string=f"name = '{name}'"):
        client.create_registered_model(name)
    version = client.create_model_version(
        name, source=f"{run.info.artifact_uri}/model", run_id=run_id, description=card["description"] or None
    )
    return {"run_id": run_id, "name": name, "version": str(version.version)}
