"""What the dashboard, the alerts and the page ask of Prometheus exists, and alerts fire. Nothing here is a stand-in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from labctl.up import control
from labctl.up.processes import wait_until
from tests.docs.pages import Page
from tests.house.repository import table
from tests.prometheus import alerts, panels, plain, selectors
from tests.runtime.chat.conftest import MEMORY
from tests.runtime.conftest import STACK
from tests.runtime.jobs.conftest import APP as JOBS_APP
from tests.runtime.observability.conftest import Labs, Prometheus
from tests.runtime.pizza.conftest import BOOK

pytestmark = pytest.mark.lab("all labs")

NO_STREAM = "orders-dead"
PAGE = table(Page(Path("docs/observability.md")).text, ("question", "PromQL"))
TARGETS = [(panel["title"], target) for panel in panels() for target in panel["targets"]]
SELECTED = sorted({one for rule in alerts() for one in selectors(rule["expr"])})
FIRING = [
    ("AppFails", {"app_id": JOBS_APP}),
    ("CircuitBreakerOpen", {"app_id": "caller-app", "target": "app_callee-app"}),
    ("DeadLetters", {"app_id": MEMORY, "topic": "conversations-dead"}),
    ("EventsRetried", {"app_id": MEMORY, "topic": "conversations"}),
    ("PublishingFails", {"app_id": BOOK, "topic": NO_STREAM}),
    ("WorkflowFailed", {"app_id": "workflow-patterns", "workflow_name": "chaining"}),
    ("JobFails", {"app_id": JOBS_APP}),
    ("JobsWait", {"type": "job"}),
]


@pytest.fixture(scope="module", autouse=True)
def _traffic(labs: Labs, prometheus: Prometheus) -> Iterator[None]:
    """Use each lab once, and let each kind of failure happen that has an alert, but for the death of a process."""
    # With the policy of components/, which has a circuit breaker. Most tests have a shorter one.
    control.restart(STACK, "caller-app", sidecar=True, resources=[])
    job_that_waits = begin_with_jobs(labs)
    order_id = labs.pizza.order()
    labs.invocation.faults(fail_next=1)
    assert labs.invocation.call("/call-greet/Ada").json()["attempts"] == 2
    open_the_breaker(labs)
    fail_events(labs, prometheus)
    runs = [labs.patterns.start("multi_app"), labs.patterns.start("chaining", attempts=1, fail={"hotel": 9})]
    labs.blocks.create_task("Buy milk")
    ended = [labs.patterns.end_of(run)["status"] for run in runs]
    assert ended == ["completed", "failed"]
    labs.pizza.approve(order_id)
    labs.pizza.assert_delivered_once(order_id)
    control.restart(STACK, JOBS_APP, keep_sidecar=True)
    labs.jobs.wait_for_runs(job_that_waits, 1)
    yield
    control.restart(STACK, "caller-app", sidecar=True)


def begin_with_jobs(labs: Labs) -> str:
    """Let a job succeed and another one fail, and kill the app of a third, which then waits. Return its name."""
    labs.jobs.wait_for_runs(labs.jobs.schedule(due_time="0s"), 1)
    labs.http.put(labs.jobs.url(JOBS_APP, "/faults"), json={"fail_next": 4}).raise_for_status()
    labs.jobs.wait_for_runs(labs.jobs.schedule(due_time="0s"), 4)
    name = labs.jobs.schedule(due_time="2s")
    control.kill(STACK, JOBS_APP)
    return name


def open_the_breaker(labs: Labs) -> None:
    """Let callee fail until its caller's sidecar refuses to call it."""
    labs.invocation.faults(fail_next=10, status=404)
    statuses = [labs.invocation.call("/call-greet/Ada").status_code for _ in range(11)]
    assert statuses == [404] * 10 + [503]


def fail_events(labs: Labs, prometheus: Prometheus) -> None:
    """Let events be retried until that is an alert, one become a dead letter, and one not be published."""
    labs.chat.memory_fails(fail_next=100)
    turn = {"user_id": "ada", "session_id": uuid4().hex, "user_message": "Hi", "assistant_reply": "Hello"}
    labs.chat.publish(turn, uuid4().hex)
    prometheus.wait_for("EventsRetried")
    labs.http.delete(labs.chat.url(MEMORY, "/faults")).raise_for_status()
    dead = uuid4().hex
    labs.chat.publish({"no": "turn"}, dead)
    assert wait_until(lambda: labs.chat.dead_letters(dead) != [], 60)
    # While its key is no stream, nothing can be published to this topic.
    labs.pizza.redis("RENAME", NO_STREAM, "aside")
    labs.pizza.redis("SET", NO_STREAM, "1")
    answer = labs.http.post(labs.pizza.sidecar(BOOK, f"/v1.0/publish/pizzapubsub/{NO_STREAM}"), json={})
    labs.pizza.redis("RENAME", "aside", NO_STREAM)
    assert answer.status_code == 500, answer.text


def seen(prometheus: Prometheus, expression: str) -> list[dict[str, Any]]:
    """Return the series of an expression as soon as it has some. A rate needs two scrapes."""
    assert wait_until(lambda: prometheus.ask(expression) != [], 10), f"no series: {expression}"
    return prometheus.ask(expression)


@pytest.mark.parametrize(("title", "target"), [pytest.param(*one, id=f"{one[0]}-{one[1]['refId']}") for one in TARGETS])
def test_each_panel_shows_something(prometheus: Prometheus, title: str, target: dict[str, Any]) -> None:
    series = seen(prometheus, plain(target["expr"]))
    labels = re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])
    assert [one["metric"] for one in series if not one["metric"].keys() >= set(labels)] == []


@pytest.mark.parametrize("selector", SELECTED)
def test_each_series_that_an_alert_reads_exists(prometheus: Prometheus, selector: str) -> None:
    seen(prometheus, selector)


@pytest.mark.parametrize(("question", "expression"), PAGE)
def test_each_expression_of_the_page_answers_its_question(
    prometheus: Prometheus, question: str, expression: str
) -> None:
    seen(prometheus, expression)


@pytest.mark.parametrize(("alert", "labels"), FIRING, ids=[alert for alert, _ in FIRING])
def test_an_alert_fires_at_the_failure_that_it_is_for(
    prometheus: Prometheus, alert: str, labels: dict[str, str]
) -> None:
    prometheus.wait_for(alert, **labels)


def test_a_killed_sidecar_is_an_alert_until_it_is_back(prometheus: Prometheus) -> None:
    control.kill(STACK, "callee-grpc-app", sidecar=True)
    prometheus.wait_for("SidecarDown", app_id="callee-grpc-app")
    control.restart(STACK, "callee-grpc-app", sidecar=True)
    assert wait_until(lambda: "SidecarDown" not in [one["alertname"] for one in prometheus.firing()], 20)


def test_no_other_alert_fires(prometheus: Prometheus) -> None:
    known = {alert for alert, _ in FIRING} | {"SidecarDown"}
    assert [one for one in prometheus.firing() if one["alertname"] not in known] == []
