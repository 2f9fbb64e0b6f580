"""Plain English, as far as a program can check it: which words, sentences, docstrings and log messages to rewrite.

`python -m tests.house.words callee_service` lists the places in one path.
`python -m tests.house.words` does it for the whole repository.
"""

from __future__ import annotations

import ast
import io
import re
import sys
import tokenize
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

from tests.house.repository import ROOT, files, services

# Each pattern with its aim: fewer occurrences than that in 10,000 words.
PATTERNS: dict[str, tuple[str, int]] = {
    "what is, was, has, it, they, of": (r"\bwhat (?:is|was|has|it|they|of)\b", 5),
    "come, comes, came": (r"\b(?:comes?|came)\b", 5),
    "tell, tells, told, telling": (r"\b(?:tells?|told|telling)\b", 5),
    "who, whoever, whom, whatever": (r"\b(?:who|whoever|whom|whatever)\b", 6),
    "by itself, of its own": (r"\b(?:by itself|of its own)\b", 4),
    "undo, undone": (r"\bundo(?:es|ne|ing|ings)?\b", 2),
    "meanwhile, so many, once more, anew": (r"\bmeanwhile\b|\bso (?:many|often|long)\b|\bonce more\b|\banew\b", 2),
}
SENTENCE_IN_CODE, SENTENCE_ON_PAGE = 25, 30  # words

# First words of a docstring that are no imperative verb, besides those in -s, -ed and -ing.
NO_VERB = {
    word
    for line in (
        "a an the this that these those it its they their one two three some any all each every everything everybody",
        "nothing nobody no not none only just both either neither what whatever whether which who whoever whose how",
        "where when while why if as at by for from in into of on out over to under until up with without after again",
        "before between here there is are was were be been has have had can could may might must should will would",
        "so such more most less because but and or also too then than else other another same first last next new old",
    )
    for word in line.split()
}
NOT_THIRD_PERSON = re.compile(r"(?:ss|us)$")
NOT_PARTICIPLE = re.compile(r"^(?:bring|ping|ring|string|sing|spring|feed|need|seed|speed|embed|heed|exceed|proceed)$")

# Log messages as the course prints them, which readers compare letter by letter.
TAUGHT_LOGS = ("Simulating failure #",)
LOG_METHODS = {"debug", "info", "warning", "error", "exception", "critical", "log"}
LOGGERS = {"log", "_log", "logger"}

_DIRECTIVE_COMMENT = re.compile(r"#\s*(?:noqa|type:|pyright:|ruff:|fmt:|pragma|!|-\*-)")
_CODE = re.compile(r"``[^`]+``|`[^`]+`")
_WORD = re.compile(r"[A-Za-z0-9][\w'./:@#&=+-]*")
_SENTENCE_END = re.compile(r"(?<=[.!?])[\"')”]*\s+(?=[\"'(“`]*[A-Z0-9`“])")


@dataclass(frozen=True)
class Prose:
    """A piece of text that people read: a comment, a docstring, or a paragraph, list item or cell of a page."""

    path: Path
    line: int
    text: str

    @property
    def words(self) -> list[str]:
        """The words; code in backticks is one word."""
        return _WORD.findall(self.text)

    @property
    def sentences(self) -> list[str]:
        """The sentences; a blank line ends one too."""
        parts = re.split(r"\n\s*\n", self.text)
        return [sentence for part in parts for sentence in _SENTENCE_END.split(re.sub(r"\s+", " ", part).strip())]


@dataclass(frozen=True)
class Fault:
    """A place to rewrite."""

    path: Path
    line: int
    rule: str
    text: str

    def __str__(self) -> str:
        """Say where it is and why, on one line."""
        return f"{self.path}:{self.line}: {self.rule}: {self.text[:110]}"


def python_files(below: Iterable[Path] = ()) -> list[Path]:
    """Return the Python files that people maintain (no generated file, no vendored copy), below some paths or all."""
    return [path for path in files() if path.suffix == ".py" and not is_copy(path) and _is_below(path, below)]


