"""The story of hello: a greeting at once, and one by way of a job, an event and a workflow."""

from kit.fakes.waiting import eventually

ORDER = {"order_id": "8a6a2ad58f9d4a4ca1d07b2f8b0c3a77", "name": "Ada"}


def test_a_greeting_is_callees(client):
    assert client.get("/greet/Ada").json() == {"message": "Hello, Ada!"}


def test_a_callee_that_refuses_is_named(client, sidecar):
    sidecar.apps["callee-app"] = lambda call: (403, {"detail": "access denied"})
    answer = client.get("/greet/Ada")
    assert (answer.status_code, answer.json()["dependency"]) == (502, "callee-app")


def test_an_order_is_a_job(client, sidecar):
    order = client.post("/greet-later/Ada").json()
    assert sidecar.jobs[order["order_id"]]["data"] == order


def test_a_job_that_fires_publishes_its_order(client, sidecar):
    assert client.post("/job/any", json=ORDER).json() == {"status": "SUCCESS"}
    (published,) = sidecar.published
    assert (published.topic, published.data) == ("hello-orders", ORDER)
    assert published.event["id"] == ORDER["order_id"]


def test_an_event_starts_one_workflow_which_greets(client, engine):
    url = f"/greetings/{ORDER['order_id']}"
    assert client.get(url).status_code == 404
    for _ in range(2):
        assert client.post("/events/orders", json={"id": "1", "data": ORDER}).json() == {"status": "SUCCESS"}
    assert engine.scheduled == [ORDER["order_id"]]
    eventually(lambda: engine.instances[ORDER["order_id"]].timers)
    assert client.get(url).json() == {"status": "running", "message": None}
    engine.pass_time(1)
    eventually(lambda: client.get(url).json() == {"status": "completed", "message": "Hello, Ada!"})


def test_an_event_that_is_no_order_is_dropped(client, engine):
    assert client.post("/events/orders", json={"id": "1", "data": {"name": "Ada"}}).json() == {"status": "DROP"}
    assert engine.scheduled == []
