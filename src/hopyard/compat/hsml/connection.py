"""`hsml.connection()`: the way to models before there was `hopsworks.login`."""

from __future__ import annotations

from hopyard.compat.hopsworks.project import Project
from hopyard.compat.hsml.model_registry import ModelRegistry
from hopyard.compat.hsml.model_serving import ModelServing
from hopyard.compat.session import open_project


class Connection:
    """Opens the models of a project. Host, port and key are accepted; there is nothing to connect to."""

    def __init__(
        self,
        host: str | None = None,
        port: int = 443,
        project: str | None = None,
        hostname_verification: bool = False,
        trust_store_path: str | None = None,
        api_key_file: str | None = None,
        api_key_value: str | None = None,
    ) -> None:
        self._project = project

    @classmethod
    def connection(
        cls,
        host: str | None = None,
        port: int = 443,
        project: str | None = None,
        hostname_verification: bool = False,
        trust_store_path: str | None = None,
        api_key_file: str | None = None,
        api_key_value: str | None = None,
    ) -> Connection:
        """Return a connection."""
        return cls(project=project)

    def connect(self) -> None:
        """There is nothing to do."""

    def close(self) -> None:
        """There is nothing to do."""

    def get_model_registry(self, project: str | None = None) -> ModelRegistry:
        """Return the models of a project."""
        return ModelRegistry(Project(open_project(project or self._project)))

    def get_model_serving(self) -> ModelServing:
        """Return a handle; its calls raise CompatError."""
        return ModelServing()
