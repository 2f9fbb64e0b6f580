"""Tests of chat without Dapr: the service in this process, beside the kit's stand-ins of the sidecar and the engine.

The workflow runs in the SDK's own worker, so steps, retries, timers and events are the real ones. The repository's
tests show the same on the real runtime.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from dapr.ext.workflow._durabletask.internal import protos as pb
from dapr.ext.workflow._durabletask.internal.orchestrator_service_pb2_grpc import TaskHubSidecarServiceStub
from fake_memory import FakeMemory
from fastapi.testclient import TestClient

from kit.fakes.engine import Engine
from kit.fakes.sidecar import Sidecar, running_sidecar

pytest_plugins = ["kit.fakes.service"]
SERVICE = Path(__file__).parent.parent
QUICK = {
    "retry_seconds": 0.01,
    "fetch_attempts": 3,
    "save_attempts": 4,
    "queue_check_seconds": 0.3,
}


@pytest.fixture
def engine() -> Engine:
    """Return the workflow engine of the sidecar."""
    return Engine(real_time=True)


@pytest.fixture
def sidecar(engine: Engine) -> Iterator[Sidecar]:
    """Run a healthy stand-in sidecar, for this test alone."""
    with running_sidecar(engine.add_to) as running:
        running.connected_workers = engine.connected
        running.secrets["secretstore"]["USER_HASH_KEY"] = "lab-key"
        yield running
        engine.holds_starts.clear()


@pytest.fixture
def memory(sidecar: Sidecar) -> FakeMemory:
    """Return the agent-memory-service that the sidecar invokes."""
    made = FakeMemory(sidecar)
    sidecar.apps["agent-memory-service"] = made.answer
    return made


@pytest.fixture
def defaults(sidecar: Sidecar, memory: FakeMemory) -> dict[str, Any]:
    """Return the settings of each service: beside the sidecar and memory, with short pauses."""
    return sidecar.ports | QUICK


def say(client: TestClient, text: str = "Hello", user: str = "Junaid", wait: bool = True, **metadata: str) -> Any:
    """Post a message."""
    body = {"user_id": user, "text": text, "metadata": metadata}
    return client.post("/chat/", json=body, params={} if wait else {"wait": "false"})


def steps_of(engine: Engine) -> list[tuple[str | None, str]]:
    """Return the steps that were scheduled, in order: the id of the message in its input, if any, and its name."""

    def message_id(argument: dict[str, Any]) -> str | None:
        return argument.get("message", argument).get("message_id")

    return [(message_id(argument), name) for name, argument in engine.activities]


def engine_call(sidecar: Sidecar, method: str, request: Any) -> None:
    """Call the engine past chat, as an operator could."""
    with grpc.insecure_channel(f"127.0.0.1:{sidecar.grpc_port}") as channel:
        getattr(TaskHubSidecarServiceStub(channel), method)(request)


def terminate(sidecar: Sidecar, instance_id: str) -> None:
    """Terminate a workflow."""
    engine_call(sidecar, "TerminateInstance", pb.TerminateRequest(instanceId=instance_id))


def start_again(sidecar: Sidecar, engine: Engine, instance_id: str) -> None:
    """Start a finished workflow again under its id, which Dapr does without a word."""
    request = pb.CreateInstanceRequest(instanceId=instance_id, name="chat_workflow")
    request.input.value = engine.instances[instance_id].input
    engine_call(sidecar, "StartInstance", request)


def stored(sidecar: Sidecar, prefix: str) -> dict[str, Any]:
    """Return the state under keys that begin so."""
    return {key: sidecar.value(key) for key in sidecar.keys(prefix)}
