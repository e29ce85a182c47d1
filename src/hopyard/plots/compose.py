"""Which panels a plot of statistics has, and what its heading says."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape

from hopyard.errors import ConfigError, NotFoundError
from hopyard.model.statistics import ColumnStatistics, Statistics
from hopyard.plots.comparison import Sides, comparison_panel
from hopyard.plots.distribution import About, column_panel
from hopyard.plots.facts import facts_of
from hopyard.plots.overview import (
    clusters_panel,
    compared_completeness,
    completeness_panel,
    correlations_panel,
)
from hopyard.plots.panel import Panel
from hopyard.plots.plot import Plot
from hopyard.plots.text import plural, show_instant

TABLE_OF = ("rows", "complete", "distinct", "min", "p50", "mean", "max", "std dev")


def plot_statistics(
    statistics: Statistics,
    columns: Sequence[str] | str | None = None,
    *,
    against: Statistics | None = None,
    about: Mapping[str, About] | None = None,
) -> Plot:
    """Return a plot of statistics, or of two that are compared; see `Statistics.plot`.

    Args:
        about: what is known of columns beside their statistics, by name.
    Raises:
        NotFoundError: a column that is on neither side.
        ConfigError: `against` is no statistics.
    """
    known = about or {}
    if against is None:
        chosen = _chosen(statistics, columns)
        return Plot(
            title=_title(statistics),
            about=((*_about(statistics), _size(statistics, chosen)),),
            sides=(),
            panels=(
                completeness_panel(chosen),
                *(column_panel(column, known.get(column.name, About())) for column in chosen),
                *_over_columns(statistics, chosen),
            ),
        )
    if not isinstance(against, Statistics):
        raise ConfigError(f"against={against!r} must be Statistics, as get_statistics() returns them.")
    return _comparison(statistics, against, columns, known)


def table_of(statistics: Statistics) -> str:
    """Return the numbers of statistics as a table of HTML, for where no plot can be drawn."""
    head = "".join(f"<th>{name}</th>" for name in ("column", "type", *TABLE_OF))
    rows = []
    for column in statistics:
        facts = {fact.label: fact.text for fact in facts_of(column)}
        texts = (column.name, column.type, *(facts.get(name, "") for name in TABLE_OF))
        rows.append("<tr>" + "".join(f"<td>{escape(text)}</td>" for text in texts) + "</tr>")
    return (
        f"<p>{escape(str(statistics))}</p><table><thead><tr>{head}</tr></thead>"
        f"<tbody>{''.join(rows)}</tbody></table>"
    )


def _comparison(
    this: Statistics, against: Statistics, columns: Sequence[str] | str | None, about: Mapping[str, About]
) -> Plot:
    sides = name_sides(this, against)
    ours, theirs = ({column.name: column for column in side} for side in (this, against))
    names = _wanted(columns, [*ours, *(name for name in theirs if name not in ours)])
    both = [name for name in names if name in ours and name in theirs]
    lines = [(sides.this, *_details(this)), (sides.against, *_details(against))]
    for side, has, lacks in ((sides.this, ours, theirs), (sides.against, theirs, ours)):
        alone = [name for name in names if name in has and name not in lacks]
        if alone:
            lines.append((f"Only {side} has {', '.join(alone)}.",))
    title = _title(this) if _title(this) == _title(against) else f"{_title(this)} and {_title(against)}"
    mine, others = [ours[name] for name in both], [theirs[name] for name in both]
    return Plot(
        title=title,
        about=tuple(lines),
        sides=("this", "against"),
        panels=(
            compared_completeness(mine, others, sides),
            *(comparison_panel(ours[name], theirs[name], about.get(name, About()), sides) for name in both),
            *_over_columns(this, mine, sides.this),
            *_over_columns(against, others, sides.against),
        ),
    )


def name_sides(this: Statistics, against: Statistics) -> Sides:
    """Return names that tell two statistics apart, as short as they can be."""
    choices = [
        (_short(this), _short(against)),
        (f"{_title(this)}, {_short(this)}", f"{_title(against)}, {_short(against)}"),
    ]
    for one, other in choices:
        if one != other and (_title(this) == _title(against) or one.startswith(_title(this))):
            return Sides(one, other)
    one = choices[0][0]
    return Sides(f"{one} (this)", f"{one} (against)")


def _short(statistics: Statistics) -> str:
    if statistics.scope == "split":
        return (
            f"{statistics.split} {statistics.stage} transformation"
            if statistics.stage == "before"
            else statistics.split
        )
    commit = f"commit {statistics.commit}"
    return f"rows written by {commit}" if statistics.scope == "written" else commit


def _title(statistics: Statistics) -> str:
    return f"{statistics.name} version {statistics.version}"


def _about(statistics: Statistics) -> tuple[str, ...]:
    which = f"split {statistics.split}" if statistics.scope == "split" else _short(statistics)
    return which, *_details(statistics)


def _details(statistics: Statistics) -> Iterator[str]:
    if statistics.stage is not None:
        yield f"{statistics.stage} transformation"
    if statistics.committed_at_us is not None:
        yield f"committed at {show_instant(statistics.committed_at_us, to_seconds=True)} UTC"
    yield plural(statistics.n_rows, "row")
    yield f"computed at {show_instant(statistics.computed_at_us, to_seconds=True)} UTC"


def _size(statistics: Statistics, chosen: Sequence[ColumnStatistics]) -> str:
    n = len(statistics.columns)
    return plural(n, "column") if len(chosen) == n else f"{len(chosen)} of {plural(n, 'column')}"


def _over_columns(
    statistics: Statistics, chosen: Sequence[ColumnStatistics], side: str = ""
) -> Iterator[Panel]:
    if statistics.correlations is not None:
        yield correlations_panel(statistics.correlations, [column.name for column in chosen], side)
    if statistics.clusters is not None:
        yield clusters_panel(statistics.clusters, side)


def _chosen(statistics: Statistics, columns: Sequence[str] | str | None) -> list[ColumnStatistics]:
    found = {column.name: column for column in statistics}
    return [found[name] for name in _wanted(columns, list(found))]


def _wanted(columns: Sequence[str] | str | None, known: Sequence[str]) -> list[str]:
    if columns is None:
        return list(known)
    names = [columns] if isinstance(columns, str) else list(dict.fromkeys(columns))
    for name in names:
        if name not in known:
            raise NotFoundError("column with statistics", name, known)
    return names
