"""Tests of chat without Dapr: the service in this process, and a stand-in for its sidecar (stand_in.py).

The workflow runs in the SDK's own worker against a stand-in of the engine (workflow_engine.py), so steps, retries,
timers and events are the real ones. That the real runtime does the same is shown by the repository's tests against it.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import grpc
import pytest
from dapr.ext.workflow._durabletask.internal import protos as pb
from dapr.ext.workflow._durabletask.internal.orchestrator_service_pb2_grpc import TaskHubSidecarServiceStub
from fastapi.testclient import TestClient
from stand_in import Sidecar, running_sidecar

from main import create_app
from settings import Settings

SERVICE = Path(__file__).parent.parent
QUICK = {f"{step}_retry_seconds": 0.01 for step in ("fetch", "generate", "save", "turn")} | {
    "fetch_attempts": 3,
    "save_attempts": 4,
    "wait_seconds": 10,
    "turn_check_seconds": 0.3,
}


@pytest.fixture(autouse=True, scope="session")
def _only_the_settings_of_the_tests() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as environment:
        for name in Settings.model_fields:
            environment.delenv(name.upper(), raising=False)
        yield


@pytest.fixture
def sidecar() -> Iterator[Sidecar]:
    """A healthy stand-in sidecar, for this test alone."""
    with running_sidecar() as running:
        yield running


def eventually(condition: Callable[[], Any], seconds: float = 10) -> Any:
    """Polls until the condition holds, and returns what it gave."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, "it did not come to pass"
        time.sleep(0.01)
    return found


@pytest.fixture
def serve(sidecar: Sidecar) -> Iterator[Callable[..., TestClient]]:
    """Makes a client of a service beside the stand-in sidecar, ready unless told not to wait for that."""
    with ExitStack() as running:

        def start(wait_until_ready: bool = True, **settings: object) -> TestClient:
            ports = {"dapr_http_port": sidecar.http_port, "dapr_grpc_port": sidecar.grpc_port}
            app = create_app(Settings(_env_file=None, **{**ports, **QUICK, **settings}))
            client = running.enter_context(TestClient(app, raise_server_exceptions=False))
            if wait_until_ready:
                eventually(lambda: client.get("/readyz").status_code == 200)
            return client

        yield start


@pytest.fixture
def client(serve: Callable[..., TestClient]) -> TestClient:
    """A ready service with the offline engine and its fault switches on."""
    return serve(faults_enabled=True)


def say(client: TestClient, text: str = "Hello", user: str = "Junaid", wait: bool = True, **metadata: str) -> Any:
    """Posts a message."""
    body = {"user_id": user, "text": text, "metadata": metadata}
    return client.post("/chat/", json=body, params={} if wait else {"wait": "false"})


def engine_call(sidecar: Sidecar, method: str, **request: Any) -> None:
    """Calls the engine past chat, as an operator could."""
    requests = {"StartInstance": pb.CreateInstanceRequest, "TerminateInstance": pb.TerminateRequest}
    with grpc.insecure_channel(f"127.0.0.1:{sidecar.grpc_port}") as channel:
        getattr(TaskHubSidecarServiceStub(channel), method)(requests[method](**request))


def start_again(sidecar: Sidecar, instance_id: str) -> None:
    """Starts a finished workflow once more under its id, as Dapr would without a word."""
    known = sidecar.engine.instances[instance_id]
    engine_call(sidecar, "StartInstance", instanceId=instance_id, name=known.name, input=known.input)
