"""The pictures of docs/img: drawn by the benches, from the figures that each of them keeps."""

from __future__ import annotations

import io
import itertools
from types import ModuleType
from xml.etree import ElementTree

import pytest
from rich.console import Console

from labctl import bench
from labctl.bench import attempts, lateness
from labctl.bench.attempts import Attempt, Panel
from labctl.bench.svg import measured, place
from labctl.errors import LabError

SVG = "{http://www.w3.org/2000/svg}"
PICTURES = [pytest.param(module, id=name) for name, module in bench.PICTURES.items()]


@pytest.mark.parametrize("module", PICTURES)
def test_a_picture_is_what_its_bench_draws_of_its_figures(module: ModuleType) -> None:
    text = (bench.FOLDER / module.FILE).read_text()
    assert module.draw(module.read(measured(text))) == text, "draw it again: ./lab bench NAME --plot"


def test_the_folder_has_no_other_pictures_of_benches() -> None:
    found = {path.name for path in bench.FOLDER.glob("*.svg") if "<desc>" in path.read_text()}
    assert found == {module.FILE for module in bench.PICTURES.values()}


def test_each_attempt_is_a_mark_at_its_time() -> None:
    outcomes = [Attempt(0, "failed"), Attempt(5, "failed"), Attempt(7.5, "refused"), Attempt(10, "succeeded")]
    root = ElementTree.fromstring(attempts.draw([Panel("constant", outcomes[:2]), Panel("breaker", outcomes)]))
    marks = [one for one in root if one.find(f"{SVG}title") is not None and " s: " in (one[0].text or "")]
    assert [one[0].text for one in marks] == [
        "0 s: failed", "5 s: failed", "0 s: failed", "5 s: failed", "7.5 s: refused", "10 s: succeeded"
    ]  # fmt: skip
    assert [float(one.attrib["cx"]) for one in marks[:2]] == [place(0, 10), place(5, 10)]
    (opened,) = root.iter(f"{SVG}rect")
    assert float(opened.attrib["x"]) == pytest.approx(place(5, 20), abs=0.1)
    assert float(opened.attrib["width"]) == pytest.approx(place(10, 20) - place(5, 20), abs=0.1)


def test_the_committed_attempts_are_those_of_the_policies() -> None:
    text = (bench.FOLDER / attempts.FILE).read_text()
    constant, exponential, breaker = (panel.attempts for panel in attempts.read(measured(text)))
    assert [one.at for one in constant] == pytest.approx([0, 5, 10, 15], abs=0.5)
    pauses = [after.at - before.at for before, after in itertools.pairwise(exponential)]
    assert len(pauses) == 5
    assert pauses[-1] > pauses[0]
    assert [one.outcome for one in breaker[:11]] == ["failed"] * 10 + ["refused"]
    assert breaker[-1].outcome == "succeeded"


def test_lateness_is_told_by_the_share_of_jobs_that_had_fired() -> None:
    late = [float(number) for number in range(1, 1001)]
    assert lateness.quantiles(late) == [1, *range(50, 1001, 50)]
    assert lateness.quantiles([7.4]) == [7] * 21
    text = lateness.draw({"bare": [1, *range(50, 1001, 50)], "app": [1, *range(100, 2001, 100)]})
    bare, app = (curve.attrib["points"].split() for curve in ElementTree.fromstring(text).iter(f"{SVG}polyline"))
    assert len(bare) == len(app) == 21
    assert float(app[-1].split(",")[0]) == place(2000, 2000)
    assert float(bare[-1].split(",")[0]) == place(1000, 2000)


def test_a_bench_without_a_picture_is_one_sentence() -> None:
    with pytest.raises(LabError, match="only of: invocation, jobs"):
        bench.plot("chat", Console(file=io.StringIO()))
