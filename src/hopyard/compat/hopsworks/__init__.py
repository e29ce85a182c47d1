"""What a program imports as `hopsworks`."""

from __future__ import annotations

import importlib
import sys
from typing import Any

from hopyard.compat.hopsworks.connection import Connection
from hopyard.compat.hopsworks.project import Project
from hopyard.compat.hopsworks.secret_api import SecretsApi
from hopyard.compat.session import open_project, project_name
from hopyard.errors import AlreadyExistsError, ConfigError

__version__ = "5.0.0"
"""The release whose API this is; programs print it, and some compare it."""

# Importing the module of the same name has set the attribute; programs call it.
connection = Connection.connection

_logged_in: list[Project] = []
"""The project of the last login; empty: none."""
_LAZY = {
    "hsfs": ("hopyard.compat.hsfs", None),
    "hsml": ("hopyard.compat.hsml", None),
    "udf": ("hopyard.compat.hsfs.hopsworks_udf", "udf"),
    "RestAPIError": ("hopyard.compat.hopsworks.client.exceptions", "RestAPIError"),
}


def login(
    host: str | None = None,
    port: int = 443,
    project: str | None = None,
    api_key_value: str | None = None,
    api_key_file: str | None = None,
    hostname_verification: bool = False,
    trust_store_path: str | None = None,
    cert_folder: str | None = None,
    engine: str | None = None,
) -> Project:
    """Open the store and return a project of it. There is no host and no key to check: only `project` counts."""
    opened = Project(open_project(project))
    _logged_in[:] = [opened]
    sys.stdout.write(f"Logged in to project {opened.name!r} of the store {opened.location}\n")
    return opened


def logout() -> None:
    """Forget the project of the last login."""
    _logged_in.clear()


def get_current_project() -> Project:
    """Return the project of the last login."""
    if not _logged_in:
        raise ConfigError("There is no current project: call hopsworks.login() first.")
    return _logged_in[0]


def create_project(
    name: str,
    description: str | None = None,
    feature_store_topic: str | None = None,
    namespace: str | None = None,
) -> Project:
    """Make a project in the store, and return it. Raises AlreadyExistsError."""
    valid = project_name(name)
    root = open_project().session.root
    if (root / "projects" / valid / Project.CARD).is_file():
        raise AlreadyExistsError(
            f"There is a project {valid!r} in {root} already. Open it with hopsworks.login(project={valid!r})."
        )
    created = Project(open_project(valid), description=description)
    _logged_in[:] = _logged_in or [created]
    return created


def get_secrets_api() -> SecretsApi:
    """Return the secrets of the store; works without a login."""
    return SecretsApi(_logged_in[0].session if _logged_in else open_project().session)


def __getattr__(name: str) -> Any:
    """Return a name of the other packages, imported on first use."""
    if name in _LAZY:
        module, attribute = _LAZY[name]
        found = importlib.import_module(module)
        return found if attribute is None else getattr(found, attribute)
    raise AttributeError(f"module 'hopsworks' has no attribute {name!r}")
