"""Plots of statistics: Vega-Lite, as pages that need no network, and in notebooks."""
