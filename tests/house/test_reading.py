"""Each lab is read in ten minutes: few files, short files, and the page names them in order."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.house import reading
from tests.house.reading import MOST_PYTHON, ON_TOP, READING_PATHS, ReadingPath
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


def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, **texts: str) -> Path:
    """Write the files of a service named callee_service and return its path below the root."""
    service = Path("callee_service")
    (tmp_path / service).mkdir()
    for name, text in texts.items():
        (tmp_path / service / f"{name}.py").write_text(text)
    paths = [service / f"{name}.py" for name in texts]

    def below(_: Path) -> list[Path]:
        return paths

    def read(path: Path) -> str:
        return (tmp_path / path).read_text()

    monkeypatch.setattr(reading, "ROOT", tmp_path)
    monkeypatch.setattr(reading, "below", below)
    monkeypatch.setattr(reading, "text", read)
    return service


def test_what_is_over_budget_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    function = "async def greet():\n" + "    pass\n" * 30
    texts = {"main": "x = 1\n" * 170 + function, "long": "x = 1\n" * 251, "a_pb2": "", "b": "", "c": "", "d": ""}
    service = write(tmp_path, monkeypatch, **texts)
    assert reading.over_service_budget(service) == [
        "6 files on top, at most 5: main.py, long.py, a_pb2.py, b.py, c.py, d.py",
        "long.py: 251 lines, at most 250",
        "main.py: 201 lines, at most 180",
        "main.py: greet has 31 lines, at most 30",
        "a_pb2.py: generated, so it belongs into a folder",
    ]
    path = ReadingPath(Path("page.md"), tuple(service / f"{name}.py" for name in ("main", "long", "long", "gone")))
    assert reading.over_path_budget(path) == ["there is no callee_service/gone.py"]
    path = ReadingPath(Path("page.md"), (service / "main.py", *(service / "long.py" for _ in range(5))))
    assert reading.over_path_budget(path) == ["1456 lines, at most 600", "6 files"]


def test_what_is_within_budget_is_fine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    function = "async def greet():\n" + "    pass\n" * 29
    service = write(tmp_path, monkeypatch, main="x = 1\n" * 150 + function, long="x = 1\n" * 250)
    assert reading.over_service_budget(service) == []
    assert reading.over_path_budget(ReadingPath(Path("page.md"), (service / "main.py", service / "long.py"))) == []
