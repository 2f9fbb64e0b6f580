"""A table of work in time: a line each with its bar, which a click or Enter folds out to its facts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from nicegui import ui

# White on these, and black on amber, have a contrast above 4.5.
BADGES = {
    "completed": "bg-green-9 text-white",
    "done": "bg-green-9 text-white",
    "ok": "bg-green-9 text-white",
    "running": "bg-blue-9 text-white",
    "failed": "bg-red-9 text-white",
    "error": "bg-red-9 text-white",
    "suspended": "bg-amber-5 text-black",
    "waiting": "bg-amber-5 text-black",
}
OTHER_BADGE = "bg-grey-8 text-white"
LONGEST = 4000  # characters of a fact
CSS = """
.wf td { vertical-align: top; }
.wf-what { display: flex; align-items: flex-start; gap: 0.25rem; white-space: normal; min-width: 9rem; }
.wf-what > div { overflow-wrap: anywhere; }
.wf-track { position: relative; height: 0.9rem; margin-top: 0.35rem; min-width: 4rem; }
.wf-track { background: rgba(128, 128, 128, .18); }
.wf-bar { position: absolute; top: 0; bottom: 0; min-width: 2px; background: #1976d2; }
.wf-bar.wf-bad { background: #c62828; }
.wf-fact { white-space: pre-wrap; overflow-wrap: anywhere; margin: 0; font-family: monospace; }
.wf td { text-align: left; }
.wf-fold { border: 0; background: none; color: inherit; font: inherit; min-width: 1.5rem; min-height: 1.5rem; }
.wf dl { margin: 0 0 0.5rem 2rem; } .wf dt { font-weight: bold; } .wf dd { margin: 0 0 0.35rem 0; }
.wf-what > div { flex: 1; } .wf-narrow { height: 0.4rem; margin: 0.2rem 0; }
@media (max-width: 700px) { .wf-wide { display: none !important; } }
@media (min-width: 701px) { .wf-narrow { display: none; } }
"""
# Plain elements: a component of Quasar for each cell makes a page of 100 lines slow.
BODY = r"""
<tr class="cursor-pointer" @click="props.expand = !props.expand">
  <td>
    <div class="wf-what" :style="{ paddingLeft: Math.min(props.row.depth, 12) * 0.75 + 'rem' }">
      <button type="button" class="wf-fold" :aria-expanded="props.expand ? 'true' : 'false'"
        :aria-label="'Facts of ' + props.row.name" @click.stop="props.expand = !props.expand"
        >{{ props.expand ? '▾' : '▸' }}</button>
      <div>
        <a v-if="props.row.url" :href="props.row.url" style="color: inherit" @click.stop>{{ props.row.name }}</a>
        <span v-else>{{ props.row.name }}</span>
        <div class="text-caption">{{ props.row.note }}</div>
        <div class="wf-track wf-narrow" aria-hidden="true">
          <div :class="props.row.bar" :style="props.row.place"></div>
        </div>
      </div>
    </div>
  </td>
  <td class="wf-wide" style="width: 40%">
    <div class="wf-track" aria-hidden="true"><div :class="props.row.bar" :style="props.row.place"></div></div>
  </td>
  <td class="wf-wide">{{ props.row.offset }}</td>
  <td>{{ props.row.took }}</td>
  <td><span class="q-badge" :class="props.row.badge">{{ props.row.state }}</span></td>
</tr>
<tr v-if="props.expand">
  <td colspan="100"><dl>
    <template v-for="fact in props.row.facts" :key="fact[0]">
      <dt>{{ fact[0] }}</dt><dd class="wf-fact">{{ fact[1] }}</dd>
    </template>
  </dl></td>
</tr>
"""
COLUMNS = {"name": "What", "bar": "When", "offset": "After", "took": "Took", "state": "State"}
WIDE = ("bar", "offset")  # not shown on a narrow screen; folded out, each line has them as facts


@dataclass
class Line:
    """A line. start, end: seconds since the start of the whole. url: what the name links to. facts: label and text."""

    key: str
    name: str
    note: str
    start: float
    end: float
    state: str
    took: str
    depth: int = 0
    url: str = ""
    is_bad: bool = False
    facts: Sequence[tuple[str, str]] = field(default_factory=tuple[tuple[str, str], ...])


class Waterfall:
    """The table. `show` replaces its lines. Those that are folded out stay so."""

    def __init__(self, label: str) -> None:
        ui.add_css(CSS)
        columns = [
            {"name": name, "label": text, "field": name, "align": "left"}
            | ({"headerClasses": "wf-wide"} if name in WIDE else {})
            for name, text in COLUMNS.items()
        ]
        region = ui.element().classes("scrolled full-width overflow-auto q-mb-md").props('role="region" tabindex="0"')
        region.props["aria-label"] = label
        with region:
            self.table = ui.table(rows=[], columns=columns, row_key="key").props("flat bordered dense")
        self.table.classes("full-width wf").add_slot("body", BODY)

    def show(self, lines: Sequence[Line], seconds: float) -> None:
        """Show these lines. seconds: from the start of the whole to its end."""
        self.table.rows = [row(line, seconds) for line in lines]


def row(line: Line, seconds: float) -> dict[str, Any]:
    """Return a line as the table takes it, with its bar in per cent of the whole."""
    whole = max(seconds, 1e-9)
    left = min(max(line.start / whole * 100, 0.0), 100.0)
    width = min(max((line.end - line.start) / whole * 100, 0.0), 100.0 - left)
    return {
        "key": line.key,
        "name": line.name,
        "note": line.note,
        "depth": line.depth,
        "url": line.url,
        "bar": "wf-bar wf-bad" if line.is_bad else "wf-bar",
        "place": {"left": f"{left:.2f}%", "width": f"{width:.2f}%"},
        "offset": f"+{duration(line.start)}",
        "took": line.took,
        "state": line.state,
        "badge": badge(line.state),
        "facts": [[label, bounded(text)] for label, text in line.facts if text],
    }


def badge(state: str) -> str:
    """Return the classes of a state's badge. It has the word too, because a colour alone says nothing to some."""
    return BADGES.get(state, OTHER_BADGE)


def bounded(text: str) -> str:
    """Return a text of at most LONGEST characters, which says so if it is cut."""
    return text if len(text) <= LONGEST else f"{text[:LONGEST]} … (cut: {len(text):,} characters)"


def duration(seconds: float) -> str:
    """Return a duration in the unit that fits it."""
    if seconds < 1e-3:
        return f"{seconds * 1e6:.0f} µs"
    if seconds < 1:
        return f"{seconds * 1e3:.1f} ms" if seconds < 0.1 else f"{seconds * 1e3:.0f} ms"
    if seconds < 120:
        return f"{seconds:.2f} s" if seconds < 10 else f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