def markdown_files(below: Iterable[Path] = ()) -> list[Path]:
    """Return the pages, below some paths or all."""
    return [path for path in files() if path.suffix == ".md" and not is_copy(path) and _is_below(path, below)]


def is_copy(path: Path) -> bool:
    """Return whether a file is generated or a vendored copy of the kit."""
    vendored = any(path.is_relative_to(service / "kit") for service in services())
    return vendored or "_pb2" in path.name or "generated" in path.parts


def _is_below(path: Path, folders: Iterable[Path]) -> bool:
    chosen = list(folders)
    return not chosen or any(path.is_relative_to(folder) for folder in chosen)


@cache
def prose(path: Path) -> tuple[Prose, ...]:
    """Return what people read in a file: comments and docstrings of Python, the text of a page."""
    text = (ROOT / path).read_text()
    found = _of_page(path, text) if path.suffix == ".md" else [*_docstrings(path, text), *_comments(path, text)]
    return tuple(found)


def _docstrings(path: Path, text: str) -> Iterator[Prose]:
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            docstring = ast.get_docstring(node)
            if docstring:
                yield Prose(path, node.body[0].lineno, _CODE.sub("CODE", _without_examples(docstring)))


def _without_examples(docstring: str) -> str:
    """Drop indented blocks after a colon (examples, tables) and make each list item a paragraph."""
    paragraphs = re.split(r"\n\s*\n", docstring)
    kept = [one for one in paragraphs if not all(line.startswith("    ") for line in one.splitlines())]
    return re.sub(r"\n(?=\s*(?:[-*]|\w+:) )", "\n\n", "\n\n".join(kept))


def _comments(path: Path, text: str) -> Iterator[Prose]:
    block: list[tokenize.TokenInfo] = []
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type != tokenize.COMMENT or _DIRECTIVE_COMMENT.match(token.string):
            continue
        alone = token.line.strip() == token.string.strip()
        follows = block and alone and token.start == (block[-1].start[0] + 1, block[-1].start[1])
        if block and not follows:
            yield _joined(path, block)
            block = []
        block.append(token)
    if block:
        yield _joined(path, block)


def _joined(path: Path, block: list[tokenize.TokenInfo]) -> Prose:
    text = "\n".join(token.string.lstrip("#").strip() for token in block)
    return Prose(path, block[0].start[0], _CODE.sub("CODE", text))


def _of_page(path: Path, text: str) -> Iterator[Prose]:
    line = 1
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        line = token.map[0] + 1 if token.map else line
        if token.type == "inline" and (said := _said(token)).strip():
            yield Prose(path, line, said)


def _said(token: Token) -> str:
    kinds = {"text": "", "code_inline": "CODE", "softbreak": " ", "hardbreak": "\n\n"}
    parts = [kinds[child.type] or child.content for child in token.children or [] if child.type in kinds]
    return "".join(parts)


def words(found: Iterable[Prose]) -> int:
    """Count the words."""
    return sum(len(one.words) for one in found)


def counts(found: Iterable[Prose]) -> dict[str, list[Fault]]:
    """Return each pattern with the places where it occurs."""
    places: dict[str, list[Fault]] = {name: [] for name in PATTERNS}
    for one in found:
        flat = re.sub(r"\s+", " ", one.text)
        for name, (pattern, _) in PATTERNS.items():
            for hit in re.finditer(pattern, flat, re.IGNORECASE):
                around = flat[max(0, hit.start() - 40) : hit.end() + 50]
                places[name].append(Fault(one.path, one.line, name, f"… {around} …"))
    return places


def above_aim(places: dict[str, list[Fault]], of_words: int) -> list[str]:
    """Return a sentence for each pattern that occurs too often; a single occurrence is never too often."""
    return [
        f"{name}: {len(found)} in {of_words} words, which is {rate(found, of_words):.1f} in 10,000 (aim: under {aim})"
        for name, (_, aim) in PATTERNS.items()
        if len(found := places[name]) > 1 and rate(found, of_words) >= aim
    ]


