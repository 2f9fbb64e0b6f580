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


@contextmanager
def frame(title: str, path: str) -> Generator[None]:
    """Draw the frame around the content of a page. path: which entry of the navigation is the present one."""
    ui.page_title(f"{title} · Dapr labs")
    with ui.header().classes("items-center q-px-md q-py-xs"), ui.element("nav").props('aria-label="Pages"'):
        with ui.row().classes("items-center gap-x-4 gap-y-0"):
            ui.label("Dapr labs").classes("text-weight-bold")
            for target, name in PAGES.items():
                link = ui.link(name, target).classes("text-white")
                if target == path:
                    link.props('aria-current="page"').classes("text-weight-bold")
    with ui.element("main").classes("w-full q-pa-md"):
        TextElement(tag="h1", text=title).classes("text-h5 q-ma-none q-mb-md")
        yield
