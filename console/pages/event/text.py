"""A dialog with a text of several lines."""

from __future__ import annotations

from collections.abc import Callable

from nicegui import ui

from console.frame import heading
from console.pages.lab.parts import block, line


def text_dialog(title: str, text: str, more: Callable[[], object] | None = None) -> None:
    """Open a dialog with this text. Escape closes it. more: draws further buttons."""
    with ui.dialog(value=True) as dialog, ui.card().classes("full-width"):
        heading(title).style("overflow-wrap: anywhere")
        block(text, title).classes("full-width")
        with line():
            ui.button("Close", on_click=dialog.close, color=None).props("no-caps outline autofocus")
            if more:
                more()
    dialog.props["aria-label"] = title
    dialog.on("hide", dialog.delete)
