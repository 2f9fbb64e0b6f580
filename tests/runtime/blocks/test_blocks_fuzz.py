"""Every answer of the services of this lab is in their contracts, for requests of all kinds."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.runtime.blocks.receivers import mailbox, webhooks
from tests.runtime.conftest import Running
from tests.runtime.fuzzing import RUNS, fuzz

pytestmark = pytest.mark.lab("blocks")


@pytest.mark.parametrize(("seed", "examples"), RUNS)
def test_every_answer_is_in_the_contract(lab: Running, tmp_path: Path, seed: int | None, examples: int) -> None:
    with mailbox(), webhooks():
        fuzz(lab, tmp_path, seed, examples)
