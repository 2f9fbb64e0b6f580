"""The frame of every page: its heading, the way to the other pages, and light or dark as the system has it."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement

PAGES = {
    "/": "Map",
    "/traces": "Traces",
    "/workflows": "Workflows",
    "/events": "Events",
    "/state": "State and jobs",
    "/labs": "Labs",
}
# White on it, and it on white, have a contrast above 4.5.
PRIMARY = "#1259a8"
# The region around a table scrolls, which a keyboard reaches, and not the box that Quasar makes in it.
STYLE = """
.scrolled .q-table__container { width: max-content; min-width: 100%; }
.scrolled .q-table__middle { overflow: visible; max-width: none; }
"""


@contextmanager
def frame(title: str, path: str) -> Generator[None]:
    """Draw the frame around the content of a page. path: which entry of the navigation is the present one."""
    ui.page_title(f"{title} · Dapr labs")
    ui.colors(primary=PRIMARY)
    ui.add_css(STYLE)
    with (
        ui.header().classes("q-px-md q-py-xs"),
        ui.element("nav").props('aria-label="Pages"').classes("row items-center").style("gap: 0.25rem 1rem"),
    ):
        ui.label("Dapr labs").classes("text-weight-bold")
        for target, name in PAGES.items():
            link = ui.link(name, target).classes("text-white")
            if target == path:
                link.props('aria-current="page"').classes("text-weight-bold")
    with ui.element().classes("full-width") as content:
        heading(title, level=1)
        yield
    ui.skip_link("Skip to the content", target=content)


def heading(text: str, *, level: int = 2) -> TextElement:
    """Draw a heading. Level 1 is the page's own."""
    size = {1: "text-h5", 2: "text-h6"}.get(level, "text-subtitle1 text-weight-bold")
    return TextElement(tag=f"h{level}", text=text).classes(f"{size} q-mt-none q-mb-sm")


def code(text: str) -> TextElement:
    """Draw words that a user types or a program wrote, as text."""
    return TextElement(tag="code", text=text).style("overflow-wrap: anywhere")
