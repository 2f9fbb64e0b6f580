"""The code on the pages is the code in the files."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs import pages as module
from tests.docs.pages import Page, pages
from tests.docs.quotes import LANGUAGES, LONGEST, SHORTEST, NoSuchQuote, quoted, quotes, rewrite

PAGES = [pytest.param(page, id=str(page.path)) for page in pages()]
CODE = '''"""A module."""

LIMIT = 3


class Shop:
    """A shop."""

    @route("/order")
    async def order(self, name: str) -> str:
        """Order a pizza.

        It takes time.
        """
        if not name:
            raise ValueError(name)
        return name
'''
YAML = """spec:
  retries:
    mine:
      policy: constant
      duration: 5s
      maxRetries: 3
    other:
    another:
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "shop.py").write_text(CODE)
    (tmp_path / "policies.yaml").write_text(YAML)
    return tmp_path


@pytest.mark.parametrize("page", PAGES)
def test_a_quote_is_equal_to_its_file(page: Page) -> None:
    for quote in quotes(page):
        assert quote.block.text == quote.real(), f"{quote.where}: python -m tests.docs.quotes --write"


@pytest.mark.parametrize("page", PAGES)
def test_a_quote_is_short_and_in_its_language(page: Page) -> None:
    for quote in quotes(page):
        assert SHORTEST <= len(quote.block.text.splitlines()) <= LONGEST, quote.where
        assert quote.block.language == LANGUAGES[quote.path.suffix], quote.where


@pytest.mark.parametrize("page", PAGES)
def test_code_on_a_page_is_a_quote(page: Page) -> None:
    code = [one for one in page.blocks if one.language in LANGUAGES.values() and page.is_executed]
    assert [f"{page.path}:{one.line}" for one in code if one.directive != "quote"] == []


@pytest.mark.parametrize(
    ("words", "shown"),
    [
        ("shop.py::LIMIT", "LIMIT = 3\n"),
        (
            "shop.py::Shop.order without docstring",
            '@route("/order")\nasync def order(self, name: str) -> str:\n'
            "    if not name:\n        raise ValueError(name)\n    return name\n",
        ),
        (
            'shop.py::Shop.order without docstring without "if not" to "raise"',
            '@route("/order")\nasync def order(self, name: str) -> str:\n    # …\n    return name\n',
        ),
        (
            'policies.yaml lines "mine:" to "maxRetries"',
            "mine:\n  policy: constant\n  duration: 5s\n  maxRetries: 3\n",
        ),
        (
            'policies.yaml lines "mine:" to "maxRetries" without "policy" to "duration"',
            "mine:\n  # …\n  maxRetries: 3\n",
        ),
        ('policies.yaml lines "other:" to "other"', "other:\n"),
    ],
)
def test_a_part_of_a_file_is_quoted(root: Path, words: str, shown: str) -> None:
    assert quoted(words, root) == shown


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ("shop.py", "names no part"),
        ("shop.py::Shop.cook", "there is no Shop.cook"),
        ("kitchen.py::cook", "there is no file"),
        ('policies.yaml lines "nothing" to "3"', "in 0 lines"),
        ('policies.yaml lines ":" to "3"', "in 8 lines"),
        ('policies.yaml lines "other:" to "maxRetries"', "does not follow"),
        ('shop.py::LIMIT without "class" to "order"', "in 0 lines"),
    ],
)
def test_a_part_that_is_not_there_is_an_error(root: Path, words: str, why: str) -> None:
    with pytest.raises(NoSuchQuote, match=why):
        quoted(words, root)


def test_quotes_are_rewritten_in_place(monkeypatch: pytest.MonkeyPatch, root: Path) -> None:
    monkeypatch.setattr(module, "ROOT", root)
    monkeypatch.setattr("tests.docs.quotes.ROOT", root)
    text = (
        "Before.\n\n<!-- quote: shop.py::LIMIT -->\n```python\nLIMIT = 2\n# old\n```\n\n1. One\n\n"
        '   <!-- quote: policies.yaml lines "mine" to "policy" -->\n   ```yaml\n   ```\n\nAfter.\n'
    )
    (root / "page.md").write_text(text)
    page = Page(Path("page.md"))
    assert rewrite(page) == 2
    assert [quote.block.text for quote in quotes(page)] == ["LIMIT = 3\n", "mine:\n  policy: constant\n"]
    assert page.text.startswith("Before.\n\n<!-- quote: shop.py::LIMIT -->\n```python\nLIMIT = 3\n```\n\n1. One\n")
    assert page.text.endswith("   mine:\n     policy: constant\n   ```\n\nAfter.\n")
    assert rewrite(page) == 0
