"""Access to the routes, faults on purpose, the bound on bodies, and the end of the process."""

import json
import signal
from urllib.request import Request, urlopen

import pytest
from conftest import SERVICE, cloud_event, turn

from kit.fakes.waiting import eventually, listens, process

FROM_DAPR = ["/events/conversations", "/events/conversations-dead", "/job/trim-x"]


@pytest.mark.parametrize("path", FROM_DAPR)
def test_routes_of_dapr_are_for_the_sidecar_and_users_need_no_token(serve, path):
    client = serve(app_api_token="s3cret", faults_enabled=True)
    for headers, status in (({}, 401), ({"dapr-api-token": "wrong"}, 401), ({"dapr-api-token": "s3cret"}, 200)):
        assert client.sidecar.keys("") == []
        assert client.post(path, json=cloud_event(turn(1)), headers=headers).status_code == status
    assert client.get("/memories/nobody").status_code == 404
    assert client.get("/faults").status_code == client.get("/faults/deliveries/m-1").status_code == 401


def test_a_known_user_is_not_unknown_and_not_forgotten_with_another_key(serve, sidecar):
    assert serve().post("/memories/ada/initialize", json={"name": "Ada"}).status_code == 201
    sidecar.secrets["secretstore"]["USER_HASH_KEY"] = "another key"
    client, before = serve(), sidecar.everything()
    answers = [
        client.get("/memories/ada"),
        client.delete("/memories/ada"),
        client.deliver(turn(1)),
        client.get("/readyz"),
    ]
    assert {answer.status_code for answer in answers} == {503}
    assert all("written with another key" in answer.json()["detail"] for answer in answers)
    assert (sidecar.everything(), sidecar.jobs) == (before, {})


def test_events_fail_as_often_as_ordered_and_are_counted(client):
    client.put("/faults", json={"fail_next": 2})
    assert [client.deliver(turn(1)).status_code for _ in range(3)] == [500, 500, 200]
    assert client.get("/faults").json() == {"fail_next": 0, "delay_ms": 0, "status": 500, "calls": 3}
    assert client.get("/faults/deliveries/m-1").json() == {"event_id": "m-1", "deliveries": 3}
    assert client.get("/faults/deliveries/other").status_code == 404


def test_events_may_be_as_large_as_dapr_delivers_them(client):
    # 4 MiB of text in quotes, as Dapr writes it into its own event, and that in base64.
    def posted(path, size):
        return client.post(path, content=b" " * size, headers={"content-type": "application/json"})

    assert posted("/events/conversations", 11_200_000).json() == {"status": "DROP"}
    assert posted("/events/conversations-dead", 11_200_000).json() == {"status": "SUCCESS"}
    assert posted("/events/conversations", 13_000_000).status_code == 413


def test_the_welcome_names_the_routes(client):
    assert "/memories/{user_id}" in client.get("/").json()["message"]


def test_an_event_in_flight_is_stored_after_sigterm(sidecar):
    with process(SERVICE, **{name.upper(): port for name, port in sidecar.ports.items()}) as (running, port):

        def end(method, _):
            if method == "SaveState" and listens(port):
                running.terminate()
                eventually(lambda: not listens(port))

        sidecar.before = end
        event = json.dumps(cloud_event(turn(1))).encode()
        headers = {"content-type": "application/cloudevents+json"}
        answer = urlopen(Request(f"http://127.0.0.1:{port}/events/conversations", event, headers))
        assert json.load(answer) == {"status": "SUCCESS"}
        assert running.wait(10) in (0, -signal.SIGTERM)
    assert sidecar.value("conversation:s-1:at:m-1")["user_message"] == "question 1"
