"""labctl's folders: short files, and imports that go one way."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from labctl.stack import ROOT

LONGEST = 250  # lines
# Each layer may import those before it. Files on top belong to the first layer, or to the last, which is cli.
LAYERS = ("", "make", "up", "demos", "bench", "chaos", "cli")
ON_TOP_OF_ALL = {"cli", "__main__", "testing", "second_try"}
FILES = sorted((ROOT / "labctl").rglob("*.py"))


def layer(module: str) -> int:
    """Return the number of a module's layer: labctl.make.uv is in `make`."""
    parts = module.split(".")[1:]
    if len(parts) <= 1 and (parts or [""])[0] not in LAYERS:
        return LAYERS.index("cli" if parts and parts[0] in ON_TOP_OF_ALL else "")
    return LAYERS.index(parts[0])


def name(file: Path) -> str:
    return ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imported(file: Path) -> set[str]:
    """Return the modules of labctl that a file imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "labctl":
            inner = [f"{node.module}.{one.name}" for one in node.names]
            modules = {name(path) for path in FILES}
            found |= {one if one in modules else node.module for one in inner}
    return found


def test_no_file_is_long() -> None:
    assert [str(file) for file in FILES if len(file.read_text().splitlines()) > LONGEST] == []


@pytest.mark.parametrize("file", FILES, ids=name)
def test_imports_go_one_way(file: Path) -> None:
    assert [one for one in imported(file) if layer(one) > layer(name(file))] == []
