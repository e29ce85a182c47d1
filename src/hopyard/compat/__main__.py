"""`python -m hopyard.compat`: run, check, page."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from hopyard.errors import HopyardError

FAILED = 1
REFUSED = 2
"""Nothing was run: the input cannot be."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the command line asks, and return the exit code."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.command(options))
    except HopyardError as error:
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        return REFUSED


def _run(options: argparse.Namespace) -> int:
    path: Path = options.file
    if path.suffix == ".ipynb":
        from hopyard.compat.notebook import run_notebook
        from hopyard.compat.summary import notebook_summary

        run = run_notebook(
            path,
            options.arguments,
            output=options.output,
            timeout_seconds=options.timeout,
            shadow=options.shadow,
        )
        sys.stdout.write(notebook_summary(run))
        return FAILED if run.failure else 0
    from hopyard.compat.script import run_script
    from hopyard.compat.summary import script_summary

    ended = run_script(path, options.arguments, shadow=options.shadow)
    sys.stderr.write(script_summary(ended))
    return ended.exit_code


def _check(options: argparse.Namespace) -> int:
    from hopyard.compat.check import check_paths
    from hopyard.compat.findings import as_json, as_text

    report = check_paths(options.paths)
    sys.stdout.write(as_json(report) if options.json else as_text(report))
    return FAILED if report.n_troubles else 0


def _page(options: argparse.Namespace) -> int:
    from hopyard.compat.page import write_page

    write_page(options.file)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m hopyard.compat", description="Programs written for Hopsworks, run on Hopyard."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    run = commands.add_parser("run", help="run a script or a notebook")
    run.add_argument("--shadow", action="store_true", help="also where the real packages are installed")
    run.add_argument(
        "--timeout", type=float, metavar="SECONDS", help="for a cell; default: as long as it takes"
    )
    run.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="of a notebook; default: NAME.run.ipynb beside it"
    )
    run.add_argument("file", type=Path, metavar="FILE", help="a .py or .ipynb file")
    run.add_argument("arguments", nargs=argparse.REMAINDER, help="what the program finds in sys.argv")
    run.set_defaults(command=_run)

    check = commands.add_parser("check", help="read programs and say which of their calls are here")
    check.add_argument("--json", action="store_true", help="for programs")
    check.add_argument("paths", type=Path, nargs="+", metavar="PATH", help="scripts, notebooks, folders")
    check.set_defaults(command=_check)

    page = commands.add_parser("page", help="write the tables of docs/coming-from-hopsworks.md anew")
    page.add_argument("file", type=Path, nargs="?", default=Path("docs/coming-from-hopsworks.md"))
    page.set_defaults(command=_page)
    return parser


if __name__ == "__main__":
    sys.exit(main())
