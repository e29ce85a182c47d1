"""`hopsworks.connection()`: the way in before there was `login`."""

from __future__ import annotations

from types import TracebackType

from hopyard.compat.hopsworks.project import Project
from hopyard.compat.hopsworks.secret_api import SecretsApi
from hopyard.compat.session import open_project


class Connection:
    """Opens projects of the store. Host, port and key are accepted; there is nothing to connect to."""

    def __init__(
        self,
        host: str | None = None,
        port: int = 443,
        project: str | None = None,
        engine: str | None = None,
        hostname_verification: bool = False,
        trust_store_path: str | None = None,
        cert_folder: str | None = None,
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
        engine: str | None = None,
        hostname_verification: bool = False,
        trust_store_path: str | None = None,
        cert_folder: str | None = None,
        api_key_file: str | None = None,
        api_key_value: str | None = None,
    ) -> Connection:
        """Return a connection."""
        return cls(project=project)

    def connect(self) -> None:
        """There is nothing to do."""

    def close(self) -> None:
        """There is nothing to do: every write is safe when its call returns."""

    def get_project(self, name: str | None = None) -> Project:
        """Open a project."""
        return Project(open_project(name or self._project))

    def get_secrets_api(self) -> SecretsApi:
        """Return the secrets of the store."""
        return SecretsApi(open_project(self._project).session)

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
