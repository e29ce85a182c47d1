"""Turns measurements into tables for people."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bench.ratios import case_of, exponents, memory_ratio, time_ratio

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
    "beside the limit",
    "beside the peer",
    "its memory",
]


def to_markdown(document: dict[str, Any]) -> str:
    """Return the document of `harness.measure` as Markdown: a table, figures, growth, machine, versions."""
    cells = [_row(document, case) for case in document["cases"]]
    figures = [
        f"- {case['name']}: {', '.join(f'{name} {number(value)}' for name, value in case['figures'].items())}"
        for case in document["cases"]
        if case["figures"]
    ]
    return (
        f"{table(COLUMNS, cells)}\n\n"
        + ("\n".join(figures) + "\n\n" if figures else "")
        + _growth(document)
        + _scaled(document["scale"])
        + _machine(document)
    )


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a table in Markdown: the first column to the left, numbers to the right; empty columns are left out."""
    kept = [index for index in range(len(columns)) if not rows or any(row[index] for row in rows)]
    lines = [[columns[index] for index in kept], ["---"] + ["---:"] * (len(kept) - 1)]
    lines += [[row[index] for index in kept] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def number(value: float | None) -> str:
    """Return a number with three significant digits, never in powers of ten."""
    if value is None:
        return ""
    if value >= 100:
        return f"{value:,.0f}"
    digits = 2
    while digits < 6 and 0 < value < 10 ** (1 - digits):
        digits += 1
    return f"{value:.{digits}f}"


def _row(document: dict[str, Any], case: dict[str, Any]) -> list[str]:
    limit, peer = (case[name] and case_of(document, case[name]) for name in ("limit", "peer"))
    return [
        case["name"],
        f"{case['n_rows']:,}",
        *(number(case[name]) for name in ("median_seconds", "min_seconds", "max_seconds")),
        f"{case['rows_per_second']:,.0f}",
        number(case["p50_us"]),
        number(case["p99_us"]),
        f"{case['peak_bytes'] / 1e6:,.0f}",
        f"{number(time_ratio(case, limit))} x {_short(limit, case)}" if limit else "",
        f"{number(time_ratio(case, peer))} x {_short(peer, case)}" if peer else "",
        f"{number(memory_ratio(case, peer))} x" if peer else "",
    ]


def _short(other: dict[str, Any], case: dict[str, Any]) -> str:
    """Return the name of another case without what it says of their common work, which ends with a colon."""
    name: str = other["name"]
    work, _, who = name.rpartition(": ")
    return who if case["name"].startswith(work) else name


def _growth(document: dict[str, Any]) -> str:
    lines = []
    for family, exponent in exponents(document).items():
        sizes = [case["family_size"] for case in document["cases"] if case["family"] == family]
        lines.append(f"- {family}: {exponent:.2f} over {min(sizes):,} to {max(sizes):,}")
    return "\n".join(["Growth, as the exponent of the size:", "", *lines]) + "\n\n" if lines else ""


def _scaled(scale: float) -> str:
    return (
        "" if scale == 1 else f"Sizes times {scale}: this shows that the workload runs, and no performance.\n"
    )


def _machine(document: dict[str, Any]) -> str:
    machine = document["machine"]
    versions = [f"{name} {version}" for name, version in document["versions"].items()]
    peers = [
        f"{peer} with " + ", ".join(f"{name} {version}" for name, version in found.items())
        for peer, found in document["peers"].items()
    ]
    return (
        f"Median of {document['runs']} runs after {document['warm_ups']} warm-up(s), interleaved, on "
        f"{document['at']}.\n"
        f"{machine['cores']} cores ({machine['processor'] or 'unknown'}), {machine['memory_bytes'] / 1e9:.0f} GB, "
        f"{machine['system']}, Python {machine['python']}; {'; '.join([', '.join(versions), *peers])}.\n"
    )
