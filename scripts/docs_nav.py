"""A hook of the documentation build: the folders of docs/ in the order in which one reads them."""

from __future__ import annotations

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import Files
from mkdocs.structure.nav import Navigation

ORDER = [
    "index",
    "tutorial",
    "coming-from-hopsworks",
    "how-to",
    "reference",
    "explanation",
    "decisions",
    "contributing",
]


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Return the files, sorted by the first part of their path; the navigation follows this order."""
    return Files(sorted(files, key=lambda file: (_rank(file.src_uri), file.src_uri)))


def on_nav(nav: Navigation, config: MkDocsConfig, files: Files) -> Navigation:
    """Return the navigation with `How to` spelt as people say it."""
    for item in nav.items:
        if item.is_section and item.title == "How to":
            item.title = "How-to"
    return nav


def _rank(path: str) -> int:
    first = path.partition("/")[0].removesuffix(".md")
    return ORDER.index(first) if first in ORDER else len(ORDER)
