"""Whether the functions that are stored with a view may run here."""

from __future__ import annotations

from collections.abc import Sequence

from hopyard.model.specs import FeatureViewSpec, FunctionSpec, TransformationSpec
from hopyard.session import Session
from hopyard.trust import require_trust


def functions_of(transformations: Sequence[TransformationSpec]) -> tuple[FunctionSpec, ...]:
    """Return the users' functions among transformations, each once."""
    found = (spec.function for spec in transformations)
    return tuple(dict.fromkeys(function for function in found if function is not None))


def require_view_trust(session: Session, view: FeatureViewSpec) -> None:
    """Raise UntrustedCodeError if a view has a function that may not run; called before anything else is done."""
    require_transformations_trust(session, view.transformations, view.name, view.version)


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
