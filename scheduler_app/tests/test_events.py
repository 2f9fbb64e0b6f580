"""The topic schedule-job: an event, its redelivery, and the dead letter of a bad one."""

import json

import pytest
from conftest import problem_of

from events import LAST_EVENTS

GOOD = {"job_name": "report", "schedule": "@every 10s", "repeats": 2}
OVERWRITES = {**GOOD, "overwrite": True}


def cloud_event(data, event_id="event-1", source="test"):
    return {
        "specversion": "1.0", "id": event_id, "type": "x", "source": source, "topic": "schedule-job", "data": data,
    }  # fmt: skip


def event(client, data, event_id="event-1", path="/events/schedule-job", source="test"):
    headers = {"content-type": "application/cloudevents+json"}
    return client.post(path, json=cloud_event(data, event_id, source), headers=headers)


def note_scheduled(sidecar):
    """Return a list that grows by the name of each job that reaches the scheduler."""
    scheduled = []
    sidecar.before = lambda method, key: method == "ScheduleJob" and scheduled.append(key)
    return scheduled


def bury(client, data, event_id="event-1"):
    return event(client, data, event_id, "/events/schedule-job-dead")


def test_an_event_schedules_its_job(client, sidecar):
    assert event(client, GOOD).json() == {"status": "SUCCESS"}
    assert sidecar.jobs["report"]["schedule"] == "@every 10s"
    assert sidecar.jobs["report"]["repeats"] == 2


def test_an_event_that_comes_again_does_nothing_whatever_became_of_its_job(client, sidecar):
    scheduled = note_scheduled(sidecar)
    first, second = ({**OVERWRITES, "schedule": schedule} for schedule in ("@hourly", "@daily"))
    for event_id, data in (("one", first), ("one", first), ("two", second), ("one", first)):
        assert event(client, data, event_id).json() == {"status": "SUCCESS"}
    assert sidecar.jobs["report"]["schedule"] == "@daily"
    client.delete("/delete-job/report")
    for event_id, data in (("one", first), ("two", second)):
        assert event(client, data, event_id).json() == {"status": "SUCCESS"}
    assert scheduled == ["report"] * 2
    assert not sidecar.jobs


def test_as_many_events_of_a_job_are_remembered_as_it_says_and_no_more(client, sidecar):
    for number in range(LAST_EVENTS + 1):
        event(client, OVERWRITES, str(number))
    assert len(sidecar.value("job:report")["events"]) == LAST_EVENTS
    client.delete("/delete-job/report")
    event(client, OVERWRITES, "1")
    assert not sidecar.jobs
    event(client, OVERWRITES, "0")
    assert "report" in sidecar.jobs


def test_an_id_counts_for_its_source_only(client, sidecar):
    event(client, GOOD)
    event(client, {**GOOD, "schedule": "@hourly", "overwrite": True}, source="another")
    assert sidecar.jobs["report"]["schedule"] == "@hourly"


@pytest.mark.parametrize("event_id", ["x" * 10_000, 17, None, ["a"]])
def test_an_id_of_any_form_will_do(client, sidecar, event_id):
    scheduled = note_scheduled(sidecar)
    for schedule in ("@every 10s", "@every 10s", "@hourly"):
        data = {**OVERWRITES, "schedule": schedule}
        assert event(client, data, event_id).json() == {"status": "SUCCESS"}
    # Publishers choose ids, so other data under the same id is another event.
    assert len(scheduled) == 2


@pytest.mark.parametrize("body", [b"", b"{", b"17", b"\xff", b"[]", b"[" * 60_000, b'{"data": "\\ud800"}'])
def test_what_is_no_event_is_dropped_and_kept(client, body):
    assert client.post("/events/schedule-job", content=body, headers={"content-type": "application/json"}).json() == {
        "status": "DROP"
    }
    assert client.post(
        "/events/schedule-job-dead", content=body, headers={"content-type": "application/json"}
    ).json() == {"status": "SUCCESS"}
    assert len(client.get("/dead-letters").json()["dead_letters"]) == 1


def test_two_replicas_with_the_same_event_at_once_schedule_once(serve, sidecar):
    one, other = serve(), serve()
    answers = []

    def handled_there_first(method, _):
        if method == "ScheduleJob":
            sidecar.before = lambda *_: None
            answers.append(event(other, GOOD).json())

    sidecar.before = handled_there_first
    answers.append(event(one, GOOD).json())
    assert answers == [{"status": "SUCCESS"}] * 2
    assert sidecar.jobs["report"]["schedule"] == "@every 10s"


@pytest.mark.parametrize(
    "data",
    [
        None, "text", [], {}, {"schedule": "@every 10s"}, {**GOOD, "job_name": "a/b"}, {**GOOD, "job_name": 5},
        {**GOOD, "schedule": "@every 0s"}, {**GOOD, "more": 1}, {**GOOD, "schedule": "0 * * * *"},
        {**GOOD, "job_name": "'; DROP TABLE jobs; --"}, {**GOOD, "due_time": "0001-01-01T00:00:00+01:00"},
        {**GOOD, "schedule": "@every 80000000h"}, {**GOOD, "schedule": "TZ=UTC @every 1ms"},
        {**GOOD, "failure_policy": {"constant": {"interval": "0s"}}},
    ],
)  # fmt: skip
def test_an_event_that_never_can_be_scheduled_is_dropped(client, sidecar, data):
    assert event(client, data).json() == {"status": "DROP"}
    assert not sidecar.jobs


@pytest.mark.parametrize("other", [{"schedule": "@hourly"}, {"repeats": 500}, {"ttl": "900h"}, {"data": "other"}])
def test_a_name_that_another_job_has_is_not_taken_from_it(client, sidecar, other):
    job = {**GOOD, **other}
    event(client, job)
    assert event(client, GOOD, "event-2").json() == {"status": "DROP"}
    assert sidecar.jobs["report"]["schedule"] == job["schedule"]


def test_an_event_whose_job_could_not_be_scheduled_is_tried_again(client, sidecar):
    sidecar.jobs_answer = (503, "DAPR_SCHEDULER_SCHEDULE_JOB", "Unavailable")
    problem_of(event(client, GOOD), 503)
    sidecar.jobs_answer = None
    assert event(client, GOOD).json() == {"status": "SUCCESS"}
    assert "report" in sidecar.jobs


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        ({"schedule": "@every 10s"}, "job_name: Field required"),
        ({**GOOD, "job_name": "a b"}, "job_name: must be 1 to 64 of"),
        ("text", "data: Input should be"),
        ({**GOOD, "schedule": "0 * * * *"}, "the scheduler refused"),
    ],
)
def test_a_dead_letter_is_kept_with_what_is_wrong(client, data, reason):
    assert bury(client, data).json() == {"status": "SUCCESS"}
    (letter,) = client.get("/dead-letters").json()["dead_letters"]
    assert (letter["event_id"], letter["event"]) == ("event-1", cloud_event(data))
    assert reason in letter["reason"]


def test_a_large_event_is_dropped_and_its_beginning_kept(client):
    data = {**GOOD, "data": '"' * 4 * 2**20}
    assert event(client, data).json() == {"status": "DROP"}
    bury(client, data)
    answer = client.get("/dead-letters")
    (letter,) = answer.json()["dead_letters"]
    assert letter["event_id"] == "event-1"
    assert letter["reason"].startswith("data: must have at most 8192 bytes")
    assert f"{len(json.dumps(cloud_event(data))):,} characters" in letter["event"]
    assert len(answer.content) < 10_000
