"""A model: made by `create_model`, stored by `save`."""

from __future__ import annotations

import json
import sys
import tempfile
import warnings
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn, Self

from hopyard.compat.absent_platform import ABSENT
from hopyard.compat.errors import CompatError
from hopyard.compat.files import copy_atomically, remove
from hopyard.compat.hsml.card import checked_metrics, example_to_json, read_card, write_card
from hopyard.compat.hsml.mirror import mirror, mlflow_client
from hopyard.errors import AlreadyExistsError, ConfigError, NotFoundError

if TYPE_CHECKING:
    from hopyard.compat.hsfs.feature_view import FeatureView
    from hopyard.compat.hsml.model_registry import ModelRegistry

FILES = "Files"
"""Below a version's folder: what was saved."""


class Model:
    """A version of a model, with its metrics and with the view and training dataset that it was trained with."""

    FRAMEWORK: ClassVar[str] = "PYTHON"

    def __init__(
        self,
        registry: ModelRegistry,
        name: str,
        version: int | None = None,
        metrics: Mapping[str, float] | None = None,
        description: str | None = None,
        input_example: Any = None,
        model_schema: Any = None,
        feature_view: Any = None,
        training_dataset_version: int | None = None,
        tags: Any = None,
    ) -> None:
        from hopyard.compat.hsml.model_registry import check_model_name

        self._registry = registry
        self._card: dict[str, Any] = {
            "name": check_model_name(name),
            "version": None if version is None else int(version),
            "framework": self.FRAMEWORK,
            "training_metrics": checked_metrics(metrics),
            "description": description or "",
            "input_example": example_to_json(input_example),
            "model_schema": _schema(model_schema),
            "feature_view": None,
            "training_dataset_version": training_dataset_version,
            "tags": _tags(tags),
            "created": None,
            "creator": registry.project.session.actor,
            "python": sys.version.split()[0],
            "mlflow": None,
        }
        if feature_view is not None:
            self._card["feature_view"] = {"name": feature_view.name, "version": feature_view.version}
            if training_dataset_version is None:
                self._card["training_dataset_version"] = _last_dataset(feature_view)

    @classmethod
    def from_card(cls, registry: ModelRegistry, card: dict[str, Any]) -> Self:
        """Return a saved model."""
        model = cls(registry, card["name"], card["version"])
        model._card = card
        return model

    @property
    def id(self) -> int | None:
        """The version's number; None before it is saved."""
        from hopyard.compat.hsml.model_registry import model_id

        return None if self.created is None else model_id(self.name, self._saved_version())

    @property
    def name(self) -> str:
        """The model's name."""
        return str(self._card["name"])

    @property
    def version(self) -> int | None:
        """The version; None before it is saved, where none was given."""
        version = self._card["version"]
        return None if version is None else int(version)

    @property
    def description(self) -> str:
        """What the model is."""
        return str(self._card["description"])

    @property
    def framework(self) -> str:
        """Such as `SKLEARN`."""
        return str(self._card["framework"])

    @property
    def training_metrics(self) -> dict[str, float]:
        """The metrics."""
        return dict(self._card["training_metrics"])

    @property
    def metrics(self) -> dict[str, float]:
        """The metrics, under their newer name."""
        return self.training_metrics

    @property
    def input_example(self) -> Any:
        """An example of what the model takes."""
        return self._card["input_example"]

    @property
    def model_schema(self) -> dict[str, Any] | None:
        """What the model takes and gives."""
        schema = self._card["model_schema"]
        return None if schema is None else dict(schema)

    @property
    def training_dataset_version(self) -> int | None:
        """The training dataset of the view that the model was trained with."""
        version = self._card["training_dataset_version"]
        return None if version is None else int(version)

    @property
    def created(self) -> str | None:
        """When it was saved, in UTC as ISO 8601; None before."""
        created = self._card["created"]
        return None if created is None else str(created)

    @property
    def creator(self) -> str:
        """Who made it."""
        return str(self._card["creator"])

    @property
    def user(self) -> str:
        """Who made it."""
        return self.creator

    @property
    def program(self) -> None:
        """The program that made it, which is not recorded: None."""
        return

    @property
    def environment(self) -> str:
        """The Python that made it."""
        return f"python {self._card['python']}"

    @property
    def project_name(self) -> str:
        """The project's name."""
        return self._registry.project_name

    @property
    def model_registry_id(self) -> int:
        """The registry's number."""
        return self._registry.model_registry_id

    @property
    def shared_registry_project_name(self) -> None:
        """Registries are not shared between projects: None."""
        return

    @property
    def model_path(self) -> str:
        """The folder of all versions, in the project's files."""
        return f"{self._registry.project_path}/Models/{self.name}"

    @property
    def version_path(self) -> str:
        """The folder of this version, in the project's files."""
        return f"{self.model_path}/{self.version}"

    @property
    def model_files_path(self) -> str:
        """The folder of the saved files, in the project's files."""
        return f"{self.version_path}/{FILES}"

    def save(
        self,
        model_path: str | Path,
        await_registration: int = 480,
        keep_original_files: bool = False,
        upload_configuration: Any = None,
    ) -> Self:
        """Store the model: its card, and a copy of a file or of what is in a folder.

        Raises:
            NotFoundError: there is nothing at `model_path`.
            AlreadyExistsError: the version that was asked for is stored already.
        """
        source = Path(model_path).expanduser()
        if not source.exists():
            beside = source.absolute().parent
            known = sorted(entry.name for entry in beside.iterdir()) if beside.is_dir() else []
            raise NotFoundError("file or folder of a model", str(source), known)
        client = mlflow_client()  # before anything is stored, in case the package is missing
        with self._held():
            known_versions = self._registry.versions(self.name)
            version = self.version or max(known_versions, default=0) + 1
            if version in known_versions or self.created is not None:
                raise AlreadyExistsError(
                    f"Model {self.name!r} has a version {version} already. Leave the version out to get the next one."
                )
            card = {**self._card, "version": version, "created": _now()}
            folder = self._registry.root / self.name / str(version)
            remove(folder)  # a leftover of a save that did not come to its end
            copy_atomically(source, folder / FILES if source.is_dir() else folder / FILES / source.name)
            if client is not None:
                card["mlflow"] = mirror(client, project=self.project_name, card=card, files=folder / FILES)
            write_card(folder, card)  # last: it makes the version
            self._card = card
        sys.stdout.write(f"Model {self.name!r} version {version} is saved in {folder}\n")
        return self

    def download(self, local_path: str | Path | None = None) -> str:
        """Return a folder with a copy of the saved files: `local_path`, or a new temporary one."""
        target = Path(
            local_path or tempfile.mkdtemp(prefix=f"{self.name}-{self._saved_version()}-")
        ).expanduser()
        target.mkdir(parents=True, exist_ok=True)
        for source in self._files().iterdir():
            remove(target / source.name)
            copy_atomically(source, target / source.name)
        return str(target.absolute())

    def read_file(self, file_path: str = "README.md") -> str:
        """Return the text of a saved file. Raises NotFoundError."""
        from hopyard.compat.files import path_below

        place = path_below(self._files(), self.project_name, file_path)
        if not place.is_file():
            raise NotFoundError(
                "file of the model", file_path, [entry.name for entry in self._files().iterdir()]
            )
        return place.read_text()

    def delete(self) -> None:
        """Remove this version and its files."""
        with self._held():
            folder = self._folder()
            (folder / "model.json").unlink()  # first: without it there is no version
            remove(folder)

    def deploy(self, *args: object, **options: object) -> NoReturn:
        """Raise CompatError."""
        raise CompatError("Model.deploy", ABSENT["Model.deploy"])

    def get_feature_view(self, init: bool = True, online: bool = False) -> FeatureView | None:
        """Return the view that the model was trained with, ready to serve and to read batches; None if it has none.

        Args:
            init: prepare the view with the model's training dataset.
            online: prepare for vectors, else for batches.
        """
        link = self._card["feature_view"]
        if link is None:
            return None
        view: FeatureView | None
        view = self._registry.project.get_feature_store().get_feature_view(link["name"], link["version"])
        if view is not None and init and self.training_dataset_version is not None:
            if online:
                view.init_serving(self.training_dataset_version)
            else:
                view.init_batch_scoring(self.training_dataset_version)
        return view

    def get_feature_view_provenance(self) -> Provenance:
        """Return a link to the view that the model was trained with."""
        link = self._card["feature_view"]
        return Provenance([] if link is None else [self.get_feature_view(init=False)])

    def get_training_dataset_provenance(self) -> Provenance:
        """Return a link to the training dataset: its view's name and its version."""
        link, version = self._card["feature_view"], self.training_dataset_version
        return Provenance(
            [] if link is None or version is None else [TrainingDatasetLink(link["name"], version)]
        )

    def add_tag(self, name: str, value: Any) -> None:
        """Attach a tag; an older value is replaced."""
        self._change_tags({**self.get_tags(), name: value})

    def set_tag(self, name: str, value: Any) -> None:
        """Attach a tag; the older name of `add_tag`."""
        self.add_tag(name, value)

    def get_tag(self, name: str) -> Any:
        """Return the value of a tag, or None."""
        return self.get_tags().get(name)

    def get_tags(self) -> dict[str, Any]:
        """Return all tags."""
        return dict(self._card["tags"])

    def delete_tag(self, name: str) -> None:
        """Remove a tag. Raises NotFoundError."""
        tags = self.get_tags()
        if name not in tags:
            raise NotFoundError("tag", name, list(tags))
        self._change_tags({other: value for other, value in tags.items() if other != name})

    def get_url(self) -> str:
        """Return the folder of this version as a URL."""
        return self._folder().absolute().as_uri()

    def to_dict(self) -> dict[str, Any]:
        """Return what is known of the model."""
        return {"id": self.id, "projectName": self.project_name, **self._card}

    def json(self) -> str:
        """Return what is known of the model as JSON."""
        return json.dumps(self.to_dict())

    def __repr__(self) -> str:
        return f"Model(name: {self.name!r}, version: {self.version!r})"

    def _change_tags(self, tags: dict[str, Any]) -> None:
        json.dumps(tags)  # raises before anything is changed
        if self.created is not None:
            with self._held():
                write_card(self._folder(), {**read_card(self._folder()), "tags": tags})
        self._card["tags"] = tags

    def _held(self) -> Any:
        session = self._registry.project.session
        return session.locks.hold(
            f"models-{session.project}-{self.name}", timeout_seconds=session.config.lock_timeout_seconds
        )

    def _saved_version(self) -> int:
        if self.created is None or self.version is None:
            raise ConfigError(f"Model {self.name!r} is not saved yet. Call save(path) first.")
        return self.version

    def _folder(self) -> Path:
        folder = self._registry.root / self.name / str(self._saved_version())
        if not folder.is_dir():
            raise NotFoundError(
                "model",
                f"{self.name} version {self.version}",
                [f"{self.name} version {version}" for version in self._registry.versions(self.name)],
            )
        return folder

    def _files(self) -> Path:
        return self._folder() / FILES


