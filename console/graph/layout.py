"""Where each box of the map is: a column of apps for each lab, below them components, then the control plane."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from console.graph.scene import Scene

COLUMN, ROW, GAP, TOP = 222, 68, 34, 36
ROW_OF_APPS = 6  # at most
WIDTH, HEIGHT = 168, 44  # of a box
BEND = 34  # of a line around boxes: they have no more room


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
    by_group: dict[str, list[str]] = {}
    for node in scene.nodes:
        if node.kind == "app":
            by_group.setdefault(node.group, []).append(node.name)
    places, headings = _apps(by_group)
    columns = max(len({place.x for place in places.values()}), 4)
    rows = [*_rows(scene, places, columns), _named(scene, "control")]
    # Lines need room: the fewer rows there are, the flatter they would be.
    gap = ROW // 2 + GAP if len(rows) > 3 else ROW + GAP
    y = max((place.y for place in places.values()), default=0) + gap
    for row in rows:
        step = columns * COLUMN // max(len(row), columns)
        shift = (columns * COLUMN - step * len(row)) // 2
        places |= {name: Place(shift + index * step + step // 2, y) for index, name in enumerate(row)}
        y += (ROW if len(rows) > 3 else ROW + GAP) if row else 0
    return Layout(places, headings, columns * COLUMN, y)


def _apps(by_group: dict[str, list[str]]) -> tuple[dict[str, Place], dict[str, Place]]:
    """Return the places of apps and of their headings: a column for each group, or all in a row if there are few."""
    in_a_row = sum(len(names) for names in by_group.values()) <= ROW_OF_APPS
    places: dict[str, Place] = {}
    headings: dict[str, Place] = {}
    column = 0
    for group, names in by_group.items():
        headings[group] = Place(column * COLUMN + COLUMN // 2, TOP // 3)
        for index, name in enumerate(names):
            across, down = (index, 0) if in_a_row else (0, index)
            places[name] = Place((column + across) * COLUMN + COLUMN // 2, TOP + down * ROW + ROW // 2)
        column += len(names) if in_a_row else 1
    return places, headings


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
    """Return the SVG path from the edge of one box to the edge of another. In a row or column it leads around boxes."""
    if _is_around(source.x - target.x, source.y - target.y, ROW):
        side, bend = source.x + WIDTH // 2, source.x + WIDTH // 2 + BEND
        return f"M {side} {source.y} C {bend} {source.y} {bend} {target.y} {side} {target.y}"
    if _is_around(source.y - target.y, source.x - target.x, COLUMN):
        side, bend = source.y - HEIGHT // 2, source.y - HEIGHT // 2 - BEND
        return f"M {source.x} {side} C {source.x} {bend} {target.x} {bend} {target.x} {side}"
    begin, end = _border(source, target), _border(target, source)
    return f"M {begin[0]} {begin[1]} L {end[0]} {end[1]}"


def label_of(source: Place, target: Place) -> Place:
    """Return where the label of a line is: nearer to its source, because the line back has one too."""
    x, y = round(0.6 * source.x + 0.4 * target.x), round(0.6 * source.y + 0.4 * target.y)
    if _is_around(source.x - target.x, source.y - target.y, ROW):
        return Place(source.x + WIDTH // 2 + BEND, y)
    if _is_around(source.y - target.y, source.x - target.x, COLUMN):
        return Place(x, source.y - HEIGHT // 2 - BEND // 2)
    if source.y == target.y:
        return Place((source.x + target.x) // 2, source.y - HEIGHT // 2 - 6)  # between two boxes it has no room
    return Place(x, (source.y + target.y) // 2 + 4 if source.x == target.x else y)


def _is_around(same: int, apart: int, step: int) -> bool:
    """Return whether two boxes are in one row or column with others between them."""
    return same == 0 and abs(apart) > step


def _border(box: Place, other: Place) -> tuple[int, int]:
    """Return the point where the line from the middle of a box to another leaves the box."""
    dx, dy = other.x - box.x, other.y - box.y
    reach = (
        min((size / 2 + 3) / abs(distance) for size, distance in ((WIDTH, dx), (HEIGHT, dy)) if distance)
        if dx or dy
        else 0
    )
    return round(box.x + dx * reach), round(box.y + dy * reach)
