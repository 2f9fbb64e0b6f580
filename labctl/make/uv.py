"""Make Python environments from their locks with uv."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from labctl.errors import LabError
from labctl.files import MADE_FROM, is_made_from
from labctl.stack import HOME


def uv() -> Path:
    """Return the uv on PATH, or the one that ./lab fetched. Raise LabError when there is none."""
    found = shutil.which("uv") or shutil.which("uv", path=HOME / "uv" / "bin")
    if not found:
        raise LabError("uv is missing: run ./lab, which fetches it, or install uv and try again.")
    return Path(found)


def is_made(environment: Path, lock: Path) -> bool:
    """Return whether an environment was made from the current lock, by an interpreter that still exists."""
    return (environment / "bin" / "python").exists() and is_made_from(environment, lock)


def make(environment: Path, lock: Path) -> None:
    """Make a virtual environment that holds exactly the packages of a lock, hashes checked. Raise LabError.

    Bytecode is compiled here. With PYTHONDONTWRITEBYTECODE each start of an app would compile it again.
    """
    _run(["venv", "-q", "--allow-existing", "--python", sys.executable, str(environment)])
    _run(["pip", "sync", "-q", "--compile-bytecode", "--require-hashes", str(lock)], {"VIRTUAL_ENV": str(environment)})
    shutil.copy(lock, environment / MADE_FROM)


def install_package(requirement: str, folder: Path) -> None:
    """Install one package without its dependencies into a folder. Raise LabError."""
    beside = folder.with_name(folder.name + ".new")
    _run(["pip", "install", "-q", "--no-deps", "--python", sys.executable, "--target", str(beside), requirement])
    shutil.rmtree(folder, ignore_errors=True)
    beside.rename(folder)


def _run(arguments: list[str], environment: dict[str, str] | None = None) -> None:
    command = [str(uv()), *arguments]
    result = subprocess.run(command, env=os.environ | (environment or {}), capture_output=True, text=True, check=False)
    if result.returncode == 0:
        return
    reason = result.stderr.strip()
    if "No space left" in reason:
        raise LabError(f"The disk is full: {reason.splitlines()[-1].strip()} Make room and run this again.")
    if "certificate" in reason:
        raise LabError(
            f"The certificate of the package index is not trusted: {reason.splitlines()[-1].strip()}. If a proxy "
            "inspects TLS here, name its certificate: export SSL_CERT_FILE=/path/to/ca.pem, or use the system's: "
            "export UV_SYSTEM_CERTS=1."
        )
    if any(sign in reason for sign in ("error sending request", "dns error", "Connection refused", "timed out")):
        last = reason.splitlines()[-1].strip()
        raise LabError(
            f"The Python package index does not answer ({last}). Is the network there? Run this again when it is."
        )
    raise LabError(f"uv {arguments[0]} failed: {reason[-400:]}")