class TrainingDatasetLink:
    """A training dataset, as lineage names it."""

    def __init__(self, name: str, version: int) -> None:
        self.name = name
        self.version = version


class Provenance:
    """What a model was made from."""

    def __init__(self, accessible: list[Any]) -> None:
        self.accessible = [link for link in accessible if link is not None]
        self.deleted: list[Any] = [link for link in accessible if link is None]
        self.inaccessible: list[Any] = []
        self.faulty: list[Any] = []


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def _schema(schema: Any) -> dict[str, Any] | None:
    if schema is None or isinstance(schema, dict):
        return schema
    return dict(schema.to_dict())


def _tags(tags: Any) -> dict[str, Any]:
    """Return tags as a dict, from a dict or from one or several `{"name": ..., "value": ...}` or Tag objects."""
    if not tags:
        return {}
    if isinstance(tags, Mapping) and set(tags) != {"name", "value"}:
        return dict(tags)
    entries = tags if isinstance(tags, list) else [tags]
    pairs = [
        (tag["name"], tag["value"]) if isinstance(tag, Mapping) else (tag.name, tag.value) for tag in entries
    ]
    return dict(pairs)


def _last_dataset(feature_view: Any) -> int | None:
    last = feature_view.get_last_accessed_training_dataset()
    if last is None:
        warnings.warn(
            f"The model is linked to feature view {feature_view.name!r}, but not to a training dataset: this process "
            f"asked the view for none. Give training_dataset_version.",
            stacklevel=4,
        )
    return None if last is None else int(last)
