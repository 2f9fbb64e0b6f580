"""Each lab is read in ten minutes: few files, short files, and the page names them in order."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.house import reading
from tests.house.reading import MOST_PYTHON, READING_PATHS
from tests.house.repository import ROOT, services

LABS = [pytest.param(lab, marks=pytest.mark.lab(lab)) for lab in READING_PATHS]


@pytest.mark.parametrize("service", services(), ids=str)
def test_a_service_keeps_its_budget(service: Path) -> None:
    assert reading.over_service_budget(service) == []


@pytest.mark.parametrize("lab", LABS)
def test_a_lab_is_read_in_ten_minutes(lab: str) -> None:
    assert reading.over_path_budget(READING_PATHS[lab]) == []


@pytest.mark.parametrize("lab", LABS)
def test_the_page_has_the_reading_path_in_order_and_its_length(lab: str) -> None:
    path = READING_PATHS[lab]
    section = to_read(path.page)
    links = re.findall(r"^\d+\. \[[^]]+\]\(([^)#]+\.py)\)", section, re.MULTILINE)
    assert [(ROOT / path.page.parent / link).resolve().relative_to(ROOT) for link in links] == [*path.files]
    (said,) = re.findall(r"about (\d+) lines", section)
    assert int(said) == pytest.approx(sum(map(reading.lines, path.files)), rel=0.1)


def test_the_python_lines_that_people_maintain_have_a_bound() -> None:
    assert reading.python_lines() <= MOST_PYTHON


def to_read(page: Path) -> str:
    """Return the section of a page that is headed "Read it in ten minutes"."""
    _, _, rest = (ROOT / page).read_text().partition("\n## Read it in ten minutes\n")
    return rest.partition("\n## ")[0]
