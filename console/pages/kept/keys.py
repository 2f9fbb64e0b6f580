"""The keys of one app: a bounded look at Redis, with ETag, TTL and size, and the value of a key on request."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nicegui import ui

from console.frame import code
from console.labs import Labs
from console.pages.event.text import text_dialog
from console.pages.lab.parts import line
from console.parts import action, table, watch
from console.state import keys
from console.state.keys import SEPARATOR, Key, Look
from console.state.stores import Store
from console.times import duration

SECONDS = 2.0
PAGE_SIZE = 50
COLUMNS = {
    "key": "Key",
    "etag": "ETag",
    "expires": "Expires in",
    "size": "Size",
    "kind": "Value",
    "show": "Actions",
}
# The value is sent to the page when it is asked for.
SHOW = """<q-td :props="props"><q-btn flat dense no-caps padding="0 xs" label="Show"
    :aria-label="'Show value of ' + props.row.key" @click="() => $parent.$emit('show', props.row.name)" /></q-td>"""


class Keys:
    """The keys of one owner in one browser tab."""

    def __init__(self, labs: Labs, stores: Sequence[Store]) -> None:
        self.labs = labs
        self.stores = stores
        self.found = Look()

    async def look(self, owner: str, prefix: str, *, more: bool = False) -> None:
        """Look for keys, from the start or from where the last look ended."""
        self.found = await keys.look(self.labs.redis, owner, prefix, self.found.cursor if more else 0)

    async def described(self) -> list[Key]:
        """Return the keys of the last look as they are now."""
        return await keys.described(self.labs.redis, self.found.names)

    def key_name(self, owner: str) -> str:
        """Return the secret that encrypts the values of this owner; empty if they are not."""
        return next((store.key_name for store in self.stores if owner in store.owners and store.key_name), "")


def owners(stores: Sequence[Store]) -> dict[str, str]:
    """Return the first parts of keys, each with the names of its stores."""
    found: dict[str, list[str]] = {}
    for store in stores:
        for owner in store.owners:
            found.setdefault(owner, []).append(store.name)
    return {owner: f"{owner} ({', '.join(names)})" for owner, names in sorted(found.items())}


def draw(labs: Labs, stores: Sequence[Store], owner: str, prefix: str) -> None:
    """Draw the form and the table. owner and prefix: what to look for at first."""
    known = owners(stores)
    if not known:
        ui.label("No component is a state store.")
        return
    mine = Keys(labs, stores)
    with line().classes("q-mb-sm"):
        chosen = ui.select(known, label="App", value=owner if owner in known else next(iter(known)))
        chosen.props("outlined dense").style("min-width: 16rem")
        typed = ui.input("Key begins with", value=prefix).props("outlined dense")

        async def look(more: bool = False) -> str:
            await mine.look(str(chosen.value), str(typed.value or ""), more=more)
            show(await mine.described())
            return ""

        action(labs, "Look", look)
        further = action(labs, "Look further", lambda: look(more=True))
    result = ui.label().props('role="status"').classes("q-mb-sm")
    engine = ui.element().classes("q-mb-sm")
    drawn = table("Keys", COLUMNS, [], key="name", page_size=PAGE_SIZE)
    drawn.add_slot("body-cell-show", SHOW)
    drawn.on("show", lambda event: _show_value(labs, str(event.args)))

    def show(found: list[Key]) -> None:
        key_name = mine.key_name(str(chosen.value))
        drawn.rows = [row_of(key, key_name) for key in found]
        result.text = sentence(mine.found)
        further.set_visibility(mine.found.cursor != 0)
        _draw_engine(engine, mine.found)

    async def first() -> list[Key]:
        if not mine.found.looked_at:
            await mine.look(str(chosen.value), str(typed.value or ""))
        return await mine.described()

    chosen.on_value_change(look)
    watch(labs, SECONDS, first, show)


def sentence(found: Look) -> str:
    """Return what the last look found."""
    shown = f"{len(found.names):,} {'key' if len(found.names) == 1 else 'keys'}"
    if found.cursor:
        return f"{shown} among the {found.looked_at:,} keys of Redis that this look compared. There are more."
    return f"{shown}." if found.names else "No keys."


def row_of(key: Key, key_name: str) -> dict[str, Any]:
    """Return a key as a row. key_name: the secret that encrypts its value, if one does."""
    return {
        "name": key.name,
        "key": key.name.partition(SEPARATOR)[2],
        "etag": key.etag,
        "expires": "never" if key.ttl is None else duration(key.ttl),
        "size": f"{key.size:,} bytes",
        "kind": f"encrypted with {key_name}" if key_name else "text",
    }


def _draw_engine(box: ui.element, found: Look) -> None:
    box.clear()
    with box:
        for kind, count in sorted(found.engine.items()):
            with line():
                ui.label(f"And {count:,} keys of the workflow engine:")
                code(kind)
                ui.link("Workflows", "/workflows").style("color: inherit")


async def _show_value(labs: Labs, name: str) -> None:
    found = await keys.value(labs.redis, name)
    if found is None:
        text = "The key is gone."
    elif found.encrypted_with:
        text = (
            f"The value is encrypted with {found.encrypted_with}. Redis has only the ciphertext. "
            "The sidecar decrypts it for its app."
        )
    else:
        text = found.text
    text_dialog(f"Value of {name}", text)
