"""What `python main.py` does: one call for "Dapr User", or with TEST_RETRY=true five, two seconds apart."""

import asyncio
import json
import sys
from uuid import uuid4

from callee import Callee, connected
from failures import CallFailed
from models import Via
from settings import Settings
from sidecar import SidecarNotReady


async def run(settings: Settings) -> None:
    """Calls callee and prints each answer; exits with a sentence and status 1 when that cannot be done."""
    names = [f"RetryTester_{number}" for number in range(1, 6)] if settings.test_retry else ["Dapr User"]
    async with connected(settings) as callee:
        await _wait_for_sidecar(callee, settings.sidecar_wait_seconds)
        for number, name in enumerate(names):
            if number:
                await asyncio.sleep(settings.test_retry_pause_seconds)
            try:
                answer = await callee.greet(name, Via.url, {"x-request-id": uuid4().hex})
            except CallFailed as failure:
                sys.exit(f"The call for {name} failed: {failure}")
            print("Response from callee:", json.dumps({"message": answer.message}, ensure_ascii=False), flush=True)


async def _wait_for_sidecar(callee: Callee, seconds: float) -> None:
    # `dapr run` starts the sidecar and the app at the same time.
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        try:
            return await callee.check_sidecar()
        except SidecarNotReady as error:
            if asyncio.get_running_loop().time() >= deadline:
                sys.exit(f"{error} Start this script with `dapr run`.")
        await asyncio.sleep(0.2)
