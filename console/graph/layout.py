"""Where each box of the map is: a column of apps for each lab, below them components, then the control plane."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from console.graph.scene import Node, Scene

COLUMN, ROW, GAP, TOP = 222, 68, 64, 30
WIDTH, HEIGHT = 168, 44  # of a box


@dataclass(frozen=True)
class Place:
    """The middle of a box."""

    x: int
    y: int


@dataclass(frozen=True)
class Layout:
    """The places of all boxes, the headings of the columns, and the size of the whole."""

    places: dict[str, Place]
    headings: dict[str, Place]
    width: int
    height: int


def arrange(scene: Scene) -> Layout:
    """Return the places of a scene. A component is as near to the apps that see it as its row allows."""
    by_group: dict[str, list[Node]] = {}
    for node in scene.nodes:
        if node.kind == "app":
            by_group.setdefault(node.group, []).append(node)
    columns = max(len(by_group), 4)
    places: dict[str, Place] = {}
    headings: dict[str, Place] = {}
    for column, (group, nodes) in enumerate(by_group.items()):
        x = column * COLUMN + COLUMN // 2
        headings[group] = Place(x, TOP // 2)
        places |= {node.name: Place(x, TOP + row * ROW + ROW // 2) for row, node in enumerate(nodes)}
    y = TOP + max((len(nodes) for nodes in by_group.values()), default=0) * ROW + GAP
    for row in [*_rows(scene, places, columns), _named(scene, "control")]:
        step = columns * COLUMN // max(len(row), columns)
        shift = (columns * COLUMN - step * len(row)) // 2
        places |= {name: Place(shift + index * step + step // 2, y) for index, name in enumerate(row)}
        y += ROW if row else 0
    return Layout(places, headings, columns * COLUMN, y)


def _rows(scene: Scene, apps: dict[str, Place], columns: int) -> Iterator[list[str]]:
    """Yield the names of components row by row, each row from left to right by the apps that see them."""

    def middle(name: str) -> float:
        seen_at = [apps[app].x for app, component in scene.sees if component == name and app in apps]
        return sum(seen_at) / len(seen_at) if seen_at else 0

    names = sorted(_named(scene, "component"), key=lambda name: (middle(name), name))
    in_row = max(columns * COLUMN // (WIDTH + 12), 1)
    count = -(-len(names) // in_row)
    # Neighbours go below each other, so that each row spans all columns.
    yield from (names[row::count] for row in range(count))


def _named(scene: Scene, kind: str) -> list[str]:
    return [node.name for node in scene.nodes if node.kind == kind]


def line(source: Place, target: Place) -> str:
    """Return the SVG path from the edge of one box to the edge of another. Within a column it leads around boxes."""
    if source.x == target.x and abs(source.y - target.y) > ROW:
        side = source.x + WIDTH // 2
        bend = side + min(34, abs(source.y - target.y) // 4)
        return f"M {side} {source.y} C {bend} {source.y} {bend} {target.y} {side} {target.y}"
    begin, end = _border(source, target), _border(target, source)
    return f"M {begin[0]} {begin[1]} L {end[0]} {end[1]}"


def label_of(source: Place, target: Place) -> Place:
    """Return where the label of a line is: nearer to its source, because the line back has one too."""
    if source.x == target.x and abs(source.y - target.y) > ROW:
        return Place(source.x + WIDTH // 2 + 30, round(0.6 * source.y + 0.4 * target.y))
    return Place(round(0.6 * source.x + 0.4 * target.x), round(0.6 * source.y + 0.4 * target.y))


def _border(box: Place, other: Place) -> tuple[int, int]:
    """Return the point where the line from the middle of a box to another leaves the box."""
    dx, dy = other.x - box.x, other.y - box.y
    reach = (
        min((size / 2 + 3) / abs(distance) for size, distance in ((WIDTH, dx), (HEIGHT, dy)) if distance)
        if dx or dy
        else 0
    )
    return round(box.x + dx * reach), round(box.y + dy * reach)
