"""Versions of training data of a view: their tags, statistics and removal."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from hopyard.compat.hsfs.client.exceptions import RestAPIError
from hopyard.compat.hsfs.core.job import Job
from hopyard.compat.hsfs.notes import change_notes
from hopyard.compat.hsfs.training_dataset import TrainingDataset
from hopyard.compat.hsfs.transformation_statistics import FeatureTransformationStatistics, describe
from hopyard.compat.hsfs.view_rows import Request, arguments, bounded, read_again, target_of
from hopyard.compat.hsfs.view_state import Record, ViewState
from hopyard.model.codec import from_json, to_json
from hopyard.model.manifest import MANIFEST_FORMAT, Manifest
from hopyard.training_dataset import TrainingDataset as CoreDataset


class DatasetMethods(ViewState):
    """What is done with versions of training data."""

    def get_training_datasets(self) -> list[TrainingDataset]:
        """Return all versions of training data."""
        return [TrainingDataset.of_view(self, version) for version in self._records()]

    def get_training_dataset_schema(self, training_dataset_version: int | None = None) -> list[Any]:
        """Return the columns of training data after transformation."""
        from hopyard.compat.hsfs.feature import Feature
        from hopyard.compat.hsfs.transformation_chain import arranged

        chain, types = self._chain(), dict(self._types)
        for function in chain.functions:
            types |= dict(zip(function.output_column_names, function.return_types, strict=True))
        results = [function.output_column_names for function in chain.functions]
        return [Feature(name, types[name]) for name in arranged(list(self._types), chain.functions, results)]

    def get_training_dataset_statistics(
        self,
        training_dataset_version: int,
        before_transformation: bool = False,
        feature_names: list[str] | None = None,
    ) -> dict[str, list[FeatureTransformationStatistics]]:
        """Return the statistics of the columns of each split, by the split's name."""
        record = self._record(training_dataset_version)
        _, tables = read_again(self, training_dataset_version, record["kind"])
        chain, found = self._chain(), {}
        names = {"all": ["train"], "two": ["train", "test"]}.get(
            record["kind"], ["train", "validation", "test"]
        )
        for split, rows in zip(names, tables, strict=True):
            table = rows
            if chain.functions and not before_transformation:
                table = chain.apply(rows, record["fits"], record["context"] or None)
            wanted = feature_names or [name for name in table.column_names if name not in self._added()]
            found[split] = [describe(name, table[name].to_pandas()) for name in wanted]
        return found

    def recreate_training_dataset(
        self,
        training_dataset_version: int,
        statistics_config: Any = None,
        write_options: dict[str, Any] | None = None,
        spine: Any = None,
        transformation_context: dict[str, Any] | None = None,
        **_: Any,
    ) -> Job:
        """Write the files of a version again, with the same rows."""
        record = self._record(training_dataset_version)
        if record.get("core") is None:
            request = msgspec.convert(record["request"], Request)
            wide = bounded(self, self._wide(stored_filter=record["filter"]), request)
            methods: dict[str, Any] = {
                "all": wide.create_training_data,
                "two": wide.create_train_test_split,
                "three": wide.create_train_validation_test_split,
            }
            made = methods[record["kind"]](**arguments(request), **target_of("parquet", "", ""))
            self._change_record(training_dataset_version, {"core": made.version})
        else:
            made = self._stored(record)
            made.rebuild()
        self._change_record(training_dataset_version, {"purged": False})
        return Job(f"{self.name}_{self.version}_{training_dataset_version}_create_fv_td")

    def purge_training_data(self, training_dataset_version: int) -> None:
        """Remove the rows of a version, and keep what is noted of it."""
        manifest = self._remove_files(training_dataset_version)
        self._change_record(training_dataset_version, {"purged": True, "manifest": manifest})

    def purge_all_training_data(self) -> None:
        """Remove the rows of all versions, and keep what is noted of them."""
        for version in self._records():
            self.purge_training_data(version)

    def delete_training_dataset(self, training_dataset_version: int) -> None:
        """Remove a version."""
        self._remove_files(training_dataset_version)
        change_notes(
            self._project, self.notes_key, lambda own: own["training"].pop(str(training_dataset_version))
        )

    def delete_all_training_datasets(self) -> None:
        """Remove all versions."""
        for version in self._records():
            self.delete_training_dataset(version)

    def add_training_dataset_tag(self, training_dataset_version: int, name: str, value: Any) -> None:
        """Set a tag of a version."""
        tags = {**self.get_training_dataset_tags(training_dataset_version), name: value}
        self._change_record(training_dataset_version, {"tags": tags})

    def get_training_dataset_tag(self, training_dataset_version: int, name: str) -> Any:
        """Return the value of a tag of a version; None if there is none."""
        return self.get_training_dataset_tags(training_dataset_version).get(name)

    def get_training_dataset_tags(self, training_dataset_version: int) -> dict[str, Any]:
        """Return the tags' values of a version by name."""
        return dict(self._record(training_dataset_version).get("tags", {}))

    def delete_training_dataset_tag(self, training_dataset_version: int, name: str) -> None:
        """Remove a tag of a version."""
        tags = self.get_training_dataset_tags(training_dataset_version)
        if name not in tags:
            raise RestAPIError(f"There is no tag {name!r} to delete. There are: {sorted(tags)}.")
        del tags[name]
        self._change_record(training_dataset_version, {"tags": tags})

    def get_training_dataset_keywords(self, training_dataset_version: int) -> list[str]:
        """Return the keywords of a version, sorted."""
        return sorted(self._record(training_dataset_version).get("keywords", []))

    def set_training_dataset_keywords(
        self, training_dataset_version: int, keywords: list[str] | str
    ) -> list[str]:
        """Replace the keywords of a version and return them."""
        words = sorted({keywords} if isinstance(keywords, str) else set(keywords))
        self._change_record(training_dataset_version, {"keywords": words})
        return words

    def add_training_dataset_keywords(
        self, training_dataset_version: int, keywords: list[str] | str
    ) -> list[str]:
        """Add keywords to a version and return all."""
        more = [keywords] if isinstance(keywords, str) else list(keywords)
        known = self.get_training_dataset_keywords(training_dataset_version)
        return self.set_training_dataset_keywords(training_dataset_version, [*known, *more])

    def delete_training_dataset_keyword(self, training_dataset_version: int, keyword: str) -> list[str]:
        """Remove a keyword of a version and return those that remain."""
        known = self.get_training_dataset_keywords(training_dataset_version)
        return self.set_training_dataset_keywords(
            training_dataset_version, [word for word in known if word != keyword]
        )

    def _stored(self, record: Record) -> CoreDataset:
        """Return a dataset that has files, or had them before they were purged."""
        if not record.get("purged"):
            return self._core.get_training_dataset(record["core"])
        manifest = from_json(
            Manifest, json.dumps(record["manifest"]), known=MANIFEST_FORMAT, what="a purged training dataset"
        )
        return CoreDataset(self._project.session, manifest)

    def _remove_files(self, version: int) -> dict[str, Any] | None:
        """Remove the files of a version, and return the manifest by which they can be made again."""
        record = self._record(version)
        if record.get("core") is None:
            return None
        dataset = self._stored(record)
        if not record.get("purged"):
            dataset.delete()
        manifest: dict[str, Any] = json.loads(to_json(dataset.manifest))
        return manifest
