"""An entry of a stream as an event, and dead letters as the apps keep them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest

from console.events import letters
from console.events.letters import Letter, Routes
from console.events.streams import SHOWN, of_entry
from console.pages.event.letter import text_of, topic_of
from labctl.runfile import App

ENTRY = b"1796124457473-0"
TRACE = "7abb9f9fd4e7843f6c96cf68278fe74b"
EVENT = {"specversion": "1.0", "id": "17", "type": "x", "topic": "news", "traceid": f"00-{TRACE}-0e400b34a8d5b2a5-01"}


def test_an_entry_is_a_cloud_event() -> None:
    event = of_entry(ENTRY, json.dumps(EVENT).encode())
    assert (event.member("id"), event.member("subject"), event.trace_id) == ("17", "", TRACE)
    assert event.published == datetime(2026, 12, 1, 11, 27, 37, 473_000, UTC)
    assert json.loads(event.text) == EVENT


@pytest.mark.parametrize("trace", [None, 17, "", "00-not-a-trace-01"])
def test_an_event_may_have_no_trace(trace: Any) -> None:
    assert of_entry(ENTRY, json.dumps(EVENT | {"traceid": trace}).encode()).trace_id == ""


@pytest.mark.parametrize("data", [b"\xff", b"[1]", b'"text"', b'{"no": "envelope"}', b""])
def test_any_other_payload_is_shown_as_text(data: bytes) -> None:
    event = of_entry(ENTRY, data)
    assert (event.event, event.member("id"), event.size) == (None, "", len(data))


def test_a_long_event_is_cut() -> None:
    event = of_entry(ENTRY, json.dumps(EVENT | {"data": "x" * SHOWN}).encode())
    assert len(event.text) < SHOWN + 100
    assert "characters)" in event.text


@pytest.mark.parametrize(
    ("kept", "topic", "text"),
    [
        (EVENT, "news", '"id": "17"'),
        (json.dumps(EVENT), "news", '"id": "17"'),
        ('{"specversion": "1.0", "id": … (300,000 characters)', "", "(300,000 characters)"),
    ],
)
def test_apps_keep_an_event_whole_or_as_text_or_only_its_beginning(kept: Any, topic: str, text: str) -> None:
    letter = Letter(Routes(cast(App, None), False, False), "1", "17", "", "why", kept)
    assert topic_of(letter) == topic
    assert text in text_of(letter)


def test_parked_events_are_files_named_after_topic_and_entry(tmp_path: Path) -> None:
    (tmp_path / "schedule-job-1796124457473-0.json").write_text("{}")
    (tmp_path / "notes.json").write_text("{}")
    (found,) = letters.parked_in(tmp_path)
    assert (found.topic, found.size) == ("schedule-job", 2)
