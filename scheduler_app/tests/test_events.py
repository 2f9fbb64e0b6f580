"""The topic schedule-job: what an event does, what it does the second time, and where a bad one ends."""

import pytest
from conftest import problem_of

GOOD = {"job_name": "report", "schedule": "@every 10s", "repeats": 2}


def event(client, data, event_id="event-1", path="/events/schedule-job"):
    envelope = {
        "specversion": "1.0",
        "id": event_id,
        "type": "x",
        "source": "test",
        "topic": "schedule-job",
        "data": data,
    }
    return client.post(path, json=envelope, headers={"content-type": "application/cloudevents+json"})


def bury(client, data, event_id="event-1"):
    return event(client, data, event_id, "/events/schedule-job-dead")


def test_an_event_schedules_its_job(client, sidecar):
    assert event(client, GOOD).json() == {"status": "SUCCESS"}
    assert sidecar.jobs["report"]["schedule"] == "@every 10s"
    assert sidecar.jobs["report"]["repeats"] == 2


@pytest.mark.parametrize("more", [{}, {"overwrite": True}])
def test_an_event_that_comes_twice_schedules_once(client, sidecar, more):
    scheduled = []
    sidecar.on_schedule = scheduled.append
    assert [event(client, GOOD | more).json()["status"] for _ in range(2)] == ["SUCCESS", "SUCCESS"]
    assert scheduled == ["report"]


def test_an_event_that_comes_again_after_its_job_has_fired_and_gone_does_nothing(client, sidecar):
    event(client, {"job_name": "once", "due_time": "0s"})
    sidecar.jobs.clear()
    assert event(client, {"job_name": "once", "due_time": "0s"}).json() == {"status": "SUCCESS"}
    assert not sidecar.jobs


def test_two_replicas_with_the_same_event_at_once_schedule_once(serve, sidecar):
    one, other = serve(), serve()
    answers = []

    def meanwhile(_):
        sidecar.on_schedule = None
        answers.append(event(other, GOOD).json())

    sidecar.on_schedule = meanwhile
    answers.append(event(one, GOOD).json())
    assert answers == [{"status": "SUCCESS"}] * 2
    assert sidecar.jobs["report"]["schedule"] == "@every 10s"
    assert one.post("/job/report", json=1).status_code == 200
    assert sidecar.value("job:report")["remembered"]["order"]["schedule"] == "@every 10s"


@pytest.mark.parametrize(
    "data",
    [
        None, "text", [], {}, {"schedule": "@every 10s"}, {**GOOD, "job_name": "a/b"}, {**GOOD, "job_name": 5},
        {**GOOD, "schedule": "@every 0s"}, {**GOOD, "more": 1}, {**GOOD, "schedule": "0 * * * *"},
        {**GOOD, "job_name": "'; DROP TABLE jobs; --"},
    ],
)  # fmt: skip
def test_an_event_that_never_can_be_scheduled_is_dropped(client, sidecar, data):
    assert event(client, data).json() == {"status": "DROP"}
    assert not sidecar.jobs


def test_a_name_that_another_job_has_is_not_taken_from_it(client, sidecar):
    client.post("/schedule-job/report", json={"schedule": "@hourly"})
    assert event(client, GOOD).json() == {"status": "DROP"}
    assert sidecar.jobs["report"]["schedule"] == "@hourly"


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
    assert (letter["id"], letter["data"]) == ("event-1", data)
    assert reason in letter["reason"]


def test_a_dead_letter_that_comes_twice_is_kept_once(client):
    for event_id in ("one", "two", "one"):
        bury(client, {}, event_id)
    assert [letter["id"] for letter in client.get("/dead-letters").json()["dead_letters"]] == ["two", "one"]


def test_dead_letters_come_in_pages(client):
    for number in range(5):
        bury(client, {}, str(number))
    first = client.get("/dead-letters?limit=3").json()
    second = client.get("/dead-letters", params={"limit": 3, "before": first["next"]}).json()
    assert [one["id"] for one in first["dead_letters"] + second["dead_letters"]] == ["4", "3", "2", "1", "0"]
    assert second["next"] is None
