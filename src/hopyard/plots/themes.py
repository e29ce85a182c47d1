"""Colours that everybody can tell apart (Okabe and Ito 2008), in a light and a dark configuration of Vega-Lite."""

from __future__ import annotations

from typing import Any, Literal

from hopyard.errors import ConfigError

Theme = Literal["light", "dark"]

FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif"
VERMILLION, PURPLE = "#D55E00", "#CC79A7"
"""For nulls and for NaNs, in both themes."""
_LIGHT = ["#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7F7F7F"]
_DARK = ["#56B4E9", "#E69F00", "#2BC79B", "#E39AC3", "#F0E442", "#D9733A", "#A6A6A6"]


def configuration(theme: Theme) -> dict[str, Any]:
    """Return the Vega-Lite configuration of a theme. Raises ConfigError: there is no such theme."""
    if theme == "light":
        return _configuration(
            _LIGHT, "#ffffff", text="#1f2328", quiet="#57606a", line="#d0d7de", middle="#f3f4f6"
        )
    if theme == "dark":
        return _configuration(
            _DARK, "#1b1f24", text="#e6e8eb", quiet="#a3abb5", line="#3a414a", middle="#2a3038"
        )
    raise ConfigError(f"theme={theme!r} is unknown: use 'light' or 'dark'.")


def _configuration(
    colours: list[str], background: str, *, text: str, quiet: str, line: str, middle: str
) -> dict[str, Any]:
    return {
        "background": background,
        "font": FONT,
        "view": {"stroke": None},
        "axis": {
            "domainColor": line,
            "gridColor": line,
            "gridOpacity": 0.6,
            "labelColor": quiet,
            "labelFontSize": 11,
            "labelLimit": 180,
            "tickColor": line,
            "titleColor": quiet,
            "titleFontSize": 11,
            "titleFontWeight": "normal",
            "titleLimit": 420,
        },
        "legend": {"labelColor": text, "labelFontSize": 11, "titleColor": quiet, "titleFontWeight": "normal"},
        "title": {
            "anchor": "start",
            "color": text,
            "fontSize": 14,
            "subtitleColor": quiet,
            "subtitleFontSize": 11,
        },
        "mark": {"color": colours[0]},
        "text": {"color": text, "fontSize": 11},
        "rule": {"color": text},
        "tick": {"color": text},
        "range": {"category": colours, "diverging": [_LIGHT[0], middle, _LIGHT[1]]},
    }
