"""Whether the functions that are stored with a view may run here."""

from __future__ import annotations

from hopyard.model.specs import FeatureViewSpec, FunctionSpec
from hopyard.session import Session
from hopyard.trust import require_trust


def view_functions(view: FeatureViewSpec, *, is_serving: bool = True) -> tuple[FunctionSpec, ...]:
    """Return the users' functions of a view, each once; those of on-demand features run in vectors only."""
    on_demand = [spec.transformation for spec in view.on_demand] if is_serving else []
    found = (spec.function for spec in (*on_demand, *view.transformations))
    return tuple(dict.fromkeys(function for function in found if function is not None))


def require_view_trust(session: Session, view: FeatureViewSpec, *, is_serving: bool = False) -> None:
    """Raise UntrustedCodeError if a view has a function that may not run; called before anything else is done."""
    require_trust(
        {function.sha256: function.name for function in view_functions(view, is_serving=is_serving)},
        trust_file=session.config.trust_file,
        store=session.root,
        owner=f"feature view {view.label!r}",
        command=f"hopyard trust {view.name} --version {view.version}",
    )
