"""What `hopsworks.login()` returns."""

from __future__ import annotations

import json
import zlib
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, NoReturn

import hopyard
from hopyard.compat.absent_platform import ABSENT
from hopyard.compat.errors import CompatError
from hopyard.compat.files import write_atomically
from hopyard.compat.hopsworks.absent_apis import (
    AlertsApi,
    EnvironmentApi,
    GitApi,
    JobApi,
    KafkaApi,
    OpenSearchApi,
    SearchApi,
)
from hopyard.compat.hopsworks.dataset_api import DatasetApi
from hopyard.compat.hopsworks.secret_api import SecretsApi
from hopyard.compat.session import open_project
from hopyard.errors import NotFoundError
from hopyard.session import Session

if TYPE_CHECKING:
    from hopyard.compat.hsfs.feature_store import FeatureStore
    from hopyard.compat.hsml.model_registry import ModelRegistry
    from hopyard.compat.hsml.model_serving import ModelServing


class Project:
    """A project, and the ways to its feature store, models, files and secrets."""

    CARD: ClassVar[str] = "hopsworks.json"
    """In the project's folder: what the original knows of a project and Hopyard does not."""

    def __init__(self, project: hopyard.Project, *, description: str | None = None) -> None:
        self._project = project
        self._card = _card(Path(project.location) / "projects" / project.name / self.CARD, description)

    @property
    def id(self) -> int:
        """A number that is the same for the same name in every store."""
        return zlib.crc32(self.name.encode())

    @property
    def name(self) -> str:
        """The project's name."""
        return self._project.name

    @property
    def owner(self) -> str:
        """Who acts here."""
        return self.session.actor

    @property
    def description(self) -> str:
        """As given to `create_project`."""
        return self._card["description"]

    @property
    def created(self) -> str:
        """When the project was first opened, in UTC as ISO 8601."""
        return self._card["created"]

    @property
    def project_namespace(self) -> str:
        """The project's name, with dashes."""
        return self.name.replace("_", "-")

    @property
    def location(self) -> str:
        """The store's folder."""
        return self._project.location

    @property
    def session(self) -> Session:
        """What Hopyard's own objects work with."""
        return self._project.session

    def get_url(self) -> str:
        """Return the store's folder as a URL."""
        return Path(self.location).absolute().as_uri()

    def get_feature_store(self, name: str | None = None, engine: str | None = None) -> FeatureStore:
        """Return the feature store of this project, or the one that is named `<project>_featurestore`.

        Raises:
            NotFoundError: there is no such project.
        """
        from hopyard.compat.hsfs.feature_store import FeatureStore

        return FeatureStore(self._project if name is None else self._sibling(name))

    def get_model_registry(self) -> ModelRegistry:
        """Return the project's models."""
        from hopyard.compat.hsml.model_registry import ModelRegistry

        return ModelRegistry(self)

    def get_model_serving(self) -> ModelServing:
        """Return a handle; its calls raise CompatError."""
        from hopyard.compat.hsml.model_serving import ModelServing

        return ModelServing()

    def get_dataset_api(self) -> DatasetApi:
        """Return the project's files."""
        return DatasetApi(self.session)

    def get_secrets_api(self) -> SecretsApi:
        """Return the secrets of the store."""
        return SecretsApi(self.session)

    def get_job_api(self) -> JobApi:
        """Return a handle; its calls raise CompatError."""
        return JobApi()

    def get_jobs_api(self) -> JobApi:
        """Return a handle; its calls raise CompatError."""
        return JobApi()

    def get_kafka_api(self) -> KafkaApi:
        """Return a handle; its calls raise CompatError."""
        return KafkaApi()

    def get_opensearch_api(self) -> OpenSearchApi:
        """Return a handle; its calls raise CompatError."""
        return OpenSearchApi()

    def get_git_api(self) -> GitApi:
        """Return a handle; its calls raise CompatError."""
        return GitApi()

    def get_environment_api(self) -> EnvironmentApi:
        """Return a handle; its calls raise CompatError."""
        return EnvironmentApi()

    def get_alerts_api(self) -> AlertsApi:
        """Return a handle; its calls raise CompatError."""
        return AlertsApi()

    def get_search_api(self) -> SearchApi:
        """Return a handle; its calls raise CompatError."""
        return SearchApi()

    def get_members_api(self) -> NoReturn:
        """Raise CompatError."""
        raise CompatError("Project.get_members_api", ABSENT["Project.get_members_api"])

    def get_members(self) -> NoReturn:
        """Raise CompatError."""
        raise CompatError("Project.get_members", ABSENT["Project.get_members"])

    def add_member(self, email: str, role: str) -> NoReturn:
        """Raise CompatError."""
        raise CompatError("Project.add_member", ABSENT["Project.add_member"])

    def remove_member(self, email: str, delete_home_dir: bool = False) -> NoReturn:
        """Raise CompatError."""
        raise CompatError("Project.remove_member", ABSENT["Project.remove_member"])

    def to_dict(self) -> dict[str, object]:
        """Return the project's attributes."""
        names = ("id", "name", "owner", "description", "created")
        return {name: getattr(self, name) for name in names}

    def json(self) -> str:
        """Return the project's attributes as JSON."""
        return json.dumps(self.to_dict())

    def _sibling(self, feature_store: str) -> hopyard.Project:
        """Return the project that a feature store is of; reading one must not make it. Raises NotFoundError."""
        owner = feature_store.removesuffix("_featurestore") or feature_store
        folder = Path(self.location) / "projects"
        if owner == self.name:
            return self._project
        if not (folder / owner).is_dir():
            known = [f"{path.name}_featurestore" for path in folder.iterdir() if path.is_dir()]
            raise NotFoundError("feature store", feature_store, known)
        return open_project(owner)

    def __repr__(self) -> str:
        return f"Project({self.name!r}, {self.owner!r}, {self.description!r})"


def _card(path: Path, description: str | None) -> dict[str, str]:
    """Return what is known of the project, and write it down when it is opened for the first time."""
    if path.is_file():
        return dict(json.loads(path.read_text()))
    card = {"created": datetime.now(UTC).isoformat(timespec="seconds"), "description": description or ""}
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, json.dumps(card).encode())
    return card
