"""The pictures of docs/img: drawn by the benches, from the figures that each of them keeps."""

from __future__ import annotations

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


def test_each_attempt_is_a_dot_at_its_time() -> None:
    outcomes = [Attempt(0, "failed"), Attempt(7.5, "refused"), Attempt(12, "succeeded")]
    root = ElementTree.fromstring(attempts.draw([Panel("constant", outcomes[:1]), Panel("breaker", outcomes)]))
    dots = [dot for dot in root.iter(f"{SVG}circle") if " s: " in (dot[0].text or "")]
    assert [dot[0].text for dot in dots] == ["0 s: failed", "0 s: failed", "7.5 s: refused", "12 s: succeeded"]
    assert [float(dot.attrib["cx"]) for dot in dots] == [place(at, 15) for at in (0, 0, 7.5, 12)]


def test_lateness_is_drawn_by_the_share_of_jobs_that_had_fired() -> None:
    late = [float(number) for number in range(1, 1001)]
    assert lateness.quantiles(late) == [1, *range(50, 1001, 50)]
    assert lateness.quantiles([7.4]) == [7] * 21
    root = ElementTree.fromstring(lateness.draw({"bare": [1, *range(50, 1001, 50)], "app": [1, *range(90, 1801, 90)]}))
    dots = [dot for dot in root.iter(f"{SVG}circle") if " % " in (dot[0].text or "")]
    assert [dots[index][0].text for index in (20, 41)] == ["100 % within 1000 ms", "100 % within 1800 ms"]
    assert [float(dots[index].attrib["cx"]) for index in (20, 41)] == [320, 563.2]
    assert [float(dot.attrib["cy"]) for dot in dots[:21:10]] == [106, 69, 32]
