"""Draw a scene: boxes that are links, and lines below them. A reader of the page without pictures has the tables."""

from __future__ import annotations

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement

from console.graph.layout import HEIGHT, WIDTH, Layout, arrange, label_of, line
from console.graph.scene import Node, Scene
from console.spans.edges import Edge

STYLE = """
.map { position: relative; }
.map svg { position: absolute; inset: 0; pointer-events: none; }
.map svg text { font-size: 12px; fill: currentColor; text-anchor: middle; paint-order: stroke;
  stroke: var(--map-ground); stroke-width: 4px; }
.map { --map-ground: #fff; --calm: #b9c2cc; --busy: #1259a8; --bad: #b3261e; }
.body--dark .map { --map-ground: #121212; --calm: #3d464f; --busy: #7db8f5; --bad: #ff8a80; }
.map .sees { stroke: var(--calm); fill: none; }
.map .calls { stroke: var(--busy); stroke-width: 2; fill: none; }
.map .fails { stroke: var(--bad); stroke-width: 2; stroke-dasharray: 6 3; fill: none; }
.map .box { position: absolute; z-index: 1; box-sizing: border-box; overflow: hidden;
  display: flex; flex-direction: column; justify-content: center; align-items: center;
  border: 1px solid var(--calm); border-radius: 6px; background: var(--map-ground);
  color: inherit; font-size: 12px; line-height: 1.25; text-decoration: none; }
.map .box .name { font-weight: 600; }
.map a.box:hover, .map a.box:focus-visible { outline: 2px solid var(--busy); }
.map .app { border-width: 2px; border-color: #1b7f3b; }
.map .component { border-radius: 22px; }
.map .control { border-style: double; border-width: 3px; }
.map .down { border-color: var(--bad); border-style: dashed; }
.map .down .note { color: var(--bad); font-weight: 600; }
.map .column { position: absolute; font-size: 13px; transform: translate(-50%, -50%); }
@media (max-width: 760px) { .only-wide { display: none; } }
"""


def draw_boxes(scene: Scene) -> None:
    """Draw the boxes and, as thin lines, which app sees which component."""
    layout = arrange(scene)
    with _canvas(layout):
        with _svg(layout):
            for app, component in scene.sees:
                _path(line(layout.places[app], layout.places[component]), "sees")
        for name, place in layout.headings.items():
            at = f"left: {place.x}px; top: {place.y}px"
            TextElement(tag="div", text=f"lab {name}").classes("column").style(at)
        for node in scene.nodes:
            _box(node, layout)


def draw_edges(scene: Scene, edges: list[Edge], seconds: float) -> None:
    """Draw a line with calls per second for each edge, on top of the boxes of `draw_boxes`."""
    layout = arrange(scene)
    with _svg(layout).props('role="presentation"'):
        _arrows()
        for edge in edges:
            if edge.source in layout.places and edge.target in layout.places:
                ends = layout.places[edge.source], layout.places[edge.target]
                kind = "fails" if edge.errors else "calls"
                _path(line(*ends), kind).props(f'marker-end="url(#{kind})"')
                at = label_of(*ends)
                TextElement(tag="text", text=edge.rate(seconds)).props(f"x={at.x} y={at.y}")


def _canvas(layout: Layout) -> ui.element:
    return ui.element().style(f"position: relative; width: {layout.width}px; height: {layout.height}px")


def _svg(layout: Layout) -> ui.element:
    size = f"width={layout.width} height={layout.height}"
    return ui.element("svg").props(f'{size} viewBox="0 0 {layout.width} {layout.height}" aria-hidden="true"')


def _path(points: str, kind: str) -> ui.element:
    return ui.element("path").props(f'd="{points}"').classes(kind)


def _arrows() -> None:
    for kind, color in (("calls", "var(--busy)"), ("fails", "var(--bad)")):
        shape = "viewBox='0 0 10 10' refX=9 refY=5 markerWidth=9 markerHeight=9 markerUnits=userSpaceOnUse orient=auto"
        with ui.element("defs"), ui.element("marker").props(f"id={kind} {shape}"):
            ui.element("path").props('d="M 0 0 L 10 5 L 0 10 z"').style(f"fill: {color}")


def _box(node: Node, layout: Layout) -> None:
    place = layout.places[node.name]
    at = f"left: {place.x - WIDTH // 2}px; top: {place.y - HEIGHT // 2}px; width: {WIDTH}px; height: {HEIGHT}px"
    box = ui.element("a" if node.url else "div").classes(f"box {node.kind}").style(at)
    if node.url:
        box.props["href"] = node.url
    if not node.works:
        box.classes("down")
    with box:
        TextElement(tag="span", text=node.name).classes("name")
        TextElement(tag="span", text=node.note).classes("note")
