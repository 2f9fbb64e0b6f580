"""Each cell of the table in docs/brokers.md on the broker and store of this run: LAB_TEST_COMPONENTS."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from typing import Any
from uuid import UUID

import httpx
import pytest

from labctl.up import control, infrastructure, lifecycle
from labctl.up.brokers import BROKERS
from labctl.up.processes import wait_until
from tests.house.repository import ROOT, table
from tests.runtime.blocks.conftest import ARRIVES_WITHIN, NOTIFICATIONS, TASKS, Blocks, lab, mark
from tests.runtime.conftest import STACK

pytestmark = pytest.mark.lab("blocks")
__all__ = ["lab"]  # the fixture of the blocks lab

COLUMNS = ("", "Redis", "Kafka and PostgreSQL", "RabbitMQ and PostgreSQL")
VARIANTS = ("", "kafka-postgres", "rabbitmq-postgres")
ROWS = table((ROOT / "docs/brokers.md").read_text(), COLUMNS)
# notification-service's store has no outbox.
STORE = "/v1.0/state/notificationstore"
TASKS_AT_ONCE = 30
PROCESSED = "event processed"
SLOW_MS = 4_000


def cell(row: str) -> str:
    """Return the page's cell for this run, in the only row that begins like this."""
    (found,) = [cells for about, *cells in ROWS if about.startswith(row)]
    return found[VARIANTS.index(STACK.components)]


def remind(lab: Blocks, text: str, **query: str) -> None:
    """Publish a reminder. Its events have one key, so on Kafka they are in one partition."""
    url = lab.sidecar(TASKS, "/v1.0/publish/taskpubsub/reminders")
    query = {"metadata.cloudevent.id": text, "metadata.partitionKey": "ada"} | query
    answer = lab.http.post(url, params=query, json={"task_id": text, "title": text})
    assert answer.status_code == 204, answer.text


def is_processed(lab: Blocks, text: str) -> bool:
    """Return whether notification-service has processed the event with this id."""
    return PROCESSED in lab.handled(text)


def save(lab: Blocks, key: str, value: Any, **more: Any) -> httpx.Response:
    """Return the answer to a request to save a value."""
    return lab.http.post(lab.sidecar(NOTIFICATIONS, STORE), json=[{"key": key, "value": value, **more}])


def read(lab: Blocks, key: str) -> httpx.Response:
    """Return the answer to a request for a value."""
    return lab.http.get(lab.sidecar(NOTIFICATIONS, f"{STORE}/{key}"))


def is_stored(lab: Blocks, key: str) -> bool:
    """Return whether the store itself has a key of notification-service, below Dapr."""
    if not STACK.components:
        return lab.redis("EXISTS", f"{NOTIFICATIONS}||{key}") == 1
    psql = [BROKERS["postgres"].program("psql"), "-h", "127.0.0.1", "-p", str(STACK.ports["postgres"])]
    query = f"select count(*) from notificationstore_state where key = '{NOTIFICATIONS}||{key}'"
    done = subprocess.run([*psql, "-U", "dapr", "-tAc", query], capture_output=True, text=True, check=True)
    return done.stdout.strip() == "1"


def refused_transaction(lab: Blocks, app_id: str, store: str) -> tuple[httpx.Response, str]:
    """Write two keys in one transaction, one with an old ETag. Return the answer, and the other key."""
    url, stale, other = lab.sidecar(app_id, f"/v1.0/state/{store}"), mark(), mark()
    lab.http.post(url, json=[{"key": stale, "value": "1"}]).raise_for_status()
    etag = lab.http.get(f"{url}/{stale}").headers["etag"]
    lab.http.post(url, json=[{"key": stale, "value": "2"}]).raise_for_status()
    requests = [{"key": other, "value": other}, {"key": stale, "value": other, "etag": etag}]
    operations = [{"operation": "upsert", "request": one} for one in requests]
    answer = lab.http.post(f"{url}/transaction", json={"operations": operations})
    assert lab.http.get(f"{url}/{stale}").json() == "2"
    return answer, other


def test_ordering(lab):
    """An event is published while the one before it, with the same key, is still processed."""
    first, second = mark(), mark()
    before = lab.calls(NOTIFICATIONS)
    lab.faults(NOTIFICATIONS, delay_ms=SLOW_MS)
    remind(lab, first)
    assert wait_until(lambda: lab.calls(NOTIFICATIONS) > before, 15)
    lab.faults(NOTIFICATIONS)
    remind(lab, second)
    assert wait_until(lambda: is_processed(lab, second), 15)
    found = "waits" if is_processed(lab, first) else "overtakes"
    assert wait_until(lambda: is_processed(lab, first), 15)
    assert found == cell("ordering")


