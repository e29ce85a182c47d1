"""Whether the functions that are stored with a view may run here."""

from __future__ import annotations

from hopyard.model.specs import FeatureViewSpec, FunctionSpec
from hopyard.session import Session
from hopyard.trust import require_trust


def view_functions(view: FeatureViewSpec) -> tuple[FunctionSpec, ...]:
    """Return the users' functions of a view, each once."""
    found = (spec.function for spec in view.transformations)
    return tuple(dict.fromkeys(function for function in found if function is not None))


def require_view_trust(session: Session, view: FeatureViewSpec) -> None:
    """Raise UntrustedCodeError if a view has a function that may not run; called before anything else is done."""
    require_trust(
        {function.sha256: function.name for function in view_functions(view)},
        trust_file=session.config.trust_file,
        store=session.root,
        owner=f"feature view {view.label!r}",
        command=f"hopyard trust {view.name} --version {view.version}",
    )
