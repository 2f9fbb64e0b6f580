"""Page by page through a list: which part of it is shown, and the buttons to the others."""

from __future__ import annotations

from collections.abc import Callable

from nicegui import ui


class Pager:
    """The buttons and the sentence. Call `part` with the size of the list to get the bounds of the present page."""

    def __init__(self, what: str, size: int, on_change: Callable[[], object], page: int = 1) -> None:
        self.page = max(page, 1)
        self._what = what
        self._size = size
        self._on_change = on_change
        self._pages = 1
        with ui.row().classes("q-mb-sm").style("align-items: center; gap: 0.5rem"):
            self._sentence = ui.label().props('role="status"')
            self._back = self._button("Previous", -1)
            self._forth = self._button("Next", 1)

    def part(self, total: int) -> slice:
        """Return the bounds of the present page in a list of `total`, and show them."""
        self._pages = max(-(-total // self._size), 1)
        self.page = min(self.page, self._pages)
        start = (self.page - 1) * self._size
        end = min(start + self._size, total)
        shown = (
            f"{self._what} {start + 1:,} to {end:,} of {total:,}" if total > self._size else f"{self._what}: {total:,}"
        )
        if self._sentence.text != shown:
            self._sentence.text = shown
        for button, there_is in ((self._back, self.page > 1), (self._forth, self.page < self._pages)):
            button.set_visibility(total > self._size)
            button.set_enabled(there_is)
        return slice(start, end)

    def _button(self, text: str, step: int) -> ui.button:
        def turn() -> None:
            self.page += step
            self._on_change()

        return ui.button(text, on_click=turn, color=None).props("no-caps outline dense padding='xs sm'")
