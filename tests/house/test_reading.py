"""Each lab is read in ten minutes: few files, short files, and the page names them in order."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.house import reading
from tests.house.reading import MOST_PYTHON, ON_TOP, READING_PATHS
from tests.house.repository import ROOT, services

# The lines are still above their bound, so for now the test holds that they are. It fails when they are not.
LINES_TO_COME = True

LABS = [pytest.param(lab, marks=pytest.mark.lab(lab)) for lab in READING_PATHS]


@pytest.mark.parametrize("service", services(), ids=str)
def test_a_service_keeps_its_budget(service: Path) -> None:
    assert reading.over_service_budget(service) == []


@pytest.mark.parametrize("lab", LABS)
def test_a_lab_is_read_in_ten_minutes(lab: str) -> None:
    assert [one for path in READING_PATHS[lab] for one in reading.over_path_budget(path)] == []


@pytest.mark.parametrize("lab", LABS)
def test_the_page_has_the_reading_path_in_order(lab: str) -> None:
    (page,) = {path.page for path in READING_PATHS[lab]}
    assert files_to_read(page) == [one for path in READING_PATHS[lab] for one in path.files]


def test_the_python_lines_that_people_maintain_have_a_bound() -> None:
    if LINES_TO_COME:
        assert reading.python_lines() > MOST_PYTHON, "set LINES_TO_COME to False"
    else:
        assert reading.python_lines() <= MOST_PYTHON


def test_every_service_has_a_budget() -> None:
    assert {service.as_posix() for service in services()} == set(ON_TOP)


def files_to_read(page: Path) -> list[Path]:
    """Return the Python files that a page links under "Read it in ten minutes", in order."""
    _, _, rest = (ROOT / page).read_text().partition("\n## Read it in ten minutes\n")
    section = rest.partition("\n## ")[0]
    links = re.findall(r"\]\(([^)#]+\.py)\)", section)
    return [(ROOT / page.parent / link).resolve().relative_to(ROOT) for link in links]
