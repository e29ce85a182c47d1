"""A connection as programs of 2020 open one: here, to a folder."""

from __future__ import annotations

import sys
from typing import Any, Self

import hopyard
from hopyard.compat.hsfs.feature_store import FeatureStore
from hopyard.compat.session import open_project

_SUFFIX = "_featurestore"


class Connection:
    """An open project. Everything about hosts, certificates and keys is accepted and not needed."""

    def __init__(
        self,
        host: str | None = None,
        port: int = 443,
        project: str | None = None,
        engine: str | None = None,
        region_name: str = "default",
        secrets_store: str = "parameterstore",
        hostname_verification: bool = True,
        trust_store_path: str | None = None,
        cert_folder: str | None = "hops",
        api_key_file: str | None = None,
        api_key_value: str | None = None,
    ) -> None:
        self.host = host
        self.port = port
        self.project = project
        self._opened: hopyard.Project | None = None
        self.connect()

    def connect(self) -> None:
        """Open the project, or open it again."""
        self._opened = open_project(self.project)
        sys.stdout.write("Connected. Call `.close()` to terminate connection gracefully.\n")

    def close(self) -> None:
        """Close the connection; a folder needs none."""
        self._opened = None
        sys.stdout.write("Connection closed.\n")

    def get_feature_store(self, name: str | None = None, engine: str | None = None) -> FeatureStore:
        """Return a feature store: the project's own, or that of the project which the name begins with."""
        if self._opened is None:
            raise ConnectionError("Connection is not connected. Call `.connect()` first.")
        own = f"{self._opened.name}{_SUFFIX}"
        if name is None or name.lower() == own:
            return FeatureStore(self._opened)
        return FeatureStore(open_project(name.removesuffix(_SUFFIX)))

    def get_rule(self, name: str) -> Any:
        """Raise CompatError: 2021's rules have no service any more."""
        from hopyard.compat.hsfs.store_absent import refuse

        refuse("FeatureStore.create_expectation")

    def setup_databricks(self) -> None:
        """Do nothing: no cluster is set up."""

    @property
    def is_connected(self) -> bool:
        """Whether it was not closed."""
        return self._opened is not None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def connection(
    host: str | None = None,
    port: int = 443,
    project: str | None = None,
    engine: str | None = None,
    region_name: str = "default",
    secrets_store: str = "parameterstore",
    hostname_verification: bool = True,
    trust_store_path: str | None = None,
    cert_folder: str | None = "hops",
    api_key_file: str | None = None,
    api_key_value: str | None = None,
) -> Connection:
    """Open the project and return a connection; see `Connection`."""
    return Connection(host, port, project, engine, region_name, secrets_store)
