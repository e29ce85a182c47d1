"""Every snippet of README.md and docs/ runs.

The blocks of a page run in order, in one process and one empty folder:

- ```` ```python ````: shares its names with the blocks before it. If its first line is `# raises SomeError`, it must.
- ```` ```python title="churn.py" ````: a program of its own, in a process and a folder that it shares with nothing.
- ```` ```console ````: each line `$ hopyard ...` must succeed, in the page's folder; other lines are for reading.
- Everything else (text, sql, json, toml, ...) is for reading. There is no way to show Python that does not run.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
TIMEOUT_SECONDS = 600

FENCE = re.compile(r"^(?P<indent> *)(?P<marks>`{3,}|~{3,}) *\{? *\.?(?P<language>[\w+-]*)(?P<info>[^`]*)$")
RAISES = re.compile(r"#\s*raises\s+(\w+)")
ESCAPES = {
    **dict.fromkeys(["py", "python3", "pycon", "ipython"], "python"),
    **dict.fromkeys(["bash", "sh", "shell", "zsh", "shell-session"], "console"),
}
"""Names under which a snippet would look like code to a reader and not be run by this test."""


@dataclass(frozen=True, slots=True)
class Block:
    """A fenced block: its language, the rest of the opening line, its text, and the line where the text begins."""

    language: str
    info: str
    text: str
    line: int

    @property
    def is_alone(self) -> bool:
        return "title=" in self.info

    @property
    def commands(self) -> list[list[str]]:
        """The arguments of each `$ hopyard` line, continuation lines joined."""
        lines = self.text.replace("\\\n", " ").splitlines()
        return [shlex.split(line[1:], comments=True)[1:] for line in lines if line.startswith("$ hopyard ")]


def blocks(text: str) -> Iterator[Block]:
    """Yield the fenced blocks of a page, in order; a block in an admonition or a list is dedented."""
    lines = iter(enumerate(text.splitlines(), start=1))
    for number, line in lines:
        opening = FENCE.match(line)
        if opening is None:
            continue
        body: list[str] = []
        closing = re.compile(rf"^ *{re.escape(opening['marks'])} *$")
        for _, inner in lines:
            if closing.match(inner):
                break
            body.append(inner)
        else:
            raise ValueError(f"line {number}: the block {line.strip()!r} is never closed")
        yield Block(
            language=opening["language"],
            info=opening["info"].strip(" }"),
            text=textwrap.dedent("\n".join(body)) + "\n",
            line=number + 1,
        )


def run_python(block: Block, page: Path, names: dict[str, Any]) -> None:
    """Run a block; tracebacks and warnings show the page and its line."""
    expected = RAISES.match(block.text)
    code = compile("\n" * (block.line - 1) + block.text, str(page), "exec")
    try:
        exec(code, names)
    except Exception as error:
        if expected is None or expected[1] not in {kind.__name__ for kind in type(error).__mro__}:
            raise
    else:
        if expected is not None:
            raise AssertionError(f"{page}:{block.line}: {expected[1]} was not raised")


def run_command(arguments: list[str], block: Block, page: Path) -> None:
    """Run the command line in a process of its own."""
    program = "import sys; sys.argv[0] = 'hopyard'; from hopyard.cli import main; sys.exit(main())"
    result = subprocess.run([sys.executable, "-c", program, *arguments], check=False)
    if result.returncode:
        raise AssertionError(
            f"{page}:{block.line}: `hopyard {shlex.join(arguments)}` exited {result.returncode}"
        )


def run_page(page: Path, *, alone: int | None = None) -> None:
    """Run the shared blocks of a page in this process, or only the block with index `alone`."""
    names: dict[str, Any] = {"__name__": "__main__"}
    for index, block in enumerate(blocks(page.read_text())):
        if index == alone or (alone is None and not block.is_alone):
            if block.language == "python":
                run_python(block, page, names)
            elif block.language == "console":
                for arguments in block.commands:
                    run_command(arguments, block, page)


def start(page: Path, folder: Path, *options: str) -> None:
    """Run a page in a fresh process in `folder`; what it says is shown if it fails."""
    folder.mkdir()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HOPYARD_")}
    environment["PYTHONPATH"] = str(ROOT / "src")
    environment["HOPYARD_TRUST_FILE"] = str(folder.with_name("trusted"))
    result = subprocess.run(
        [sys.executable, __file__, str(page), *options],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=TIMEOUT_SECONDS,
        check=False,
    )
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_snippets_run(page: Path, tmp_path: Path) -> None:
    found = list(blocks(page.read_text()))
    if any(block.language in ("python", "console") and not block.is_alone for block in found):
        start(page, tmp_path / "page")
    for index, block in enumerate(found):
        if block.language == "python" and block.is_alone:
            start(page, tmp_path / f"block{index}", str(index))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_snippet_escapes(page: Path) -> None:
    """A block named `py` or `bash` would look like code and not be run; `no-run` and its like do not exist."""
    for block in blocks(page.read_text()):
        assert block.language not in ESCAPES, f"{page}:{block.line}: write {ESCAPES[block.language]!r}"
        if block.language == "python":
            assert re.fullmatch(r'((title|hl_lines|linenums)="[^"]*"\s*)*', block.info), (
                f"{page}:{block.line}"
            )


PAGE = """
# A page
```python
x = 1
```
!!! note
    ```python
    # raises ZeroDivisionError
    x / 0
    ```
```python
assert x == 1
{last}
```
```python title="alone.py"
assert "x" not in globals()
```
```text
not code
```
"""


@pytest.fixture
def page(tmp_path: Path) -> Path:
    return tmp_path / "page.md"


def test_blocks_of_a_page_share_their_names(page: Path, tmp_path: Path) -> None:
    page.write_text(PAGE.format(last=""))
    test_snippets_run(page, tmp_path)


def test_a_failing_block_is_shown_with_its_line(page: Path, tmp_path: Path) -> None:
    page.write_text(PAGE.format(last="assert x == 2"))
    with pytest.raises(AssertionError, match=r'page.md", line 13'):
        test_snippets_run(page, tmp_path)


def test_an_error_that_does_not_come_is_a_failure(page: Path, tmp_path: Path) -> None:
    page.write_text("```python\n# raises ValueError\nx = 1\n```\n")
    with pytest.raises(AssertionError, match="ValueError was not raised"):
        test_snippets_run(page, tmp_path)


def test_a_failing_command_is_a_failure(page: Path, tmp_path: Path) -> None:
    page.write_text("```console\n$ hopyard no-such-command\nsome output\n```\n")
    with pytest.raises(AssertionError, match="`hopyard no-such-command` exited"):
        test_snippets_run(page, tmp_path)


def test_an_open_block_is_an_error(page: Path) -> None:
    with pytest.raises(ValueError, match="never closed"):
        list(blocks("```python\nx = 1\n"))


if __name__ == "__main__":
    run_page(Path(sys.argv[1]), alone=int(sys.argv[2]) if len(sys.argv) > 2 else None)
