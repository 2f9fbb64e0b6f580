"""A page that names a test names one that exists: a link whose text is the test's name, to the file that has it."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from labctl.stack import ROOT
from tests.docs.pages import Page, pages
from tests.house.repository import table

_NAMED = re.compile(r"\[`(test_\w+)`\]\(([^)]+)\)")
CONCEPTS = Page(Path("docs/concepts.md"))
PAGES = [pytest.param(page, id=str(page.path)) for page in pages() if _NAMED.search(page.text)]


def unknown_tests(page: Page) -> list[str]:
    """Return the tests that a page names and that are not in the linked file."""
    named = [(name, (ROOT / page.path.parent / file).resolve()) for name, file in _NAMED.findall(page.text)]
    return [name for name, file in named if name not in defined(file)]


def defined(file: Path) -> set[str]:
    """Return the names of the functions of a Python file."""
    tree = ast.parse(file.read_text())
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}


@pytest.mark.parametrize("page", PAGES)
def test_every_named_test_exists(page: Page) -> None:
    assert unknown_tests(page) == []


@pytest.mark.parametrize("rule", ["never", "always"])
def test_six_rules_are_each_held_by_a_test(rule: str) -> None:
    rows = table(CONCEPTS.text, (rule, "because", "held by"))
    assert len(rows) == 6
    assert [row for row in rows if not row[2].startswith("test_")] == []


def test_readme_links_each_building_block_of_the_concepts() -> None:
    linked = table(Page(Path("README.md")).text, ("block", "code", "page", "test"))
    explained = table(CONCEPTS.text, ("block", "HTTP path"))
    assert [row[0] for row in linked] == [row[0] for row in explained]
    assert [row for row in linked if not all(row)] == []
