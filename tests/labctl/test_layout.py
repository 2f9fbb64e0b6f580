"""labctl's folders: short files, and imports that go one way."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from labctl.stack import ROOT

LONGEST = 250  # lines
# Each layer may import those before it. All that is not named here is below them.
LAYERS = (
    ("make",),
    ("up", "new"),
    ("observe",),
    ("demos",),
    ("bench",),
    ("chaos",),
    ("cli", "__main__", "testing", "second_try"),
)
LABCTL = ROOT / "labctl"
FILES = sorted(LABCTL.rglob("*.py"))


def layer(part: str) -> int:
    """Return the number of the layer of a folder or module of labctl."""
    return next((number for number, parts in enumerate(LAYERS, 1) if part in parts), 0)


def imported(file: Path) -> set[str]:
    """Return the folders and modules of labctl that a file imports from."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module == "labctl":
            found |= {one.name for one in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("labctl."):
            found.add(node.module.split(".")[1])
    return found


def test_no_file_is_long() -> None:
    assert [str(file) for file in FILES if len(file.read_text().splitlines()) > LONGEST] == []


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(LABCTL)))
def test_imports_go_one_way(file: Path) -> None:
    own = layer(file.relative_to(LABCTL).with_suffix("").parts[0])
    assert [one for one in imported(file) if layer(one) > own] == []
