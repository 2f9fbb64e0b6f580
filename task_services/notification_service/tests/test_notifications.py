"""Notifications: sent by users and by task-api, listed page by page, each event's once."""

import pytest
from conftest import ROUTES, deliver, listed, problem_of

NOTICE = {"event_id": "e-1", "event_type": "task.created", "task_id": "7", "title": "Water the plants"}


def test_a_notification_is_stored_and_listed(client):
    answer = client.post("/notifications", json={"user_id": "ada", "message": "Hi"})
    assert answer.status_code == 201
    assert listed(client) == [answer.json()]
    assert (answer.json()["user_id"], answer.json()["message"], answer.json()["topic"]) == ("ada", "Hi", None)


def test_notifications_are_listed_newest_first_and_page_by_page(client):
    for number in range(5):
        client.post("/notifications", json={"user_id": "ada", "message": str(number)})
    first = client.get("/notifications", params={"limit": 3}).json()
    rest = client.get("/notifications", params={"limit": 3, "before": first["next"]}).json()
    assert [one["message"] for one in first["notifications"] + rest["notifications"]] == ["4", "3", "2", "1", "0"]
    assert rest["next"] is None


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/notifications", {"message": "Hi"}, "user_id"),
        ("/notifications", {"user_id": "a b", "message": "Hi"}, "user_id"),
        ("/notifications", {"user_id": "ada", "message": ""}, "message"),
        ("/notifications", {"user_id": "ada", "message": "x" * 1001}, "message"),
        ("/notifications", {"user_id": "ada", "message": "Hi", "more": 1}, "more"),
        ("/notify", {**NOTICE, "event_id": ""}, "event_id"),
        ("/notify", {"event_id": "e-1"}, "task_id"),
    ],
)
def test_bad_input_is_refused_with_the_name_of_the_field(client, path, body, field):
    assert field in problem_of(client.post(path, json=body), 422)
    assert listed(client) == []


@pytest.mark.parametrize("params", [{"limit": 0}, {"limit": 201}, {"before": -1}, {"before": "x"}])
def test_a_page_that_cannot_be_is_refused(client, params):
    assert next(iter(params)) in problem_of(client.get("/notifications", params=params), 422)


def test_a_notice_that_is_repeated_adds_nothing(client):
    answers = [client.post("/notify", json=NOTICE).json() for _ in range(3)]
    assert answers == [{"status": "notified", "id": answers[0]["id"]}] * 3
    (found,) = listed(client)
    assert (found["message"], found["event_id"]) == ("Task created: Water the plants", "e-1")


def test_two_sources_may_use_the_same_id(client):
    for source in ("task-api", "another"):
        client.post("/notify", json={**NOTICE, "source": source})
    assert len(listed(client)) == 2


def test_a_store_that_is_down_is_named(client, sidecar):
    sidecar.is_down = True
    for answer in (
        client.post("/notify", json=NOTICE),
        client.post("/notifications", json={"user_id": "ada", "message": "Hi"}),
        client.get("/notifications"),
        client.get("/dead-letters"),
    ):
        assert "notificationstore" in problem_of(answer, 503)


@pytest.mark.parametrize("route", [*ROUTES, "dead", "announcements"])
def test_only_the_sidecar_may_deliver_events(serve, route):
    client = serve(app_api_token="secret")
    problem_of(deliver(client, route, ROUTES["reminder"]), 401)
    problem_of(client.post("/notify", json=NOTICE), 401)
    problem_of(client.get("/dapr/subscribe"), 401)
    assert client.get("/dapr/subscribe", headers={"dapr-api-token": "secret"}).status_code == 200
    assert listed(client) == []


def test_notifications_expire(client, sidecar):
    client.post("/notify", json=NOTICE)
    assert set(sidecar.ttls().values()) == {7 * 24 * 3600}
    sidecar.expire()
    assert listed(client) == []
