"""The service of this lab answers requests of all kinds as its contract says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.runtime.conftest import Running
from tests.runtime.fuzzing import RUNS, fuzz
from tests.runtime.patterns.conftest import APP

pytestmark = pytest.mark.lab("patterns")


@pytest.mark.parametrize(("seed", "examples"), RUNS)
def test_every_answer_is_in_the_contract(lab: Running, tmp_path: Path, seed: int | None, examples: int) -> None:
    # task-api, which runs beside it, belongs to the tests of another lab.
    fuzz(replace(lab, apps=[lab.app(APP)]), tmp_path, seed, examples)
