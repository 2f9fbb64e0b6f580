"""The script `python main.py`: one call for "Dapr User", or with TEST_RETRY=true five, two seconds apart."""

import asyncio
import json
import sys
from uuid import uuid4

import aiohttp

from callee import Callee, connected
from kit.edge.service import session_for
from kit.sidecar.ready import check_ready
from kit.sidecar.unavailable import Unavailable
from models import Via
from settings import Settings


async def run(settings: Settings) -> None:
    """Call callee and print each answer; exit with a sentence and status 1 if a call fails."""
    async with session_for(settings) as session, connected(settings, session) as callee:
        await _wait_for_sidecar(session, settings)
        if not settings.test_retry:
            print("Response from callee:", await _greeting(callee, "Dapr User"), flush=True)
            return
        for attempt in range(1, 6):
            if attempt > 1:
                await asyncio.sleep(settings.test_retry_pause_seconds)
            print(f"Attempt {attempt} response:", await _greeting(callee, f"RetryTester_{attempt}"), flush=True)


async def _greeting(callee: Callee, name: str) -> str:
    try:
        answer = await callee.greet(name, Via.url, {"x-request-id": uuid4().hex})
    except Unavailable as failure:
        sys.exit(f"The call for {name} failed: {failure}")
    return json.dumps({"message": answer.message}, ensure_ascii=False)


async def _wait_for_sidecar(session: aiohttp.ClientSession, settings: Settings) -> None:
    # `dapr run` starts the sidecar and the app at the same time.
    deadline = asyncio.get_running_loop().time() + settings.sidecar_wait_seconds
    while True:
        try:
            return await check_ready(session, settings.dapr_http_port)
        except Unavailable as error:
            if asyncio.get_running_loop().time() >= deadline:
                sys.exit(f"{error} Start this script with `dapr run`.")
        await asyncio.sleep(0.2)
