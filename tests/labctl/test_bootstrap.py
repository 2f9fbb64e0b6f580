"""The bootstrap `lab` on a machine that lacks something: one clear sentence, and what to do next."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from labctl.stack import HOME, ROOT

# All that `lab` asks of a system besides Python.
PROGRAMS = ("sh", "sed", "cmp", "mkdir", "cp", "cat", "dirname", "find", "head", "rm", "mv")
# The real interpreter: one of a virtual environment would bring the packages installed there.
PYTHON = Path(sys.executable).resolve()
NOBODY = "http://127.0.0.1:1/simple"


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """`lab` and its lock, with a PATH of the fewest programs in bin/ and no Python on it."""
    for name in ("lab", "requirements.txt"):
        shutil.copy(ROOT / name, tmp_path)
    put(tmp_path, **{name: found for name in PROGRAMS if (found := shutil.which(name))})
    return tmp_path


def put(checkout: Path, **programs: str | Path) -> None:
    """Put programs on the checkout's PATH."""
    (checkout / "bin").mkdir(exist_ok=True)
    for name, program in programs.items():
        (checkout / "bin" / name).symlink_to(program)


def lab(checkout: Path, command: str = "doctor", **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command of ./lab, with nothing of this machine's settings."""
    plain = {"PATH": str(checkout / "bin"), "HOME": str(checkout), "PIP_CONFIG_FILE": os.devnull, "UV_NO_CONFIG": "1"}
    return subprocess.run(
        [str(checkout / "lab"), command],
        env=plain | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_the_token_of_a_sidecar_reaches_only_the_dapr_cli(checkout: Path):
    python = checkout / ".lab" / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text('#!/bin/sh\necho "${DAPR_API_TOKEN:-none}"\n')
    python.chmod(0o755)
    shutil.copy(checkout / "requirements.txt", python.parents[1] / "made-from.txt")
    assert [lab(checkout, word, DAPR_API_TOKEN="mine").stdout for word in ("dapr", "doctor")] == ["mine\n", "none\n"]


def test_no_python_that_is_new_enough(checkout: Path):
    old = checkout / "python3"
    old.write_text("#!/bin/sh\nexit 1\n")  # what Python 3.9 answers to the question for its version
    old.chmod(0o755)
    put(checkout, python3=old)
    refused = lab(checkout)
    assert refused.returncode == 1
    assert refused.stderr.startswith("lab: Python 3.11 or newer is needed and none is on PATH.")
    assert len(refused.stderr.splitlines()) == 1


def test_an_index_that_does_not_answer_while_uv_is_fetched(checkout: Path):
    """With a Python as Debian packs it, without venv; making one for a second try would take many seconds."""
    python = checkout / "python3"
    python.write_text(f'#!/bin/sh\n[ "$2" != venv ] || exit 1\nexec "{PYTHON}" "$@"\n')
    python.chmod(0o755)
    put(checkout, python3=python)
    refused = lab(checkout, PIP_INDEX_URL=NOBODY, PIP_RETRIES="0")
    assert refused.returncode == 1
    assert "lab: uv could not be installed from PyPI" in refused.stderr.splitlines()[-1]
    assert "Is the network there?" in refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.skipif(
    not shutil.which("uv", path=f"{os.environ['PATH']}:{HOME / 'uv/bin'}"), reason="needs the uv that ./lab fetches"
)
def test_an_index_that_does_not_answer_while_the_environment_is_made(checkout: Path):
    put(checkout, python3=PYTHON, uv=str(shutil.which("uv", path=f"{os.environ['PATH']}:{HOME / 'uv/bin'}")))
    refused = lab(checkout, UV_DEFAULT_INDEX=NOBODY, UV_HTTP_RETRIES="0")
    assert refused.returncode == 1
    assert "labctl's environment could not be made, for the reason above" in refused.stderr.splitlines()[-1]
    assert "127.0.0.1:1" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_an_environment_whose_interpreter_is_gone_is_made_anew(checkout: Path):
    """As after an upgrade of the system's Python: the lock is the same, and the Python that made it is not there."""
    environment = checkout / ".lab" / "venv"
    (environment / "bin").mkdir(parents=True)
    (environment / "bin" / "python").symlink_to(checkout / "python3.10-that-was-removed")
    shutil.copy(checkout / "requirements.txt", environment / "made-from.txt")
    # Stands in for uv, which would fetch all of the lock: it makes the environment's interpreter, one that says so.
    uv = checkout / "uv"
    uv.write_text(
        '#!/bin/sh\n[ "$1" = venv ] || exit 0\nfor last; do :; done\nrm -f "$last/bin/python"\n'
        'printf \'#!/bin/sh\\necho made anew: "$@"\\n\' >"$last/bin/python"\nchmod +x "$last/bin/python"\n'
    )
    uv.chmod(0o755)
    put(checkout, python3=PYTHON, uv=uv, chmod=str(shutil.which("chmod")))
    found = lab(checkout)
    assert (found.returncode, found.stdout) == (0, "made anew: -m labctl doctor\n")
    assert "making labctl's environment" in found.stderr
    assert "making labctl's environment" not in lab(checkout).stderr