def test_redelivery(lab):
    """The sidecar is killed while the app processes an event."""
    text, before = mark(), lab.calls(NOTIFICATIONS)
    lab.faults(NOTIFICATIONS, delay_ms=SLOW_MS)
    remind(lab, text)
    assert wait_until(lambda: lab.calls(NOTIFICATIONS) > before, 15)
    lab.faults(NOTIFICATIONS)
    control.kill(lab.stack, NOTIFICATIONS, sidecar=True)
    begin, calls = time.monotonic(), lab.calls(NOTIFICATIONS)
    control.restart(lab.stack, NOTIFICATIONS, sidecar=True)
    ready = time.monotonic() - begin
    assert wait_until(lambda: lab.calls(NOTIFICATIONS) > calls, 40)
    late = time.monotonic() - begin
    print(f"ready after {ready:.1f} s, delivered again after {late:.1f} s")
    assert wait_until(lambda: is_processed(lab, text), 15)
    found = "at once" if late - ready < 1 else "after the session timeout" if late < 14 else "after processingTimeout"
    assert found == cell("after a kill of the sidecar")


@pytest.mark.parametrize("stopped", [False, True])
def test_event_ttl(lab, stopped):
    """An event expires while its subscriber's sidecar does not run, or is stopped."""
    expired, kept = mark(), mark()
    sidecar = lab.pid(NOTIFICATIONS, "sidecar")
    if stopped:
        os.kill(sidecar, signal.SIGSTOP)
    else:
        control.kill(lab.stack, NOTIFICATIONS, sidecar=True)
    try:
        remind(lab, expired, **{"metadata.ttlInSeconds": "1"})
        remind(lab, kept, **{"metadata.ttlInSeconds": "60"})
        time.sleep(2)  # until it expires: its time is in seconds
    finally:
        if stopped:
            os.kill(sidecar, signal.SIGCONT)
        else:
            control.restart(lab.stack, NOTIFICATIONS, sidecar=True)
    assert wait_until(lambda: is_processed(lab, kept), 30)
    row = "TTL of an event: one that expires in a stopped" if stopped else "TTL of an event: one that expires before"
    assert ("is delivered" if lab.handled(expired) else "is not delivered") == cell(row)


def test_dead_letters(lab):
    """An event has fields that the app does not accept."""
    text = mark()
    lab.publish("reminders", {"poison": text}, event_id=text)
    assert wait_until(lambda: lab.dead_letters(text) != [], ARRIVES_WITHIN)
    assert lab.handled(text) == ["event dropped"]
    assert cell("dead letters") == "after one attempt"


def test_state_ttl(lab):
    """A value with a time to live of one second."""
    key = mark()
    assert save(lab, key, "x", metadata={"ttlInSeconds": "1"}).status_code == 204
    assert is_stored(lab, key)
    assert wait_until(lambda: read(lab, key).status_code == 204, 5)
    found = "is hidden, and deleted within the hour" if is_stored(lab, key) else "is deleted"
    assert found == cell("TTL of a value")


def test_etags(lab):
    """The ETag of a value, and a write with one that is neither."""
    key = mark()
    save(lab, key, "x")
    etag = read(lab, key).headers["etag"]
    assert ("a number" if etag.isdecimal() else f"a {type(UUID(etag)).__name__}") == cell("ETags: the version")
    assert str(save(lab, key, "y", etag="abc").status_code) == cell("ETags: a write")
    # In both forms a write with an old ETag is a conflict.
    save(lab, key, "y")
    assert save(lab, key, "z", etag=etag).status_code == 409
    assert read(lab, key).json() == "y"


def test_transactions_and_rollback(lab):
    """Of the two writes of a transaction one has an old ETag."""
    answer, other = refused_transaction(lab, NOTIFICATIONS, "notificationstore")
    found = "are made" if read(lab, other).status_code == 200 else "are rolled back"
    assert (str(answer.status_code), found) == (cell("transactions"), cell("rollback"))


def test_outbox(lab):
    """The events of a transaction that the store refused, as dead letters because no app understands them."""
    _, other = refused_transaction(lab, TASKS, "taskstore")
    text = mark()
    for number in range(TASKS_AT_ONCE):
        lab.create_task(f"{text} {number}")
    try:
        all_arrived = wait_until(lambda: len(lab.notifications(text)) == TASKS_AT_ONCE, 15)
        found = "is published" if lab.dead_letters(other) else "is not published"
        assert (found if all_arrived else f"{found}, and holds up later ones") == cell("outbox")
    finally:
        if STACK.components:
            # Dapr looks for their state for ever (docs/dapr-faults.md).
            lifecycle.down(STACK)
            infrastructure.forget(STACK, lab.apps)
