"""The Markdown files of this repository, read as a reader would: what to type, what then is seen, where links lead.

A fenced ```bash block is typed. A ```text or ```json block that follows it is its output. A comment before a
block (invisible on the page) says more:

    <!-- run: in terminal 1 until "Ctrl-C stops" -->   it goes on running; go on when it has said so
    <!-- run: press Ctrl-C in terminal 1 -->           the next block is what the first terminal then says
    <!-- run: fails with 1 -->                         its exit status; 0 when nothing is said
    <!-- run by: tests/x/test_y.py::test_z -->         another test does what it says
    <!-- not run: WHY -->                              nothing does
    <!-- quote: FILE::NAME -->                         the next block is a part of that file (quotes.py)
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from labctl.stack import ROOT
from tests.house.repository import named

SHELL = {"bash", "sh", "shell", "console", "zsh"}
SEEN = {"text", "json"}
_DIRECTIVE = re.compile(r"<!--\s*(run by|run|not run|quote):\s*(.*?)\s*-->", re.DOTALL)
_BACKGROUND = re.compile(r'in terminal 1 until "([^"]+)"')
_FAILS = re.compile(r"fails with (\d+)")
_CTRL_C = "press Ctrl-C in terminal 1"


def parsed(text: str) -> list[Token]:
    """Return the tokens of a Markdown text."""
    return MarkdownIt("commonmark").enable("table").parse(text)


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, its first line in the file, and what the comment before it says."""

    language: str
    text: str
    line: int
    directive: str = ""
    words: str = ""

    @property
    def is_command(self) -> bool:
        """Whether a reader would type it."""
        return self.language in SHELL

    @property
    def is_run(self) -> bool:
        """Whether the tests type it, too."""
        return self.is_command and self.directive not in ("not run", "run by")

    @property
    def until(self) -> str | None:
        """The words to wait for, of a command that stays in the first terminal."""
        found = _BACKGROUND.fullmatch(self.words) if self.directive == "run" else None
        return found[1] if found else None

    @property
    def status(self) -> int:
        """The exit status that it has to have."""
        found = _FAILS.fullmatch(self.words) if self.directive == "run" else None
        return int(found[1]) if found else 0

    @property
    def is_after_ctrl_c(self) -> bool:
        """Whether it is what the first terminal says to a Ctrl-C."""
        return self.directive == "run" and self.words == _CTRL_C


@dataclass(frozen=True)
class Step:
    """A command and, where the page shows it, its output."""

    done: Block
    seen: Block | None


@dataclass(frozen=True)
class Page:
    """One Markdown file, by its path below the root."""

    path: Path

    @property
    def text(self) -> str:
        """All of it."""
        return (ROOT / self.path).read_text()

    @property
    def blocks(self) -> list[Block]:
        """Its fenced blocks, in order. Raises ValueError for a comment that means nothing or stands before nothing."""
        return read_blocks(self.text)

    @property
    def is_executed(self) -> bool:
        """Whether the tests type its commands as they stand: README.md and all of docs/."""
        return self.path == Path("README.md") or self.path.is_relative_to("docs")

    @property
    def steps(self) -> list[Step]:
        """What the tests do, in the page's order."""
        steps: list[Step] = []
        blocks = self.blocks
        for number, block in enumerate(blocks):
            if block.is_after_ctrl_c:
                steps.append(Step(block, block))
            elif block.is_run:
                following = blocks[number + 1] if number + 1 < len(blocks) else None
                shown = following and following.language in SEEN and not following.directive
                steps.append(Step(block, following if shown else None))
        return steps

    @property
    def lab(self) -> str | None:
        """The lab that the page brings up."""
        found = re.search(r"^\./lab up (?:--\w+ )*([a-z]+)", self.text, re.MULTILINE)
        return found[1] if found else None

    @property
    def headings(self) -> set[str]:
        """The anchors of its headings, named as GitHub names them."""
        tokens = parsed(self.text)
        anchors: set[str] = set()
        for before, token in pairwise(tokens):
            if before.type == "heading_open":
                plain = "".join(
                    child.content for child in token.children or [] if child.type in ("text", "code_inline")
                )
                anchor = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
                again = sum(1 for one in anchors if re.fullmatch(rf"{re.escape(anchor)}(-\d+)?", one))
                anchors.add(f"{anchor}-{again}" if again else anchor)
        return anchors

    @property
    def links(self) -> list[str]:
        """Where its links and images lead."""
        tokens = parsed(self.text)
        inline = [child for token in tokens for child in token.children or []]
        targets = [child.attrs.get("href") or child.attrs.get("src") for child in inline]
        return [str(target) for target in targets if target]


def read_blocks(text: str) -> list[Block]:
    """Return the fenced blocks of a Markdown text, each with the comment before it."""
    blocks: list[Block] = []
    directive, words = "", ""
    for token in parsed(text):
        line = (token.map or [0])[0] + 1
        if token.type == "html_block" and "<!--" in token.content:
            if found := _DIRECTIVE.fullmatch(token.content.strip()):
                if directive:
                    raise ValueError(f"line {line}: a second comment before one block")
                directive, words = found[1], re.sub(r"\s+", " ", found[2])
                if directive == "run" and not _means_something(words):
                    raise ValueError(f"line {line}: nobody knows what `run: {words}` means")
            elif re.match(r"<!--\s*(not\s+)?(run|exec|quot)", token.content):
                raise ValueError(f"line {line}: a comment that is nearly one that the tests know")
        elif token.type == "fence":
            blocks.append(Block(token.info.strip(), token.content, line, directive, words))
            directive, words = "", ""
        elif directive and token.type not in ("list_item_open", "bullet_list_open", "ordered_list_open"):
            raise ValueError(f"line {line}: no block follows the comment `{directive}: {words}`")
    return blocks


def _means_something(words: str) -> bool:
    return bool(_BACKGROUND.fullmatch(words) or _FAILS.fullmatch(words) or words == _CTRL_C)


def pages() -> list[Page]:
    """Return every Markdown file."""
    return [Page(path) for path in named("*.md")]
