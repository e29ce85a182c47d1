"""`feature_store.yaml`: what it says about the repository."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hopyard.errors import ConfigError
from hopyard.require import require

FILE = "feature_store.yaml"


def read_settings(repository: Path) -> Mapping[str, Any]:
    """Return the settings of a repository.

    Raises:
        ConfigError: no such folder or file, or one that is no YAML mapping.
        MissingPackageError: the extra `feast` is not installed.
    """
    file = repository / FILE
    if not file.is_file():
        found = (
            sorted(str(path.parent) for path in repository.glob(f"*/{FILE}")) if repository.is_dir() else []
        )
        hint = f" There is one in {', '.join(found)}." if found else ""
        raise ConfigError(
            f"{repository} is no Feast repository: it has no {FILE}.{hint} Give the folder that has it."
        )
    yaml = require("yaml", extra="feast")
    try:
        settings = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"{file} cannot be read as YAML: {error}") from error
    if not isinstance(settings, dict):
        raise ConfigError(f"{file} must have settings such as 'project: name', and has {settings!r}.")
    return {str(name): value for name, value in settings.items()}


def kind_of(setting: object) -> str:
    """Return what a store or registry setting names: `sqlite`, a path, or its type."""
    if isinstance(setting, dict):
        setting = setting.get("type") or setting.get("path") or "default"
    return str(setting) if isinstance(setting, (str, int, float)) else ""


def registry_file(settings: Mapping[str, Any], repository: Path) -> Path | None:
    """Return the local registry file, if there is one."""
    registry = settings.get("registry", "data/registry.db")
    path = registry.get("path") if isinstance(registry, dict) else registry
    if not isinstance(path, str) or "://" in path:
        return None
    file = repository / path
    return file if file.is_file() else None
