"""The project's models."""

from __future__ import annotations

import re
import warnings
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hopyard.compat.hsml.card import CARD, read_card
from hopyard.compat.hsml.flavor import Flavor
from hopyard.compat.hsml.llm.model import Model as LlmModel
from hopyard.compat.hsml.model import Model
from hopyard.compat.hsml.python.model import Model as PythonModel
from hopyard.compat.hsml.sklearn.model import Model as SklearnModel
from hopyard.compat.hsml.tensorflow.model import Model as TensorflowModel
from hopyard.compat.hsml.torch.model import Model as TorchModel
from hopyard.errors import ConfigError, NotFoundError

if TYPE_CHECKING:
    from hopyard.compat.hopsworks.project import Project

_KINDS: dict[str, type[Model]] = {
    kind.FRAMEWORK: kind for kind in (LlmModel, PythonModel, SklearnModel, TensorflowModel, TorchModel)
}
_NAME = re.compile(r"[a-zA-Z0-9_]+")


class ModelRegistry:
    """Makes, finds and compares models. They are in `Models/<name>/<version>` of the project's files."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._root = Path(project.location) / "projects" / project.name / "files" / "Models"

    @property
    def project(self) -> Project:
        """The project whose models these are."""
        return self._project

    @property
    def project_name(self) -> str:
        """The project's name."""
        return self._project.name

    @property
    def project_path(self) -> str:
        """The project's path, as the original writes it."""
        return f"/Projects/{self._project.name}"

    @property
    def project_id(self) -> int:
        """The project's number."""
        return self._project.id

    @property
    def model_registry_id(self) -> int:
        """The registry's number, which is the project's."""
        return self._project.id

    @property
    def shared_registry_project_name(self) -> None:
        """Registries are not shared between projects: None."""
        return

    @property
    def root(self) -> Path:
        """The folder of the models."""
        return self._root

    @property
    def python(self) -> Flavor[PythonModel]:
        """Makes models of any Python library."""
        return Flavor(self, PythonModel)

    @property
    def sklearn(self) -> Flavor[SklearnModel]:
        """Makes models of scikit-learn."""
        return Flavor(self, SklearnModel)

    @property
    def tensorflow(self) -> Flavor[TensorflowModel]:
        """Makes models of TensorFlow."""
        return Flavor(self, TensorflowModel)

    @property
    def torch(self) -> Flavor[TorchModel]:
        """Makes models of PyTorch."""
        return Flavor(self, TorchModel)

    @property
    def llm(self) -> Flavor[LlmModel]:
        """Makes language models."""
        return Flavor(self, LlmModel)

    def get_model(self, name: str, version: int | None = None) -> Model:
        """Return a model; without a version, version 1, with a warning. Raises NotFoundError."""
        if version is None:
            warnings.warn(f"No version provided for getting model `{name}`, defaulting to `1`.", stacklevel=2)
            version = 1
        known = self.versions(name)
        if not known:
            raise NotFoundError("model", name, self.names())
        if int(version) not in known:
            raise NotFoundError(
                "model", f"{name} version {version}", [f"{name} version {one}" for one in known]
            )
        return self._load(name, int(version))

    def get_models(self, name: str) -> list[Model]:
        """Return all versions of a model, the oldest first; none, if there is no such model."""
        return [self._load(name, version) for version in self.versions(name)]

    def get_best_model(self, name: str, metric: str, direction: str) -> Model | None:
        """Return the version with the highest or lowest metric, the newest of equals; None, if none has that metric.

        Args:
            direction: `max` or `min`.
        """
        if str(direction).lower() not in ("max", "min"):
            raise ConfigError(f"direction is 'max' or 'min', not {direction!r}.")
        sign = 1 if str(direction).lower() == "max" else -1
        having = [model for model in self.get_models(name) if metric in model.training_metrics]
        return max(
            having,
            key=lambda model: (sign * model.training_metrics[metric], model.version or 0),
            default=None,
        )

    def create_model(self, *args: Any, **options: Any) -> Model:
        """Make a model of any Python library; the same as `python.create_model`."""
        return self.python.create_model(*args, **options)

    def names(self) -> list[str]:
        """Return the names of all models."""
        if not self._root.is_dir():
            return []
        return sorted(folder.name for folder in self._root.iterdir() if self.versions(folder.name))

    def versions(self, name: str) -> list[int]:
        """Return the saved versions of a model, ascending."""
        if not _NAME.fullmatch(str(name)) or not (self._root / name).is_dir():
            return []
        return sorted(
            int(folder.name)
            for folder in (self._root / name).iterdir()
            if folder.name.isdigit() and (folder / CARD).is_file()
        )

    def _load(self, name: str, version: int) -> Model:
        card = read_card(self._root / name / str(version))
        return _KINDS.get(card["framework"], PythonModel).from_card(self, card)

    def __repr__(self) -> str:
        return f"ModelRegistry(project: {self._project.name!r})"


def model_id(name: str, version: int) -> int:
    """Return the number of a model version, the same in every store."""
    return zlib.crc32(f"{name}_{version}".encode())


def check_model_name(name: str) -> str:
    """Return the name if it is letters, digits and `_`, as the original asks. Raises ConfigError."""
    if isinstance(name, str) and _NAME.fullmatch(name):
        return name
    raise ConfigError(f"{name!r} cannot name a model: use letters, digits and '_', such as 'fraud_model'.")
