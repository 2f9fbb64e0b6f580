"""Small pictures as SVG text: readable in a diff, and in a reader's light or dark mode."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree import ElementTree
from xml.sax.saxutils import escape, quoteattr

WIDTH, LEFT, RIGHT = 640, 16, 16

# Okabe and Ito's colours, which colour-blind readers can distinguish.
_STYLE = """\
text { font: 12px sans-serif; fill: #333 } .faint { fill: #777 } .bold { font-weight: bold }
.axis { stroke: #999 } .failed { fill: #d55e00 } .succeeded { fill: #009e73 }
.refused { fill: none; stroke: #d55e00; stroke-width: 2 } .first, .second { fill: none; stroke-width: 2 }
.first { stroke: #0072b2 } .second { stroke: #e69f00 }
@media (prefers-color-scheme: dark) { text { fill: #ddd } .faint { fill: #999 } }"""


class Picture:
    """A picture in progress."""

    def __init__(self, height: int, title: str) -> None:
        self._height, self._title = height, title
        self._parts: list[str] = []

    def text(self, x: float, y: float, words: str, style: str = "", *, anchor: str = "start") -> None:
        """Write words at a point. anchor: `start`, `middle` or `end` of the words is there."""
        place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
        self._parts.append(f"<text {place}{_class(style)}>{escape(words)}</text>")

    def line(self, start: tuple[float, float], end: tuple[float, float], style: str) -> None:
        """Draw a line."""
        ends = f'x1="{start[0]:.1f}" y1="{start[1]:.1f}" x2="{end[0]:.1f}" y2="{end[1]:.1f}"'
        self._parts.append(f"<line {ends}{_class(style)}/>")

    def dot(self, x: float, y: float, style: str, words: str) -> None:
        """Draw a dot. Its words are shown while the pointer is on it."""
        self._parts.append(
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5"{_class(style)}><title>{escape(words)}</title></circle>'
        )

    def curve(self, points: Sequence[tuple[float, float]], style: str) -> None:
        """Draw a line through all points."""
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self._parts.append(f'<polyline points="{path}"{_class(style)}/>')

    def axis(self, y: float, highest: float, every: float, unit: str) -> None:
        """Draw a horizontal axis from 0 to `highest` at this height, with a number at each step."""
        self.line((LEFT, y), (WIDTH - RIGHT, y), "axis")
        steps = round(highest / every)
        for step in range(steps + 1):
            at = place(step * every, highest)
            self.line((at, y), (at, y + 4), "axis")
            words = f"{step * every:g}{f' {unit}' if step == 0 else ''}"
            anchor = {0: "start", steps: "end"}.get(step, "middle")
            self.text(at, y + 17, words, "faint", anchor=anchor)

    def done(self, measured: str) -> str:
        """Return the file.

        measured: the figures that it was drawn from. They stay in it, so that a test can draw it again.
        """
        lines = [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {self._height}" width="{WIDTH}" role="img">',
            f"<title>{escape(self._title)}</title>",
            f"<desc>{escape(measured)}</desc>",
            f"<style>\n{_STYLE}\n</style>",
            *self._parts,
            "</svg>",
        ]
        return "\n".join(lines) + "\n"


def place(value: float, highest: float) -> float:
    """Return where on a horizontal axis from 0 to `highest` a value is."""
    return LEFT + (WIDTH - LEFT - RIGHT) * value / highest


def measured(drawn: str) -> str:
    """Return the figures that a finished picture keeps."""
    return ElementTree.fromstring(drawn).findtext("{http://www.w3.org/2000/svg}desc", "")


def _class(style: str) -> str:
    return f" class={quoteattr(style)}" if style else ""
