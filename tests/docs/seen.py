"""Compare the output of a command with the output on a page.

Blanks outside the strings of JSON do not count: daprd puts one after each comma or none, depending on its build.
Named placeholders stand for values that differ from run to run.
"""

from __future__ import annotations

import re
from itertools import zip_longest

# The only names that may stand in angle brackets in a "what you see" block.
PLACEHOLDERS = {
    "ms": r"\d+(?:\.\d+)?",
    "seconds": r"\d+(?:\.\d+)?",
    "pid": r"\d+",
    "uuid": r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}",
    "trace id": r"[0-9a-f]{32}",
    "id": r"[0-9a-f]{32}",
    "time": r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)?",
    "folder": r"/\S*?",
}
# `<about 10000>`: the wait that a policy prescribes, plus the time that a busy machine adds.
_ABOUT = re.compile(r"about (\d+)")
_LEAST, _MOST = 0.97, 1.4
_PLACEHOLDER = re.compile(r"<([a-z][a-z0-9 ]*)>")
_JSON_STRING_OR_BLANK = re.compile(r'("(?:[^"\\]|\\.)*"|<[^>]*>)|\s+')
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class NotSeen(AssertionError):
    """The output on the page is not the output of the command."""


def normal(text: str) -> list[str]:
    """Return the lines that count.

    A run of blanks becomes one blank, and a run of a table's line becomes one character. Blank lines and colours are
    dropped. So are the lines "… step" with which ./lab announces a step where it cannot draw a bar.
    """
    lines = [re.sub(r"([━─═])\1+", r"\1", " ".join(line.split())) for line in _ANSI.sub("", text).split("\n")]
    counting = [line for line in lines if line and not line.startswith("… ")]
    return [_JSON_STRING_OR_BLANK.sub(r"\1", line) if line[0] in "{[" else line for line in counting]


def compare(page: str, real: str) -> None:
    """Raise NotSeen, which names the first line that differs, unless the real output is the page's."""
    expected, found = normal(page), normal(real)
    for wanted, line in zip_longest(expected, found):
        if wanted is None or line is None or not matches(wanted, line):
            raise NotSeen(
                f"\nthe page shows: {wanted or '(nothing more)'}"
                f"\nreally seen:    {line or '(nothing more)'}"
                f"\nall of it:\n{real}"
            )


def matches(wanted: str, line: str) -> bool:
    """Return whether a line is the page's line. Raise NotSeen for a placeholder that is not declared."""
    abouts: list[int] = []

    def pattern(name: str) -> str:
        if about := _ABOUT.fullmatch(name):
            abouts.append(int(about[1]))
            return rf"(?P<about{len(abouts)}>\d+(?:\.\d+)?)"
        if name not in PLACEHOLDERS:
            raise NotSeen(f"<{name}> is no declared placeholder: {', '.join(PLACEHOLDERS)}")
        return PLACEHOLDERS[name]

    pieces = _PLACEHOLDER.split(wanted)
    expression = "".join(pattern(piece) if odd % 2 else re.escape(piece) for odd, piece in enumerate(pieces))
    found = re.fullmatch(expression, line)
    numbers = [float(found[f"about{index}"]) for index in range(1, len(abouts) + 1)] if found else []
    return bool(found) and all(
        _LEAST * about <= number <= _MOST * about for about, number in zip(abouts, numbers, strict=True)
    )
