"""The table of faults names files and tests that exist."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
TABLE = (ROOT / "kit/engine/FAULTS.md").read_text()


def test_each_file_in_the_table_exists():
    named = set(re.findall(r"`([\w.-]+(?:/[\w.-]+)+)`", TABLE)) - {"docs/dapr-faults.md"}
    assert len(named) > 15
    assert [path for path in sorted(named) if not (ROOT / path).exists()] == []


def test_each_guard_says_when_it_goes():
    guarded = TABLE.partition("## Mended in the pinned runtime")[0]
    rows = [line.split(" | ") for line in guarded.splitlines() if re.match(r"\| (?!symptom)", line)]
    assert len(rows) > 20
    assert [row for row in rows if len(row) != 6 or not all(cell.strip("| ") for cell in row)] == []
