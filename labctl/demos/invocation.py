"""./lab demo invocation: four ways to call, then faults, and how Dapr handles them."""

from __future__ import annotations

import time
import uuid
from contextlib import suppress
from queue import Empty, Queue
from threading import Thread
from typing import Any

import httpx
from rich import box
from rich.console import Console
from rich.table import Table

from labctl import runfile
from labctl.runfile import App
from labctl.stack import Stack
from labctl.terminal import chapter
from labctl.up import control, processes, secure

_LOOK_EVERY = 0.2  # seconds between two looks at callee's count
_PATIENCE = 60  # seconds for one call; caller's own limit is shorter
_FOUND_AGAIN_WITHIN = 15  # seconds; gRPC waits at least one between two attempts to connect


class Story:
    """The story of callee and caller."""

    def __init__(self, stack: Stack, apps: list[App], console: Console, _auto: bool) -> None:
        self.stack, self.console = stack, console
        self.killed = False
        self.callee, self.caller = (runfile.find(apps, one).url for one in ("callee-app", "caller-app"))
        # In a secure stack callee accepts only requests with its token.
        self.http = httpx.Client(timeout=_PATIENCE, headers=secure.header(stack, "callee-app"))

    def play(self) -> None:
        """Play the story to its end."""
        begin = time.monotonic()
        chapter(self.console, "caller greets four ways", "It names an app id. Only Dapr knows where callee runs.")
        table = Table("via", "message", "attempts", "ms", box=box.SIMPLE_HEAD, pad_edge=False)
        for via in ("url", "header", "sdk", "grpc"):
            answer = self.http.get(f"{self.caller}/call-greet/Ada", params={"via": via}).raise_for_status().json()
            table.add_row(via, answer["message"], str(answer["attempts"]), f"{answer['elapsed_ms']:.1f}")
        self.console.print(table)

        chapter(
            self.console, "callee fails twice; the user gets a greeting", 'PUT /faults {"fail_next": 2}, then one call.'
        )
        self._order_faults(2)
        self._call()

        chapter(
            self.console, "callee fails for longer than Dapr retries", 'PUT /faults {"fail_next": 100}, then one call.'
        )
        self._order_faults(100)
        self._call()
        self._order_faults(0)
        chapter(self.console, "the fault is gone", "The next call goes through at once.")
        self._call()

        chapter(self.console, "callee is killed", "kill -9, as ./lab kill callee-app does; its sidecar lives on.")
        control.kill(self.stack, "callee-app")
        self.killed = True
        self._call()
        with self.console.status("./lab restart callee-app"):
            seconds = control.restart(self.stack, "callee-app")
        self.killed = False
        chapter(self.console, "callee is back", f"Restarted in {seconds:.1f} s. caller was not touched.")
        # caller's sidecar connects to the new one at growing intervals, and refuses calls in between.
        processes.wait_until(self._call, _FOUND_AGAIN_WITHIN)
        self.console.print(f"\nThat took {time.monotonic() - begin:.0f} s. The policy: components/resiliency.yaml.")

    def tidy(self) -> None:
        """Leave the lab as it was found, also after Ctrl-C or an error."""
        if self.killed:
            control.restart(self.stack, "callee-app")
        with suppress(httpx.HTTPError):
            self._order_faults(0)
        self.http.close()

    def _order_faults(self, fail_next: int) -> None:
        self.http.put(f"{self.callee}/faults", json={"fail_next": fail_next}).raise_for_status()

    def _call(self) -> bool:
        """Call caller once. Show each attempt that reaches callee, then the answer. Return whether it was a 2xx."""
        request_id = uuid.uuid4().hex
        answers: Queue[httpx.Response | httpx.HTTPError] = Queue()

        def ask() -> None:
            try:
                answers.put(self.http.get(f"{self.caller}/call-greet/Ada", headers={"x-request-id": request_id}))
            except httpx.HTTPError as error:
                answers.put(error)

        begin, counted = time.monotonic(), 0
        answer = None
        with self.console.status("caller waits, its sidecar decides"):
            # A daemon, so that Ctrl-C does not wait for the answer.
            Thread(target=ask, daemon=True).start()
            while answer is None:
                with suppress(Empty):
                    answer = answers.get(timeout=_LOOK_EVERY)
                seconds = time.monotonic() - begin
                for number in range(counted + 1, self._attempts(request_id) + 1):
                    self.console.print(f"{seconds:4.1f} s  attempt {number} reached callee")
                    counted = number
        if isinstance(answer, httpx.HTTPError):
            raise answer
        colour = "green" if answer.is_success else "red"
        answered = f"[{colour}]caller answers {answer.status_code}[/] {_gist(answer.json())}"
        self.console.print(f"{time.monotonic() - begin:4.1f} s  {answered}")
        return answer.is_success

    def _attempts(self, request_id: str) -> int:
        """Return the number of attempts that callee counted; none while it is killed."""
        try:
            seen = self.http.get(f"{self.callee}/faults/attempts/{request_id}")
        except httpx.TransportError:
            return 0
        return int(seen.json()["attempts"]) if seen.is_success else 0


def _gist(answer: dict[str, Any]) -> str:
    if "message" in answer:
        return f"“{answer['message']}” (attempts: {answer['attempts']})"
    code = f" [bold]{answer['errorCode']}[/]" if answer.get("errorCode") else ""
    return f"{answer['detail']}{code}"
