"""Pictures of the benches as SVG text: rows of dots over one time, readable in a diff and in light or dark mode."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from xml.etree import ElementTree
from xml.sax.saxutils import escape

WIDTH, MARGIN = 640, 16  # pixels

# Okabe and Ito's colours, which colour-blind readers can distinguish.
_STYLE = """\
text { font: 12px sans-serif; fill: #333 } .bold { font-weight: bold } line { stroke: #999 }
.failed { fill: #d55e00 } .succeeded { fill: #009e73 } .fired { fill: #0072b2 }
.refused { fill: none; stroke: #d55e00; stroke-width: 2 }
@media (prefers-color-scheme: dark) { text { fill: #ddd } }"""


class Dot(NamedTuple):
    """A moment in a row: when, what happened (the style), and the words shown while the pointer is on it.

    level: its height in the row, from 0 to 1.
    """

    at: float
    style: str
    words: str
    level: float = 0


def draw(title: str, rows: Mapping[str, Sequence[Dot]], unit: str, measured: Any, height: int = 46) -> str:
    """Return a picture with a row of dots for each name.

    height: pixels of a row. measured: the figures that it is drawn from, kept in it so that a test can draw it again.
    """
    dots = [dot for row in rows.values() for dot in row]
    step = _step(max(dot.at for dot in dots))
    steps = int(max(dot.at for dot in dots) / step) + 1
    bottom = height * len(rows)
    parts: list[str] = []
    for number, (name, row) in enumerate(rows.items()):
        top, floor = height * number, height * (number + 1) - 14
        parts.append(_text(MARGIN, top + 16, name, "bold"))
        for dot in row:
            parts.append(_dot(place(dot.at, steps * step), floor - dot.level * (height - 46), dot.style, dot.words))
    parts.append(f'<line x1="{MARGIN}" y1="{bottom}" x2="{WIDTH - MARGIN}" y2="{bottom}"/>')
    for number in range(steps + 1):
        x = place(number * step, steps * step)
        parts.append(f'<line x1="{x:.1f}" y1="{bottom}" x2="{x:.1f}" y2="{bottom + 4}"/>')
        parts.append(_text(x - 4, bottom + 17, f"{number * step:g}{'' if number else f' {unit}'}"))
    for number, style in enumerate(dict.fromkeys(dot.style for dot in dots)):
        parts.append(_dot(MARGIN + 6 + 100 * number, bottom + 36, style, style))
        parts.append(_text(MARGIN + 16 + 100 * number, bottom + 40, style))
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {bottom + 46}" width="{WIDTH}" role="img">',
        f"<title>{escape(title)}</title>",
        f"<desc>{escape(json.dumps(measured, separators=(',', ':')))}</desc>",
        f"<style>\n{_STYLE}\n</style>",
        *parts,
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def place(value: float, highest: float) -> float:
    """Return where on a horizontal axis from 0 to `highest` a value is."""
    return MARGIN + (WIDTH - 2 * MARGIN) * value / highest


def measured(drawn: str) -> Any:
    """Return the figures that a finished picture keeps."""
    return json.loads(ElementTree.fromstring(drawn).findtext("{http://www.w3.org/2000/svg}desc", ""))


def _step(highest: float) -> float:
    """Return a round distance between the numbers of an axis, of which there are at most eleven."""
    return next(step for step in (5, 10, 50, 100, 500, 1_000, 5_000, 10_000) if highest / step < 10)


def _text(x: float, y: float, words: str, style: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" class="{style}">{escape(words)}</text>'


def _dot(x: float, y: float, style: str, words: str) -> str:
    return f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" class="{style}"><title>{escape(words)}</title></circle>'
