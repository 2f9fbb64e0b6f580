"""Quotes of real files on pages. A comment before a fenced block names the file and the part of it:

    <!-- quote: callee_service/main.py::greet -->                        a function, class, method or assignment
    <!-- quote: components/resiliency.yaml lines "retries:" to "3" -->   from the only line with the first text
                                                                         to the next line with the second
    <!-- quote: … without docstring without "one" to "two" -->           parts left out, each shown as `# …`

`without docstring` drops the docstring and shows nothing for it. `python -m tests.docs.quotes` lists the quotes that
differ from their files, and `python -m tests.docs.quotes --write` rewrites them, so that moved code costs one command.
"""

from __future__ import annotations

import ast
import re
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

from labctl.stack import ROOT
from tests.docs.pages import Block, Page, pages

SHORTEST, LONGEST = 5, 15
LANGUAGES = {".py": "python", ".yaml": "yaml"}
_TEXT = r'"((?:[^"\\]|\\.)+)"'
_WORDS = re.compile(
    rf"(?P<path>[\w./-]+?)(?:::(?P<name>[\w.]+)| lines {_TEXT} to {_TEXT})"
    rf"(?P<without>(?: without (?:docstring|{_TEXT} to {_TEXT}))*)"
)
_WITHOUT = re.compile(rf" without (?:docstring|{_TEXT} to {_TEXT})")


class NoSuchQuote(ValueError):
    """The comment names a part that the file does not have."""


@dataclass(frozen=True)
class Quote:
    """A block on a page that shows a part of a file."""

    page: Page
    block: Block

    @property
    def where(self) -> str:
        """Return the page and line of the block."""
        return f"{self.page.path}:{self.block.line}"

    @property
    def path(self) -> Path:
        """Return the path of the quoted file below the root."""
        return Path(_parsed(self.block.words)["path"])

    def real(self) -> str:
        """Return the text that the file has now. Raise NoSuchQuote if the file or the part is missing."""
        return quoted(self.block.words, ROOT)


def quotes(page: Page) -> list[Quote]:
    """Return the quotes of a page in their order."""
    return [Quote(page, block) for block in page.blocks if block.directive == "quote"]


def quoted(words: str, root: Path) -> str:
    """Return the part of a file below `root` that the words of a comment name, dedented.

    Raise NoSuchQuote if the file or the part is missing, or if a text that has to be unique is not.
    """
    found = _parsed(words)
    path = Path(found["path"])
    if not (root / path).is_file():
        raise NoSuchQuote(f"there is no file {path}")
    text = (root / path).read_text()
    lines = text.splitlines()
    hidden: set[int] = set()
    if name := found["name"]:
        first, last, docstring = _symbol(text, name)
        if " without docstring" in found["without"]:
            hidden = docstring
    else:
        first, last = _range(lines, found[3], found[4], 0, len(lines) - 1)
    marks: set[int] = set()
    for one in _WITHOUT.finditer(found["without"]):
        if one[1]:
            begin, end = _range(lines, one[1], one[2], first, last)
            marks.add(begin)
            hidden |= set(range(begin, end + 1))
    return _shown(lines, range(first, last + 1), hidden, marks)


def _parsed(words: str) -> re.Match[str]:
    found = _WORDS.fullmatch(words)
    if found is None:
        raise NoSuchQuote(f"`quote: {words}` names no part of a file")
    return found


def _symbol(text: str, name: str) -> tuple[int, int, set[int]]:
    """Return the first and last line of a Python symbol (decorators count) and the lines of its docstring."""
    body: list[ast.stmt] = ast.parse(text).body
    node: ast.stmt | None = None
    for part in name.split("."):
        node = next((one for one in body if part in _names(one)), None)
        if node is None:
            raise NoSuchQuote(f"there is no {name}")
        body = getattr(node, "body", [])
    assert node is not None
    first = min([node.lineno, *(one.lineno for one in getattr(node, "decorator_list", []))])
    docstring: set[int] = set()
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and ast.get_docstring(node):
        docstring = set(range(body[0].lineno - 1, body[0].end_lineno or 0))
    return first - 1, (node.end_lineno or first) - 1, docstring


def _names(node: ast.stmt) -> set[str]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {node.name}
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return {target.id for target in targets if isinstance(target, ast.Name)}


def _range(lines: list[str], begin: str, end: str, first: int, last: int) -> tuple[int, int]:
    """Return the numbers of the only line with `begin` and of the next one with `end`, between `first` and `last`.

    A line that is `begin` and nothing else counts before lines that contain it.
    """
    begin, end = (re.sub(r"\\(.)", r"\1", one) for one in (begin, end))
    within = range(first, last + 1)
    starts = [number for number in within if lines[number].strip() == begin]
    starts = starts or [number for number in within if begin in lines[number]]
    if len(starts) != 1:
        raise NoSuchQuote(f"{begin!r} is in {len(starts)} lines, not in one")
    for number in range(starts[0], last + 1):
        if end in lines[number]:
            return starts[0], number
    raise NoSuchQuote(f"{end!r} does not follow {begin!r}")


def _shown(lines: list[str], part: range, hidden: set[int], marks: set[int]) -> str:
    shown: list[str] = []
    for number in part:
        if number in marks:
            indent = lines[number][: len(lines[number]) - len(lines[number].lstrip())]
            shown.append(f"{indent}# …")
        elif number not in hidden:
            shown.append(lines[number])
    while shown and not shown[-1].strip():
        shown.pop()
    return textwrap.dedent("\n".join(shown)) + "\n"


def rewrite(page: Page) -> int:
    """Rewrite the quotes of a page from their files and return how many changed. A lost one stays as it is."""
    changed = 0
    for quote in reversed(quotes(page)):
        try:
            real = quote.real()
        except NoSuchQuote:
            continue
        if real == quote.block.text:
            continue
        lines = page.text.splitlines(keepends=True)
        first = quote.block.line  # the line after the opening fence, counted from zero
        fence = lines[first - 1]
        indent = fence[: len(fence) - len(fence.lstrip())]
        lines[first : first + len(quote.block.text.splitlines())] = [
            textwrap.indent(line, indent) for line in real.splitlines(keepends=True)
        ]
        (ROOT / page.path).write_text("".join(lines))
        changed += 1
    return changed


def main(arguments: list[str]) -> int:
    """List the quotes that differ from their files, or rewrite them; return 1 if some are left."""
    status = 0
    for page in pages():
        for quote in quotes(page):
            try:
                if quote.real() != quote.block.text:
                    print(f"{quote.where}: differs from {quote.path}")
                    status = status if "--write" in arguments else 1
            except NoSuchQuote as error:
                print(f"{quote.where}: {error}")
                status = 1
        if "--write" in arguments:
            rewrite(page)
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
