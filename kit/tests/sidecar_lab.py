"""Clients of kit.sidecar beside a stand-in sidecar, for its tests."""

from collections.abc import AsyncGenerator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import grpc

from kit.edge.service import session_for
from kit.edge.settings import ServiceSettings
from kit.fakes.sidecar import Sidecar
from kit.sidecar.client import SdkClient


def settings_of(sidecar: Sidecar, **more: Any) -> ServiceSettings:
    """Return the settings of a service whose sidecar this is."""
    return ServiceSettings(_env_file=None, **(sidecar.ports | more))


@asynccontextmanager
async def connected(sidecar: Sidecar, seconds: float = 5.0, **more: Any) -> AsyncGenerator[SdkClient]:
    """Open a client beside this sidecar."""
    settings = settings_of(sidecar, **more)
    async with session_for(settings) as session, aclosing(SdkClient(settings, session, seconds)) as sdk:
        yield sdk


def crash_at_save(sidecar: Sidecar, number: int, applied: bool) -> list[str]:
    """Make the store fail at this save, before it or (`applied`) after it. Return the list of keys that it fills."""
    saved: list[str] = []

    def crash(method: str, key: str) -> Any:
        saved.extend([key] if method == "SaveState" else [])
        return (grpc.StatusCode.UNKNOWN, "crash") if method == "SaveState" and len(saved) == number else None

    setattr(sidecar, "lose" if applied else "refuse", crash)
    return saved
