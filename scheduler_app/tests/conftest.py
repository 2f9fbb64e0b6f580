"""Fixtures of the scheduler app's tests, which need no Dapr: the service, beside the kit's stand-in for its sidecar.

The stand-in calls nobody: tests send the callbacks themselves.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from kit.fakes import waiting
from kit.fakes.sidecar import Sidecar, running_sidecar
from main import create_app
from settings import Settings

SERVICE = Path(__file__).parent.parent


@pytest.fixture(autouse=True, scope="session")
def _only_the_settings_of_the_tests() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as environment:
        for name in Settings.model_fields:
            environment.delenv(name.upper(), raising=False)
        yield


@pytest.fixture(scope="session")
def _sidecar_of_the_session() -> Iterator[Sidecar]:
    with running_sidecar() as running:
        yield running


@pytest.fixture
def sidecar(_sidecar_of_the_session: Sidecar) -> Iterator[Sidecar]:
    """Return a healthy, empty stand-in sidecar, for this test alone."""
    _sidecar_of_the_session.reset()
    _sidecar_of_the_session.refuse_job = _refusal
    yield _sidecar_of_the_session
    _sidecar_of_the_session.reset()


@pytest.fixture
def serve(sidecar: Sidecar) -> Iterator[Callable[..., TestClient]]:
    """Return a function that starts the service with these settings and returns its client."""
    with ExitStack() as running:

        def start(**settings: Any) -> TestClient:
            ports = {"dapr_http_port": sidecar.http_port, "dapr_grpc_port": sidecar.grpc_port}
            app = create_app(Settings(_env_file=None, **{**ports, **settings}))
            return running.enter_context(TestClient(app, raise_server_exceptions=False))

        yield start


@pytest.fixture
def client(serve: Callable[..., TestClient]) -> TestClient:
    """Return the client of a service with its fault switches on."""
    return serve(faults_enabled=True)


@contextmanager
def process(sidecar: Sidecar, **environment: object) -> Iterator[tuple[Any, int]]:
    """Run the service as a process beside the stand-in, wait until it listens, and yield it with its port."""
    ports = {"DAPR_HTTP_PORT": sidecar.http_port, "DAPR_GRPC_PORT": sidecar.grpc_port}
    with waiting.process(SERVICE, **ports, **environment) as running:
        yield running


def runs_in(sidecar: Sidecar, key: str = "runs") -> list[dict[str, Any]]:
    """Return all entries of a list, oldest first, from the store itself."""
    head = sidecar.value(key) or {"page": 0, "entries": []}
    pages = [sidecar.value(f"{key}:{page}")["entries"] for page in range(head["page"])]
    return [entry for page in [*pages, head["entries"]] for entry in page]


def largest_value(sidecar: Sidecar) -> int:
    """Return the size of the largest stored value."""
    return max(len(value.data) for value in sidecar.values.values())


def problem_of(answer: Any, status: int) -> dict[str, Any]:
    """Return the body of an answer that must be a problem of that status."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["status"] == status
    return answer.json()


def _refusal(job: dict[str, Any]) -> str | None:
    """Return the reason for which the scheduler refuses a job, in its own words."""
    schedule = job.get("schedule", "@")
    if not schedule.startswith("@") and len(fields := schedule.removeprefix("TZ=Europe/Berlin ").split()) != 6:
        return f"expected exactly 6 fields, found {len(fields)}: [{schedule}]"
    if schedule == "@every 80000000h":
        return f"failed to parse duration {schedule}"
    if job.get("dueTime") == "nonsense":
        return "due time format not recognized"
    if "ttl" in job and "schedule" not in job:
        return "job must have a schedule to have a ttl"
    return None
