"""Make what a start needs: the runtime, Redis, the secrets file, each service's environment."""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from filelock import FileLock, Timeout

from labctl import files
from labctl.errors import LabError
from labctl.make import new_keys, redis_server, uv
from labctl.make import runtime as dapr
from labctl.progress import Steps
from labctl.runfile import App
from labctl.stack import HOME, ROOT, Stack

_SECRETS = ROOT / "secrets"


def set_up(
    stack: Stack, apps: Sequence[App], steps: Steps, *, own_runtime: bool = False, from_source: bool = False
) -> dapr.Runtime:
    """Make everything that is missing, in parallel: runtime, Redis, secrets file, each service's environment.

    own_runtime, from_source: as `runtime.ensure` has them.
    """
    ensure_secrets()
    with ThreadPoolExecutor() as pool:
        runtime = pool.submit(dapr.ensure, steps, own=own_runtime, from_source=from_source)
        work = [pool.submit(redis_server.ensure_redis, stack, steps)]
        work.append(pool.submit(set_up_environments, apps, steps))
        for one in work:
            one.result()
        return runtime.result()


def ensure_secrets() -> None:
    """Write the file behind the component `secretstore`: its example, with keys made for this checkout."""
    example, made = _SECRETS / "secrets.example.json", _SECRETS / "secrets.json"
    with checkout_lock("secrets"):
        kept = read_secrets() if made.exists() else {}
        known = new_keys.fill(json.loads(example.read_text()), kept)
        if known != kept:
            files.put(made, json.dumps(known, indent=2) + "\n")
        _ensure_attachments_key()


def _ensure_attachments_key() -> None:
    """Write the key of the component `crypto`, a JSON Web Key, unless there is one."""
    path = _SECRETS / "keys" / "attachments.json"
    if not path.exists():
        files.put(path, new_keys.json_web_key())


def read_secrets() -> dict[str, Any]:
    """Return the secrets of this checkout. Raise LabError if a sidecar could not use them."""
    path = _SECRETS / "secrets.json"
    advice = "Correct it, or put the file back: what is stored opens with the keys in it only."
    try:
        known: dict[str, Any] = json.loads(path.read_bytes())
        # One secret may have several keys, each with a text (tasksecretstore).
        is_usable = all(_is_text(value) for value in known.values())
    except (ValueError, AttributeError):
        known, is_usable = {}, False
    if not is_usable:
        raise LabError(f"{path} is no JSON object of texts. {advice}")
    key = known.get("STATE_ENCRYPTION_KEY", "")
    if key and not re.fullmatch("([0-9a-fA-F]{16}){2,4}", key):
        wrong = f"STATE_ENCRYPTION_KEY in {path} has {len(key)} characters. It needs 32, 48 or 64 hexadecimal digits."
        raise LabError(f"{wrong} {advice}")
    return known


def _is_text(value: object) -> bool:
    texts = cast("dict[str, object]", value).values() if isinstance(value, dict) else [value]
    return all(type(text) is str for text in texts)


def set_up_environments(apps: Sequence[App], steps: Steps) -> None:
    """Make the .venv of each service whose lock has changed."""
    # A sidecar without an app, or an app that borrows another's environment, has no lock.
    folders = dict.fromkeys(app.folder for app in apps if (app.folder / "requirements-dev.txt").exists())
    with ThreadPoolExecutor(max_workers=4) as pool:
        for made in [pool.submit(make_environment, folder, steps) for folder in folders]:
            made.result()


def make_environment(folder: Path, steps: Steps, environment: Path | None = None) -> Path:
    """Make an environment from a folder's lock if it is missing or stale: .venv by default. Return its interpreter."""
    lock, environment = folder / "requirements-dev.txt", environment or folder / ".venv"
    name = "tests" if folder == ROOT else folder.relative_to(ROOT).as_posix()
    # The lock is outside the service's folder, which holds only what the service needs.
    with checkout_lock(f"{name.replace('/', '-')}-environment"):
        if not uv.is_made(environment, lock):
            with steps.step(f"{name}: its Python environment"):
                uv.make(environment, lock)
    return environment / "bin" / "python"


@contextmanager
def held_alone(lock: FileLock, sentence: str) -> Generator[None]:
    """Hold a lock. Raise LabError with this sentence at once while another process holds it."""
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise LabError(sentence) from None
    try:
        yield
    finally:
        lock.release()


def checkout_lock(name: str) -> FileLock:
    """Return a lock that all labctl processes of this checkout share."""
    HOME.mkdir(parents=True, exist_ok=True)
    return FileLock(HOME / f"{name}.lock")
