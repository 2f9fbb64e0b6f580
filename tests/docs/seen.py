"""Does a command show what the page says? Text for text, but for named placeholders where it varies from run to run."""

from __future__ import annotations

import re

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
# `<about 10000>`: a wait that a policy prescribes, and what a busy machine adds to it.
_ABOUT = re.compile(r"about (\d+)")
_LEAST, _MOST = 0.97, 1.4
_PLACEHOLDER = re.compile(r"<([a-z][a-z0-9 ]*)>")
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


class NotSeen(AssertionError):
    """What the page shows is not what the command shows."""


def normal(text: str) -> list[str]:
    """The lines that count.

    Runs of blanks are one blank, runs of a table's line are one, blank lines and colours are nothing; and the
    "… step" by which ./lab announces a step where it cannot draw a bar is nothing, for a reader sees the bar.
    """
    lines = [
        re.sub(r"([━─═])\1+", r"\1", re.sub(r"\s+", " ", line)).strip() for line in _ANSI.sub("", text).split("\n")
    ]
    return [line for line in lines if line and not line.startswith("… ")]


def compare(page: str, real: str) -> None:
    """Raises NotSeen, naming the first line that differs, unless the real output is what the page shows."""
    expected, found = normal(page), normal(real)
    for number in range(max(len(expected), len(found))):
        wanted = expected[number] if number < len(expected) else None
        line = found[number] if number < len(found) else None
        if wanted is None or line is None or not matches(wanted, line):
            raise NotSeen(
                f"\nthe page shows: {wanted or '(nothing more)'}"
                f"\nreally seen:    {line or '(nothing more)'}"
                f"\nall of it:\n{real}"
            )


def matches(wanted: str, line: str) -> bool:
    """Whether one line is what the page's line says. Raises NotSeen for a placeholder that is not declared."""
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
