"""Each page opens in under two seconds, also with 1,000 workflows and 5,000 spans.

The page of the labs shows none of them. On a machine that is busy with other tests, a page may take 2.5 times as long
as that one, but never six seconds.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import httpx
import pytest
from playwright.sync_api import Page, expect

from labctl import runfile
from tests.runtime.conftest import ConsoleProcess, Running
from tests.runtime.console.conftest import visit
from tests.runtime.patterns.conftest import APP

WORKFLOWS, TRACES, SPANS_OF_A_TRACE = 1000, 99, 50
LONG = 5000 - TRACES * SPANS_OF_A_TRACE  # spans of one more trace
WITHIN, TIMES_LABS, AT_MOST = 2.0, 2.5, 6.0  # seconds, a ratio, seconds
VISITS = 5  # at most: other tests share the machine, and can only make a page slower


def start_workflows(lab: Running) -> str:
    """Start workflows that end at once, because their input is refused. Return the id of one."""
    ids = [f"many-{uuid4().hex}" for _ in range(WORKFLOWS)]

    def start(instance_id: str) -> int:
        path = f"/v1.0/workflows/dapr/children/start?instanceID={instance_id}"
        return http.post(lab.sidecar(APP, path), json={"stops": []}).status_code

    with httpx.Client(timeout=60) as http, ThreadPoolExecutor(16) as pool:
        assert set(pool.map(start, ids)) == {202}
    return ids[0]


def a_trace(size: int, services: list[str]) -> list[dict[str, Any]]:
    """Return the spans of a trace in Zipkin's format: calls that make calls. Every tenth fails."""
    trace_id, parent = uuid4().hex, ""
    now, spans = time.time_ns() // 1000, list[dict[str, Any]]()
    for number in range(size):
        own = uuid4().hex[:16]
        caller, callee = services[number % len(services)], services[(number + 1) % len(services)]
        spans.append(
            {
                "traceId": trace_id,
                "id": own,
                **({"parentId": parent} if parent else {}),
                "kind": "CLIENT",
                "name": f"CallLocal/{callee}/step-{number}",
                "timestamp": now + number,
                "duration": 2 * size - number,
                "localEndpoint": {"serviceName": caller},
                "tags": {"net.peer.name": callee} | ({"error": "no answer"} if number % 10 == 9 else {}),
            }
        )
        parent = own if number % 4 else parent
    return spans


def seconds_to_open(page: Page, path: str, content: str, within: float = 0) -> float:
    """Return how long a page takes until its content is shown, in a browser that knows the console's scripts.

    It is the fastest of some visits, of which a fast enough one is the last.
    """
    taken: list[float] = []
    while len(taken) < VISITS and not any(seconds < within for seconds in taken):
        begin = time.monotonic()
        visit(page, path)
        expect(page.get_by_text(content).first).to_be_visible()
        taken.append(time.monotonic() - begin)
    return round(min(taken), 2)


@pytest.mark.lab("patterns")
@pytest.mark.timeout(900)
def test_a_page_opens_fast_with_much_to_show(page: Page, console: ConsoleProcess, lab: Running) -> None:
    services = [app.app_id for app in runfile.read_apps(lab.stack)]
    begin = time.monotonic()
    instance_id = start_workflows(lab)
    started = time.monotonic() - begin
    traces = [a_trace(SPANS_OF_A_TRACE, services) for _ in range(TRACES)] + [a_trace(LONG, services)]
    for trace in traces:
        lab.http.post(f"{console.spans}/spans", json=trace).raise_for_status()
    pages = {
        "/": APP,
        f"/apps/{APP}": APP,
        "/traces": "step-0",
        f"/traces/{traces[-1][0]['traceId']}": "step-0",
        "/workflows": "many-",
        f"/workflows/{APP}/{instance_id}": "ValidationError",
        "/events": "expenses",
        "/state": APP,
        "/labs": "patterns",
        "/labs/patterns": "patterns",
    }
    usual = seconds_to_open(page, "/labs", "patterns")
    within = min(max(WITHIN, TIMES_LABS * usual), AT_MOST)
    taken = {path: seconds_to_open(page, path, content, within) for path, content in pages.items()}
    print(f"{WORKFLOWS} workflows started in {started:.1f} s; pages opened within {within:.2f} s: {taken}")
    assert {path: took for path, took in taken.items() if took >= within} == {}
