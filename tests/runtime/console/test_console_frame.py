"""The frame of every page."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Page, expect

from tests.runtime.conftest import Running


@pytest.mark.lab("invocation")
def test_the_navigation_leads_to_each_page(page: Page, lab: Running) -> None:
    page.goto("/")
    for name in ("Traces", "Workflows", "Events", "State and jobs", "Labs", "Map"):
        page.get_by_role("navigation").get_by_role("link", name=name, exact=True).click()
        expect(page.get_by_role("heading", level=1, name=name)).to_be_visible()
        expect(page).to_have_title(re.compile(f"^{name}"))
