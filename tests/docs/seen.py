"""Compare the output of a command with the output on a page.

JSON is compared as JSON: daprd puts a blank after each comma or none, depending on its build. Everything else is
compared as text. Named placeholders stand for values that differ from run to run.
"""

from __future__ import annotations

import json
import re
from typing import Any

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
_ANSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
# A placeholder outside of a JSON string, which stands for a number: it becomes a string with this mark in front.
_BARE = "\0"
_BARE_PLACEHOLDER = re.compile(r'("(?:[^"\\]|\\.)*")|(<[a-z][a-z0-9 ]*>)')


class NotSeen(AssertionError):
    """The output on the page is not the output of the command."""


class _Number(str):
    """A JSON number, as it is written."""


def normal(text: str) -> list[str]:
    """Return the lines that count.

    A run of blanks becomes one blank, and a run of a table's line becomes one character. Blank lines and colours are
    dropped. So are the lines "… step" with which ./lab announces a step where it cannot draw a bar.
    """
    lines = [
        re.sub(r"([━─═])\1+", r"\1", re.sub(r"\s+", " ", line)).strip() for line in _ANSI.sub("", text).split("\n")
    ]
    return [line for line in lines if line and not line.startswith("… ")]


def compare(page: str, real: str) -> None:
    """Raise NotSeen, which names the first line that differs, unless the real output is the page's."""
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
    """Return whether a line is the page's line. Raise NotSeen for a placeholder that is not declared."""
    pattern = _json(_BARE_PLACEHOLDER.sub(lambda found: found[1] or json.dumps(_BARE + found[2]), wanted))
    if pattern is None:
        return _matches_text(wanted, line)
    value = _json(line)
    return value is not None and _matches_json(pattern, value)


def _json(text: str) -> Any:
    """Return the object or array that a line consists of, with its numbers as written; None for any other line."""
    if text[:1] not in ("{", "["):
        return None
    try:
        return json.loads(text, parse_int=_Number, parse_float=_Number)
    except ValueError:
        return None


def _matches_json(wanted: Any, value: Any) -> bool:
    if isinstance(wanted, dict):
        same_keys = isinstance(value, dict) and wanted.keys() == value.keys()
        return same_keys and all(_matches_json(wanted[key], value[key]) for key in wanted)
    if isinstance(wanted, list):
        same_length = isinstance(value, list) and len(wanted) == len(value)
        return same_length and all(_matches_json(*pair) for pair in zip(wanted, value, strict=True))
    if not isinstance(wanted, str):
        return wanted is value  # true, false and null
    is_number = isinstance(wanted, _Number) or wanted.startswith(_BARE)
    return (
        isinstance(value, str)
        and is_number == isinstance(value, _Number)
        and _matches_text(wanted.removeprefix(_BARE), value)
    )


def _matches_text(wanted: str, line: str) -> bool:
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
