"""The tables of the console's pages, as the tests read them."""

from __future__ import annotations

from playwright.sync_api import Locator, Page


def row(page: Page, table: str, *texts: str) -> Locator:
    """Return the row of a table that has a cell with each of these texts."""
    found = page.get_by_role("region", name=table, exact=True).locator("tbody tr")
    for text in texts:
        found = found.filter(has=page.get_by_role("cell", name=text, exact=True))
    return found


def cell(page: Page, table: str, column: str, *texts: str) -> Locator:
    """Return the cell of this row that is below this heading. The table must have been drawn."""
    headings = page.get_by_role("region", name=table, exact=True).locator("thead th").all_inner_texts()
    return row(page, table, *texts).locator("td").nth(headings.index(column))
