"""Fixtures of the kit's tests: a small service built by the kit, in this process."""

from collections.abc import AsyncGenerator, Callable
from typing import Any

import pytest
from fastapi import APIRouter, Depends, FastAPI

from kit.edge.faults import Faults, may_fail
from kit.edge.service import build
from kit.edge.settings import ServiceSettings
from kit.edge.token import only_dapr
from kit.fakes.sidecar import Sidecar
from kit.sidecar.client import SdkClient
from kit.sidecar.store import StateStore
from kit.tests.engine_lab import Lab, lab
from kit.tests.sidecar_lab import connected

pytest_plugins = ["kit.fakes.beside", "kit.fakes.service"]
story = APIRouter()


@story.get("/greet/{name}", dependencies=[Depends(may_fail)])
async def greet(name: str) -> dict[str, str]:
    """Greet."""
    return {"message": f"Hello, {name}!"}


@story.post("/events", dependencies=[Depends(only_dapr)])
async def on_event(event: dict[str, int]) -> dict[str, int]:
    """Take an event that only Dapr may deliver."""
    return event


@pytest.fixture(autouse=True)
def _only_the_settings_of_the_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ServiceSettings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    """Return the event loop on which AnyIO's plugin runs the tests that are coroutines."""
    return "asyncio"


@pytest.fixture(scope="session", autouse=True)
async def _one_loop_for_all_tests(anyio_backend: str) -> AsyncGenerator[None]:
    """Keep the event loop open between tests.

    gRPC has one queue of ended calls for all loops of a process. A cancelled call may end after its test, and would
    fail whichever test runs then, were its own loop closed.
    """
    yield  # noqa: PT022 (a return would not keep the loop)


@pytest.fixture
async def sdk(sidecar: Sidecar) -> AsyncGenerator[SdkClient]:
    """Return a client beside the stand-in sidecar."""
    async with connected(sidecar) as sdk:
        yield sdk


@pytest.fixture
async def store(sdk: SdkClient) -> StateStore[Any]:
    """Return a state store of JSON objects."""
    return StateStore(sdk, "statestore")


@pytest.fixture
async def other_store(sidecar: Sidecar) -> AsyncGenerator[StateStore[Any]]:
    """Return the same store as another replica has it."""
    async with connected(sidecar) as sdk:
        yield StateStore(sdk, "statestore")


@pytest.fixture
async def at() -> AsyncGenerator[Lab]:
    """Return a worker beside a stand-in sidecar with the fake engine."""
    async with lab() as at:
        yield at


@pytest.fixture
def make_app() -> Callable[..., FastAPI]:
    """Return a function that builds a small service from settings."""

    def make(only_sidecar: bool = False, **settings: object) -> FastAPI:
        return build(
            ServiceSettings(_env_file=None, **settings),
            title="greeter",
            description="Greets.",
            welcome="GET /greet/{name}",
            routers=[story],
            only_sidecar=only_sidecar,
            faults=Faults("greeter"),
        )

    return make
