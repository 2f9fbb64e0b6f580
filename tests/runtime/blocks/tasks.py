"""task-api as the tests of single blocks talk to it."""

from __future__ import annotations

from typing import Any

import httpx

from tests.runtime.conftest import Running

TASKS = "task-api"


def call(lab: Running, verb: str, path: str, **more: Any) -> httpx.Response:
    """Call a route of task-api."""
    return lab.http.request(verb, lab.url(TASKS, path), **more)


def new_task(lab: Running, title: str = "Buy milk") -> str:
    """Create a task and return its id."""
    answer = call(lab, "POST", "/tasks", json={"title": title})
    assert answer.status_code == 201, answer.text
    return answer.json()["id"]


def assert_problem(answer: httpx.Response, status: int, words: str) -> None:
    """Check that an answer is a problem with this status, and that its detail has these words."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert words in answer.json()["detail"]
