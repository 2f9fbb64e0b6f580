"""Whatever the services of this lab are sent, their answers are in their contracts."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.runtime.conftest import Running
from tests.runtime.fuzzing import RUNS, fuzz

pytestmark = pytest.mark.lab("jobs")


@pytest.mark.parametrize(("seed", "examples"), RUNS)
def test_every_answer_is_in_the_contract(lab: Running, tmp_path: Path, seed: int | None, examples: int) -> None:
    fuzz(lab, tmp_path, seed, examples)
