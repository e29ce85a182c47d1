"""Handles of platform services that a folder does not have: a program may fetch one; its calls say what to use."""

from __future__ import annotations

from hopyard.compat.absent_platform import ABSENT
from hopyard.compat.errors import CompatError


class AbsentApi:
    """Answers every call with CompatError. What looks private is missing in the usual way, for tools that ask."""

    def __getattr__(self, name: str) -> object:
        kind = type(self).__name__
        if name.startswith("_"):
            raise AttributeError(f"{kind!r} object has no attribute {name!r}")
        raise CompatError(f"{kind}.{name}", ABSENT[kind])


class AlertsApi(AbsentApi):
    """Of `project.get_alerts_api()`."""


class EnvironmentApi(AbsentApi):
    """Of `project.get_environment_api()`."""


class GitApi(AbsentApi):
    """Of `project.get_git_api()`."""


class JobApi(AbsentApi):
    """Of `project.get_job_api()`."""


class KafkaApi(AbsentApi):
    """Of `project.get_kafka_api()`."""


class OpenSearchApi(AbsentApi):
    """Of `project.get_opensearch_api()`."""


class SearchApi(AbsentApi):
    """Of `project.get_search_api()`."""
