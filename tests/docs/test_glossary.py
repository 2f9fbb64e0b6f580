"""The glossary has ten words, and each page links a word of it at its first use."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from markdown_it.token import Token

from labctl.stack import ROOT
from tests.docs.pages import Page, pages, parsed
from tests.house.words import Prose

GLOSSARY = Page(Path("docs/glossary.md"))
# Each word by its anchor, as it may stand in a sentence.
WORDS = {
    "sidecar": r"sidecars?",
    "app-id": r"app ids?",
    "component": r"components?",
    "building-block": r"building blocks?",
    "actor": r"actors?",
    "reminder": r"reminders?",
    "turn": r"turns?",
    "worker": r"workers?",
    "dead-letter": r"dead[- ]letters?",
    "idempotent": r"idempoten(?:t|ce|cy)",
}
# The table of faults is for developers, and is made from the kit.
UNLINKED = [GLOSSARY, Page(Path("docs/dapr-faults.md"))]
PAGES = [pytest.param(page, id=str(page.path)) for page in pages() if page.is_executed and page not in UNLINKED]


def first_uses(text: str) -> dict[str, str | None]:
    """Return each word that a page uses, with the link around its first use (None if there is none).

    Headings, code and pictures do not count.
    """
    found: dict[str, str | None] = {}
    heading = False
    for token in parsed(text):
        heading = token.type == "heading_open" or (heading and token.type == "inline")
        if token.type == "inline" and not heading:
            _note_uses(token, found)
        heading = heading and token.type != "inline"
    return found


def _note_uses(inline: Token, found: dict[str, str | None]) -> None:
    link: str | None = None
    for child in inline.children or []:
        if child.type == "link_open":
            link = str(child.attrs.get("href"))
        elif child.type == "link_close":
            link = None
        elif child.type == "text":
            for anchor, pattern in WORDS.items():
                if anchor not in found and re.search(rf"(?<![\w/.]){pattern}(?![\w/])", child.content, re.I):
                    found[anchor] = link


def test_the_glossary_has_ten_words_of_two_or_three_sentences() -> None:
    assert GLOSSARY.headings - {"glossary"} == set(WORDS)
    assert len(WORDS) == 10
    for section in GLOSSARY.text.split("\n## ")[1:]:
        word, _, text = section.partition("\n")
        assert len(Prose(GLOSSARY.path, 1, text).sentences) in (2, 3, 4), word


@pytest.mark.parametrize("page", PAGES)
def test_a_page_links_a_word_at_its_first_use(page: Page) -> None:
    glossary = os.path.relpath(ROOT / GLOSSARY.path, (ROOT / page.path).parent)
    uses = first_uses(page.text)
    assert uses, "a page that uses none of the words"
    assert {anchor: link for anchor, link in uses.items() if link != f"{glossary}#{anchor}"} == {}
