"""Small parts that the lab pages share. Texts of services are shown as text, never as HTML."""

from __future__ import annotations

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement

from console.sending import Answer

EDGE = "border: 1px solid rgb(128 128 128 / 0.4); border-radius: 4px"


def block(text: str, label: str) -> TextElement:
    """Draw text of several lines as it is. It scrolls, also by keyboard, when it is long."""
    style = f"white-space: pre-wrap; overflow-wrap: anywhere; max-height: 24rem; overflow: auto; {EDGE}"
    drawn = TextElement(tag="pre", text=text).style(style).classes("q-ma-none q-pa-sm text-caption")
    drawn.props("tabindex=0 role=region").props["aria-label"] = label
    return drawn


def grid(least: str) -> ui.element:
    """Draw a grid with as many columns as fit, each at least this wide."""
    style = f"display: grid; gap: 1rem; grid-template-columns: repeat(auto-fit, minmax(min(100%, {least}), 1fr))"
    return ui.element().classes("full-width").style(style)


def line() -> ui.row:
    """Draw a row whose parts wrap."""
    return ui.row().classes("full-width").style("gap: 0.25rem 0.75rem; align-items: center")


def link(text: str, target: str) -> ui.link:
    """Draw a link that can be read in light and dark."""
    return ui.link(text, target).style("color: inherit")


class Notice:
    """The line that says what became of the last press, with a link to its trace."""

    def __init__(self) -> None:
        with line().props("role=status"):
            self._text = ui.label()
            self._trace = link("Its trace", "#")
        self._trace.set_visibility(False)

    def say(self, text: str) -> None:
        """Show a sentence."""
        self._text.text = text
        self._trace.set_visibility(False)

    def show(self, answer: Answer, done: str) -> bool:
        """Show that the request was accepted, or why not, in the words of the service. Return whether it was."""
        self.say(done if answer.is_success else f"Refused: {answer.sentence}" if answer.status else answer.sentence)
        self._trace.set_visibility(bool(self._text.text and answer.trace_id and answer.status))
        self._trace.props["href"] = f"/traces/{answer.trace_id}"
        return answer.is_success
