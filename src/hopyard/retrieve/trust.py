"""Whether the functions that are stored with a view may run here."""

from __future__ import annotations

from collections.abc import Sequence

from hopyard.model.specs import FeatureViewSpec, TransformationSpec, functions_of
from hopyard.session import Session
from hopyard.trust import require_trust


def view_transformations(view: FeatureViewSpec) -> tuple[TransformationSpec, ...]:
    """Return the functions of on-demand features, and the transformations, of a view."""
    return (*(spec.transformation for spec in view.on_demand), *view.transformations)


def require_view_trust(session: Session, view: FeatureViewSpec, *, is_serving: bool = False) -> None:
    """Raise UntrustedCodeError if a view has a function that may not run; called before anything else is done.

    Args:
        is_serving: for vectors, which compute on-demand features; training data and batches have them stored.
    """
    specs = view_transformations(view) if is_serving else view.transformations
    require_transformations_trust(session, specs, view.name, view.version)


def require_transformations_trust(
    session: Session, transformations: Sequence[TransformationSpec], view: str, view_version: int
) -> None:
    """Raise UntrustedCodeError if one of the transformations of a view is a function that may not run."""
    require_trust(
        {function.sha256: function.name for function in functions_of(transformations)},
        trust_file=session.config.trust_file,
        store=session.root,
        owner=f"feature view '{view}_{view_version}'",
        command=f"hopyard trust {view} --version {view_version}",
    )
