"""The end of a group's history, unless training datasets could then no longer be verified or rebuilt."""

from __future__ import annotations

from datetime import timedelta

from hopyard.errors import TrainingDatasetError
from hopyard.ingest.maintain import vacuum
from hopyard.model.commit import Freed
from hopyard.model.manifest import Manifest
from hopyard.model.plan import GroupSource
from hopyard.model.specs import FeatureGroupSpec
from hopyard.retrieve.dataset import list_manifests
from hopyard.session import Session

FROM_THE_FIRST = -1


def vacuum_group(
    session: Session, spec: FeatureGroupSpec, keep: timedelta | int | None, *, force: bool
) -> Freed:
    """Remove what no commit to keep needs; see `FeatureGroup.vacuum` for the rules and errors."""

    def check(first: int) -> None:
        broken = sorted(
            (manifest.label, manifest.version, needed)
            for manifest in list_manifests(session)
            if (needed := _first_needed(manifest, spec)) is not None and needed < first
        )
        if broken and not force:
            names = ", ".join(
                f"{name} version {version} ({_words(needed)})" for name, version, needed in broken
            )
            raise TrainingDatasetError(
                f"{spec.label!r} would lose the commits before {first}, and training datasets need some of them to be "
                f"verified or rebuilt: {names}. Keep more commits, delete these datasets first, or pass force=True: "
                f"their files stay, and they cannot be rebuilt any more. Nothing was removed."
            )

    return vacuum(session, spec, keep, check)


def _first_needed(manifest: Manifest, spec: FeatureGroupSpec) -> int | None:
    """Return the first commit of a group that a training dataset needs; None: it does not read the group."""
    needed: list[int] = []
    for index, node in enumerate(manifest.plan.nodes):
        if not isinstance(node.source, GroupSource) or node.source.id != spec.id or node.commit is None:
            continue
        needed.append(node.commit)
        if node.exclude_until_commit is not None:
            needed.append(node.exclude_until_commit)
        if manifest.plan.known_delay_us is not None and index > 0:
            needed.append(FROM_THE_FIRST)
    return min(needed, default=None)


def _words(commit: int) -> str:
    return "all commits" if commit == FROM_THE_FIRST else f"commit {commit}"