def rate(found: list[Fault], of_words: int) -> float:
    """Return the occurrences in 10,000 words."""
    return len(found) * 10_000 / max(of_words, 1)


def long_sentences(path: Path) -> list[Fault]:
    """Return the sentences with too many words."""
    most = SENTENCE_ON_PAGE if path.suffix == ".md" else SENTENCE_IN_CODE
    return [
        Fault(path, one.line, f"{length} words in a sentence (at most {most})", sentence)
        for one in prose(path)
        for sentence in one.sentences
        if (length := len(_WORD.findall(sentence))) > most
    ]


def unfit_docstrings(path: Path) -> list[Fault]:
    """Return the docstrings of functions that do not start with an imperative verb.

    Properties may name their value. Tests and pytest's fixtures may state a claim or name a thing.
    """
    found: list[Fault] = []
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) or node.name.startswith("test_"):
            continue
        docstring = ast.get_docstring(node)
        decorators = " ".join(ast.unparse(one) for one in node.decorator_list)
        if docstring and not re.search(r"property|fixture|\.setter", decorators) and not _is_imperative(docstring):
            found.append(Fault(path, node.body[0].lineno, "no imperative verb first", docstring.splitlines()[0]))
    return found


def _is_imperative(docstring: str) -> bool:
    first = re.match(r"[A-Za-z-]+", docstring)
    if first is None or docstring[0].islower():
        return False
    word = first[0].lower()
    if word in NO_VERB:
        return False
    if word.endswith(("ed", "ing")):
        return bool(NOT_PARTICIPLE.match(word))
    return not word.endswith("s") or bool(NOT_THIRD_PERSON.search(word))


def unfit_logs(path: Path) -> list[Fault]:
    """Return the log messages that are not one fixed phrase in lower case without a full stop."""
    if "tests" in path.parts:
        return []
    found: list[Fault] = []
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in LOG_METHODS):
            continue
        if not (isinstance(node.func.value, ast.Name) and node.func.value.id in LOGGERS and node.args):
            continue
        message, *more = node.args[1:] if node.func.attr == "log" else node.args
        if why := _unfit_log(message, more):
            found.append(Fault(path, node.lineno, f"log message: {why}", ast.unparse(message)))
    return found


def _unfit_log(first: ast.expr, more: list[ast.expr]) -> str | None:
    if isinstance(first, ast.JoinedStr) and ast.unparse(first)[2:].startswith(TAUGHT_LOGS):
        return None
    if not (isinstance(first, ast.Constant) and isinstance(first.value, str)):
        return "no fixed phrase; facts go in fields"
    message = first.value
    if message.startswith(TAUGHT_LOGS):
        return None
    if more:
        return "facts go in fields"
    if not message[:1].islower():
        return "starts with a capital"
    return "ends with a full stop" if message.endswith(".") else None


def faults(path: Path) -> list[Fault]:
    """Return what rules 1, 2 and 6 of plain English find in a file: docstrings, sentences, log messages."""
    if path.suffix == ".md":
        return long_sentences(path)
    return [*unfit_docstrings(path), *long_sentences(path), *unfit_logs(path)]


def report(paths: list[Path]) -> str:
    """Return every place to rewrite below some paths, and how often each pattern and rule occurs there."""
    lines: list[str] = []
    for chosen in (python_files(paths), markdown_files(paths)):
        found = [one for path in chosen for one in prose(path)]
        places = counts(found)
        everywhere = [one for some in places.values() for one in some]
        everywhere += [one for path in chosen for one in faults(path)]
        lines += [str(one) for one in sorted(everywhere, key=lambda one: (one.path, one.line))]
        rules = Counter(re.sub(r"^\d+ ", "", one.rule) for one in everywhere)
        lines += [f"{len(chosen)} files, {words(found)} words", *(f"  {rule}: {rules[rule]}" for rule in rules)]
        lines += above_aim(places, words(found))
    return "\n".join(lines)


if __name__ == "__main__":
    print(report([Path(name) for name in sys.argv[1:]]))
