"""The bulk subscription on the real runtime: an answer for each entry, and entries that nobody can process."""

from __future__ import annotations

from collections import Counter

import pytest

from labctl.up.processes import wait_until
from tests.runtime.blocks.conftest import ARRIVES_WITHIN, mark

pytestmark = pytest.mark.lab("blocks")

APP = "notification-service"


def publish_bulk(lab, kind, *events, **query):
    """Publish events of topic announcements in one request."""
    entries = [{"entryId": str(number), "event": event, "contentType": kind} for number, event in enumerate(events)]
    url = lab.sidecar("task-api", "/v1.0/publish/bulk/taskpubsub/announcements")
    assert lab.http.post(url, params=query, json=entries).status_code == 204


def test_of_a_bulk_of_100_only_the_one_that_failed_is_retried(lab):
    text = mark()
    lab.faults(APP, fail_next=1, status=503)
    about = {"specversion": "1.0", "source": "test", "type": "x", "datacontenttype": "application/json"}
    bulk = [{**about, "id": f"{text}-{number}", "data": {"message": text}} for number in range(100)]
    publish_bulk(lab, "application/cloudevents+json", *bulk)
    assert wait_until(lambda: len(lab.notifications(text)) == 100, ARRIVES_WITHIN)
    expected = {"event processed": 100, "event to be retried": 1}
    assert wait_until(lambda: Counter(lab.handled(text)) == expected, 20), Counter(lab.handled(text))
    assert lab.dead_letters(text) == []


def test_bad_entries_are_dead_letters_and_neither_end_the_sidecar_nor_hold_up_the_others(lab):
    text, sidecar = mark(), lab.pid(APP, "sidecar")
    raw = [f"no JSON {text}", f'{{"poison": "{text}"}}', f'{{"message": "{text}"}}']
    publish_bulk(lab, "text/plain", *raw, **{"metadata.rawPayload": "true"})
    lab.wait_for_notification(text, 12)  # less than until it would be delivered again
    assert wait_until(lambda: len(lab.dead_letters(text)) == 2, ARRIVES_WITHIN), lab.dead_letters(text)
    assert lab.pid(APP, "sidecar") == sidecar
