"""The words and rows of the lab pages, from the answers of the services."""

from __future__ import annotations

import json
from typing import Any

import pytest

from console import requests
from console.pages.lab import blocks, chat, invocation, jobs, patterns, stories
from console.sending import Answer
from labctl import runfile
from labctl.stack import ROOT, Stack

APPS = runfile.read_apps(Stack())


@pytest.mark.parametrize("lab", runfile.labs(APPS))
def test_each_lab_has_a_story_a_page_and_requests(lab: str) -> None:
    story = stories.of(lab, APPS)
    assert (ROOT / story.page).read_text().startswith(f"# {story.title}\n")
    assert story.requests
    assert story.requests.exists()


def test_a_lab_of_your_own_is_described_by_its_apps() -> None:
    story = stories.of("hello", APPS)
    assert (story.title, story.page, story.requests) == ("Lab hello", "", None)


def test_a_lab_that_does_not_run_names_the_command_that_starts_it() -> None:
    apps = runfile.select(APPS, ["invocation"])
    ids = [app.app_id for app in apps]
    assert stories.state(apps, []) == "runs"
    assert stories.state(apps, ids) == "does not run: ./lab up invocation"
    assert stories.state(apps, ids[:1]) == "runs, except callee-app: ./lab restart callee-app"


@pytest.mark.parametrize(
    ("answer", "seconds", "text", "stamp"),
    [
        ({"status": "running"}, 1, "thinking …", ""),
        ({"status": "completed", "reply": "Hi", "metadata": {"model": "offline"}}, 1, "Hi", "offline responder"),
        ({"status": "completed", "reply": "Hi", "metadata": {"model": "gpt"}}, 1, "Hi", "by gpt"),
        ({"status": "failed", "error": "no key"}, 1, "No reply: no key", "failed"),
        ({"status": "terminated", "error": None}, 1, "No reply: terminated", "terminated"),
    ],
)
def test_a_bubble_of_the_chat(answer: dict[str, Any], seconds: float, text: str, stamp: str) -> None:
    said, who = chat.spoken(answer, seconds)
    assert said == text
    assert stamp in who
    assert bool(stamp) == bool(who)


def test_a_slow_reply_says_what_it_may_wait_for() -> None:
    text, stamp = chat.spoken({"status": "running"}, chat.SLOW + 1)
    assert "./lab restart agent-memory-service" in text
    assert stamp == ""


def test_calls_and_runs_as_rows() -> None:
    greeting = Answer(200, data={"message": "Hello", "attempts": 3}, seconds=10.04, trace_id="ab")
    row = invocation.row("r", "url", greeting)
    assert (row["result"], row["attempts"], row["elapsed"], row["trace_url"]) == ("Hello", "3", "10.04 s", "/traces/ab")
    failed = invocation.row("r", "url", Answer(502, data={"detail": "callee-app answered 500", "attempts": None}))
    assert (failed["result"], failed["attempts"]) == ("502 callee-app answered 500", "not said")
    run = {"job_name": "a", "fired_at": "2026-12-01T11:48:36.906123Z", "lateness_ms": None, "attempt": 1}
    job = jobs.row(run | {"outcome": "succeeded", "data": {"order": 17}})
    assert (job["at"], job["late"], job["data"]) == ("11:48:36.906", "unknown", '{"order": 17}')
    note = {"id": "1", "created_at": "2026-12-01T11:48:36.906123Z", "user_id": "ada", "message": "Hi", "topic": "t"}
    assert blocks.notification(note) == {"id": "1", "at": "11:48:36", "user": "ada", "message": "Hi"}


def test_each_pattern_and_event_has_an_input() -> None:
    file = stories.STORIES["patterns"].requests
    assert file
    found = patterns.bodies(requests.read(file.read_text()))
    assert found["/patterns/saga"] == '{"fail": {"car": 9}}'
    assert json.loads(found["decision"]) == {"approved": True, "by": "Ada"}
    assert not [body for body in found.values() if "instance_id" in body]


def test_a_run_of_a_pattern_in_words() -> None:
    run = {"note": "waits", "attempts": {"ask": 1}, "deeds": ["ask"], "result": None, "error": None}
    assert patterns.in_words(run) == "note: waits\ndone: ask\nattempts: ask 1"
    assert patterns.in_words({"attempts": {}, "deeds": [], "result": {"a": 1}}) == 'done: nothing yet\nresult: {"a": 1}'
