"""Each lab page has the same form: a first round of ten minutes, the code to read, then all of it."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest

from tests.docs.pages import Page, pages, parsed
from tests.docs.quotes import quotes

SECTIONS = [
    "What you will see",
    "Ten minutes",
    "Read it in ten minutes",
    "All of it",
    "What Dapr does",
    "How it works",
    "Exercises",
    "On Kubernetes",
    "Taught name → here",
]
LONGEST_PARAGRAPH = 5 * 120  # characters: five lines
FEWEST_QUOTES = 4

PAGES = [pytest.param(page, id=str(page.path)) for page in pages() if page.is_executed]
LABS = [pytest.param(page, id=str(page.path)) for page in pages() if page.path.match("docs/labs/[1-9]*.md")]


def faults_of_form(page: Page) -> list[str]:
    """Return how a lab page differs from the form."""
    headings = re.findall(r"^## (.+)$", page.text, re.MULTILINE)
    found = [] if headings == SECTIONS else [f"sections: {headings}"]
    first_round = page.text.partition("\n## Ten minutes\n")[2].partition("\n## ")[0]
    if len(re.findall(r"^### ", first_round, re.MULTILINE)) != 3:
        found.append('"Ten minutes" has other parts than a run and two breaks')
    languages = {quote.block.language for quote in quotes(page)}
    if len(quotes(page)) < FEWEST_QUOTES or not languages >= {"python", "yaml"}:
        found.append(f"{len(quotes(page))} quotes, of {languages}")
    return found


def long_paragraphs(text: str) -> list[str]:
    """Return the beginnings of the paragraphs over five lines; a list item or table cell is no paragraph."""
    tokens = parsed(text)
    inside = [after for before, after in pairwise(tokens) if before.type == "paragraph_open"]
    plain = ["".join(child.content for child in one.children or []) for one in inside]
    return [f"{len(one)}: {one[:60]} …" for one in plain if len(one) > LONGEST_PARAGRAPH]


@pytest.mark.parametrize("page", LABS)
def test_a_lab_page_has_the_form(page: Page) -> None:
    assert faults_of_form(page) == []


@pytest.mark.parametrize("page", PAGES)
def test_no_paragraph_is_over_five_lines(page: Page) -> None:
    assert long_paragraphs(page.text) == []
