"""Every link of every page that leads into this repository leads somewhere, and to no line number (lines move)."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

import pytest

from labctl.stack import ROOT
from tests.docs.pages import Page, pages


@pytest.mark.parametrize("page", [pytest.param(page, id=str(page.path)) for page in pages()])
def test_links_lead_somewhere(page: Page) -> None:
    broken: list[str] = []
    for link in page.links:
        if re.match(r"[a-z][a-z0-9+.-]*:", link):
            continue
        file, _, anchor = unquote(link).partition("#")
        target = (ROOT / page.path.parent / file).resolve() if file else ROOT / page.path
        if not target.exists() or not target.is_relative_to(ROOT):
            broken.append(f"{link}: no such file")
        elif re.fullmatch(r"L\d+(-L\d+)?", anchor):
            broken.append(f"{link}: a line number, which will be another one tomorrow")
        elif anchor and (target.suffix != ".md" or anchor not in Page(target.relative_to(ROOT)).headings):
            broken.append(f"{link}: no such heading")
    assert broken == []


def test_the_anchors_are_those_of_github(tmp_path: Path) -> None:
    text = "# What `./lab` does, and why\n\n## Break it\n\n## Break it\n\n## Zoë's *taught* name → here\n"
    file = tmp_path / "page.md"
    file.write_text(text)
    anchors = {"what-lab-does-and-why", "break-it", "break-it-1", "zoës-taught-name--here"}
    assert Page(file).headings == anchors
