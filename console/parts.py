"""What the pages are made of: live parts, buttons for commands of ./lab, and tables."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

from nicegui import ui

from console.frame import code
from console.labs import Done, Labs
from console.trouble import sentence

Data = TypeVar("Data")
_NOTHING = object()  # was shown yet


def live(labs: Labs, seconds: float, load: Callable[[], Awaitable[Data]], draw: Callable[[Data], object]) -> None:
    """Draw a part of a page from what `load` returns, as soon as the page is open, and again whenever that changes.

    A dependency that is down gives a sentence above the last drawing. `load` returns new values that can be compared.
    Equal ones are not drawn again, so that focus and selection stay.
    """
    box = ui.element().classes("full-width")

    def show(data: Data) -> None:
        box.clear()
        with box:
            draw(data)

    watch(labs, seconds, load, show)


def watch(labs: Labs, seconds: float, load: Callable[[], Awaitable[Data]], show: Callable[[Data], object]) -> None:
    """Call `show` with what `load` returns, as `live` does, without deleting elements: it changes existing ones."""
    state = ui.label("Loading …").props('role="status"')
    shown: Any = _NOTHING

    async def look() -> None:
        nonlocal shown
        try:
            data = await load()
            if data != shown:
                show(data)
                shown = data
            _say(state, "")
        except Exception as error:
            _say(state, sentence(labs, error))

    ui.timer(seconds, look)


def _say(state: ui.label, text: str) -> None:
    """Show a sentence, or none. The label stays, because a screen reader announces only what changes in it."""
    if state.text != text:
        state.text = text
        state.classes("q-pa-sm q-mb-md bg-amber-3 text-black" if text else "", remove="q-pa-sm q-mb-md bg-amber-3")


def command(labs: Labs, text: str, *words: str, effect: str = "") -> ui.button:
    """Draw a button that runs a command of ./lab, beside the command. effect: shown below the command."""

    async def run() -> str:
        done = await labs.lab(*words)
        return _ended(done)

    with ui.row().classes("items-center no-wrap q-mb-xs").style("gap: 0.75rem"):
        button = action(labs, text, run, doing=f"./lab {' '.join(words)} …")
        with ui.column().style("gap: 0"):
            code(f"./lab {' '.join(words)}")
            if effect:
                ui.label(effect).classes("text-caption")
    return button


def _ended(done: Done) -> str:
    if done.code:
        raise CommandFailedError(f"{done.command} failed: {_last(done.output)}")
    return f"{done.command}: {_last(done.output) or 'done'}"


def _last(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return lines[-1] if lines else ""


def action(labs: Labs, text: str, act: Callable[[], Awaitable[str | None]], *, doing: str = "") -> ui.button:
    """Draw a button that does something once per press, and shows how it ended: what `act` returns, or its error.

    A screen reader announces both. doing: shown at once, for what takes seconds.
    """
    client = ui.context.client

    async def press() -> None:
        if "loading" in button.props:
            return
        button.props("loading")  # keeps the keyboard's focus, as `disable` would not
        if doing:
            notify(doing, "info")
        try:
            answer = await act()
        except Exception as error:
            notify(str(error) if isinstance(error, CommandFailedError) else sentence(labs, error), "negative")
        else:
            if answer:
                notify(answer, "positive")
        finally:
            if not button.is_deleted:
                button.props(remove="loading")

    def notify(message: str, kind: Any) -> None:
        # The button may have been drawn again since, or the page closed.
        if not client.is_deleted:
            with client:
                ui.notify(message, type=kind, close_button="Close", multi_line=True, timeout=NOTICE[kind])

    button = ui.button(text, on_click=press, color=None).props("no-caps outline")
    return button


NOTICE = {"info": 3_000, "positive": 6_000, "negative": 20_000}  # milliseconds


class CommandFailedError(Exception):
    """A command of ./lab ended with an error, which this says in one sentence."""


def table(
    label: str,
    columns: Mapping[str, str],
    rows: Sequence[Mapping[str, Any]],
    *,
    key: str,
    links: Mapping[str, str] | None = None,
    page_size: int = 0,
) -> ui.table:
    """Draw a table of text. To change it in place, set its `rows`.

    label: its name for a screen reader. columns: heading by field. key: a field that differs in each row.
    links: for a field with links, the field with their URLs. page_size: rows on a page of the table; 0 for all.
    """
    wanted = [{"name": name, "label": text, "field": name, "align": "left"} for name, text in columns.items()]
    # A table that is wider than the screen can be scrolled with the keyboard too.
    region = ui.element().classes("scrolled full-width overflow-auto q-mb-md").props('role="region" tabindex="0"')
    region.props["aria-label"] = label
    with region:
        drawn = ui.table(
            rows=[dict(row) for row in rows], columns=wanted, row_key=key, pagination=page_size or None
        ).props('flat bordered dense no-data-label="Nothing yet"')
    drawn.classes("full-width")
    for field, url in (links or {}).items():
        link = f"""<a :href="props.row['{url}']" style="color: inherit">{{{{ props.value }}}}</a>"""
        drawn.add_slot(f"body-cell-{field}", f'<q-td :props="props">{link}</q-td>')
    return drawn
