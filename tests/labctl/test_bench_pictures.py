"""The pictures of docs/img: drawn by the benches, from the figures that each of them keeps."""

from __future__ import annotations

import itertools
from types import ModuleType
from xml.etree import ElementTree

import pytest

from labctl import bench
from labctl.bench import attempts, lateness
from labctl.bench.attempts import Attempt, Panel
from labctl.bench.svg import measured, place

SVG = "{http://www.w3.org/2000/svg}"
PICTURES = [pytest.param(module, id=name) for name, module in bench.PICTURES.items()]


@pytest.mark.parametrize("module", PICTURES)
def test_a_picture_is_what_its_bench_draws_of_its_figures(module: ModuleType) -> None:
    text = (bench.FOLDER / module.FILE).read_text()
    assert module.draw(module.read(measured(text))) == text, "draw it again: ./lab bench NAME --plot"


def test_the_folder_has_no_other_pictures_of_benches() -> None:
    found = {path.name for path in bench.FOLDER.glob("*.svg") if "<desc>" in path.read_text()}
    assert found == {module.FILE for module in bench.PICTURES.values()}


def test_each_attempt_is_a_dot_at_its_time() -> None:
    outcomes = [Attempt(0, "failed"), Attempt(7.5, "refused"), Attempt(12, "succeeded")]
    root = ElementTree.fromstring(attempts.draw([Panel("constant", outcomes[:1]), Panel("breaker", outcomes)]))
    dots = [dot for dot in root.iter(f"{SVG}circle") if " s: " in (dot[0].text or "")]
    assert [dot[0].text for dot in dots] == ["0 s: failed", "0 s: failed", "7.5 s: refused", "12 s: succeeded"]
    assert [float(dot.attrib["cx"]) for dot in dots] == [place(at, 15) for at in (0, 0, 7.5, 12)]


def test_the_committed_attempts_are_those_of_the_policies() -> None:
    text = (bench.FOLDER / attempts.FILE).read_text()
    constant, exponential, breaker = (panel.attempts for panel in attempts.read(measured(text)))
    assert [one.at for one in constant] == pytest.approx([0, 5, 10, 15], abs=0.5)
    pauses = [after.at - before.at for before, after in itertools.pairwise(exponential)]
    assert len(pauses) == 5
    assert pauses[-1] > pauses[0]
    assert [one.outcome for one in breaker[:11]] == ["failed"] * 10 + ["refused"]
    assert breaker[-1].outcome == "succeeded"


def test_lateness_is_drawn_by_the_share_of_jobs_that_had_fired() -> None:
    late = [float(number) for number in range(1, 1001)]
    assert lateness.quantiles(late) == [1, *range(50, 1001, 50)]
    assert lateness.quantiles([7.4]) == [7] * 21
    root = ElementTree.fromstring(lateness.draw({"bare": [1, *range(50, 1001, 50)], "app": [1, *range(90, 1801, 90)]}))
    dots = [dot for dot in root.iter(f"{SVG}circle") if " % " in (dot[0].text or "")]
    assert [dots[index][0].text for index in (20, 41)] == ["100 % within 1000 ms", "100 % within 1800 ms"]
    assert [float(dots[index].attrib["cx"]) for index in (20, 41)] == [320, 563.2]
    assert [float(dot.attrib["cy"]) for dot in dots[:21:10]] == [106, 69, 32]
