"""Turns measurements into a table for people."""

from __future__ import annotations

from typing import Any

COLUMNS = [
    "case",
    "rows",
    "median s",
    "min s",
    "max s",
    "rows/s",
    "p50 us",
    "p99 us",
    "peak MB",
    "time per row",
]


def to_markdown(document: dict[str, Any]) -> str:
    """Return the document of `harness.measure` as Markdown: a table, then machine and versions."""
    rows = [COLUMNS, ["---"] + ["---:"] * (len(COLUMNS) - 2) + ["---"]]
    rows += [_row(case) for case in document["cases"]]
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    figures = [
        f"- {case['name']}: {', '.join(f'{name} {_figure(value)}' for name, value in case['figures'].items())}"
        for case in document["cases"]
        if case["figures"]
    ]
    if figures:
        table += "\n\n" + "\n".join(figures)
    machine, versions = document["machine"], document["versions"]
    return (
        f"## {document['workload']}\n\n{table}\n\n{_scaled(document['scale'])}"
        f"Median of {document['runs']} runs after {document['warm_ups']} warm-up(s), interleaved, on "
        f"{document['at']}.\n"
        f"{machine['cores']} cores ({machine['processor'] or 'unknown'}), {machine['memory_bytes'] / 1e9:.0f} GB, "
        f"{machine['system']}, Python {machine['python']}; "
        f"{', '.join(f'{name} {number}' for name, number in versions.items())}.\n"
    )


def _scaled(scale: float) -> str:
    return (
        "" if scale == 1 else f"Sizes times {scale}: this shows that the workload runs, and no performance.\n"
    )


def _row(case: dict[str, Any]) -> list[str]:
    return [
        case["name"],
        f"{case['n_rows']:,}",
        *(_figure(case[name]) for name in ("median_seconds", "min_seconds", "max_seconds")),
        f"{case['rows_per_second']:,.0f}",
        _figure(case["p50_us"]),
        _figure(case["p99_us"]),
        f"{case['peak_bytes'] / 1e6:,.0f}",
        f"{_figure(case['ratio'])} x {case['against']}" if case["against"] else "",
    ]


def _figure(value: float | None) -> str:
    """Return a number with three significant digits, never in powers of ten."""
    if value is None:
        return ""
    if value >= 100:
        return f"{value:,.0f}"
    digits = 2
    while digits < 6 and 0 < value < 10 ** (1 - digits):
        digits += 1
    return f"{value:.{digits}f}"
