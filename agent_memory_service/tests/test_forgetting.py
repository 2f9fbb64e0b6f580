"""A forgotten user stays forgotten, also by events in flight."""

from datetime import UTC, datetime, timedelta
from fnmatch import fnmatch

import grpc
import pytest
from conftest import cloud_event, hash_of, turn

from kit.fakes.waiting import eventually

ADA = hash_of("ada")
DOWN = (grpc.StatusCode.UNKNOWN, "down")
TEXTS = ("ada", "question", "answer", "Ada", "m-", "s-1", "s-2")


def tell(client):
    client.post("/memories/ada/initialize", json={"name": "Ada", "user_summary": "Ada is a secret agent."})
    client.deliver(*(turn(number) for number in range(30)), turn(1, session_id="s-2"))
    client.post("/events/conversations-dead", json=cloud_event(turn(7, user_message=""), id="poison"))
    eventually(client.is_summarized)


def nothing_left(sidecar):
    everything = sidecar.everything()
    assert [text for text in TEXTS if text in everything] == []
    # The tombstone, and the empty slots of the dead letters, which are everybody's.
    kinds = sorted({key.split(":")[0] for key in sidecar.keys("")})
    assert [kind for kind in kinds if kind not in ("dead-letters", "forgotten")] == []


def test_forgetting_leaves_no_key_with_the_users_text_or_id(client):
    tell(client)
    client.deliver(turn(1, user_id="bob", session_id="s-3", user_message="mine"))
    eventually(lambda: client.is_summarized("bob"))
    answer = client.delete("/memories/ada")
    assert (answer.status_code, answer.json()["status"]) == (202, "forgetting")
    assert client.get("/memories/ada").status_code == 404
    client.fire("forget-")
    assert client.get("/conversations/s-1").status_code == 404
    assert client.get("/dead-letters").json() == {"dead_letters": []}
    assert client.get("/conversations/s-3").json()["history"][0]["content"] == "mine"
    assert client.delete("/memories/bob").status_code == 202
    client.fire("forget-")
    nothing_left(client.sidecar)


def test_the_stated_time_covers_the_streams(client):
    """An event may be tried for two minutes more, and memory be away: its text is gone by then all the same."""
    tell(client)
    before = datetime.now(UTC)
    gone_by = datetime.fromisoformat(client.delete("/memories/ada").json()["gone_by"])
    assert timedelta(seconds=734) < gone_by - before < timedelta(seconds=740)
    # Ordered at once: the job that forgets may be late.
    trim = client.sidecar.jobs[f"trim-{ADA}-1"]
    assert (trim["dueTime"], trim["schedule"], trim["repeats"]) == ("605s", "@every 120s", 2)
    client.fire("forget-")
    client.fire("trim-")
    told = [data["event_type"] for data in client.sidecar.events("user-forgotten")]
    assert told == ["UserForgotten"] + ["StreamTrimmed"] * 20
    dead = [data["event_type"] for data in client.sidecar.events("conversations-dead")]
    assert dead == ["StreamTrimmed"] * 20


def told(client):
    """Return the users that chat was to forget, each time."""
    return [data["user_hash"] for data in client.sidecar.events("user-forgotten") if "user_hash" in data]


def test_what_a_forgotten_user_told_chat_since_then_is_forgotten_when_asked_again(client):
    tell(client)
    first = client.delete("/memories/ada").json()
    client.fire("forget-")
    # Chat answers, and keeps its answer; memory drops the event.
    client.deliver(turn(61, timestamp=datetime.now(UTC).isoformat()))
    again = client.delete("/memories/ada")
    assert again.status_code == 202
    assert again.json()["gone_by"] > first["gone_by"]
    client.fire("forget-")
    assert told(client) == [ADA] * 2
    # The first time that was stated holds as well.
    assert list(client.sidecar.jobs) == [f"trim-{ADA}-{number}" for number in (1, 2)]
    nothing_left(client.sidecar)


def test_asked_again_while_it_is_under_way_it_is_done_again(client, serve):
    """The first request says last that it is done, which does not count for the second."""
    client.deliver(turn(1))
    client.delete("/memories/ada")
    other = serve()
    client.just_before("SaveState", "forgotten:", lambda: other.delete("/memories/ada"))
    client.fire("forget-")
    assert not client.sidecar.value(f"forgotten:{ADA}")["done"]
    client.fire("forget-")
    assert client.sidecar.value(f"forgotten:{ADA}")["done"]
    assert told(client) == [ADA] * 2


def test_of_an_unknown_user_chat_is_told_and_nothing_stays(client):
    """Chat may have something of a user whose turns were never announced."""
    assert client.delete("/memories/ada").status_code == 202
    client.deliver(turn(1))
    client.fire("forget-")
    client.deliver(turn(2))
    assert told(client) == [ADA]
    nothing_left(client.sidecar)


def test_a_late_event_is_acknowledged_and_brings_nothing_back(client):
    tell(client)
    client.forget("ada")
    assert client.deliver(turn(61), turn(1), turn(1, session_id="s-9")).json() == {"status": "SUCCESS"}
    client.post("/events/conversations-dead", json=cloud_event(turn(62, user_message=""), id="late poison"))
    nothing_left(client.sidecar)
    assert client.get("/memories/ada").status_code == 404


def test_known_again_only_what_is_younger_counts(client):
    tell(client)
    client.forget("ada")
    made = client.post("/memories/ada/initialize", json={"name": "Ada the Second"})
    assert made.status_code == 201
    client.deliver(turn(61))
    assert client.get("/conversations/s-1").status_code == 404
    young = turn(62, timestamp=datetime.now(UTC).isoformat())
    client.deliver(young)
    sent_now = cloud_event({"user_id": "ada"}, time=young["timestamp"], id="m-64")
    for letter in (cloud_event(turn(2)), cloud_event(young | {"message_id": "m-63"}), sent_now):
        client.post("/events/conversations-dead", json=letter)
    assert [one["event_id"] for one in client.get("/dead-letters").json()["dead_letters"]] == ["m-64", "m-63"]
    history = client.get("/conversations/s-1").json()["history"]
    assert [one["content"] for one in history] == ["question 62", "answer 62"]
    # Dapr may call the same job again.
    client.post(f"/job/forget-{ADA}")
    assert client.get("/memories/ada").json()["name"] == "Ada the Second"
    client.forget("ada")
    eventually(lambda: f"memory:{ADA}" not in client.sidecar.keys(""))
    nothing_left(client.sidecar)


def test_while_being_forgotten_a_user_cannot_be_made_known(client):
    tell(client)
    assert client.post("/job/other").status_code == 404
    client.delete("/memories/ada")
    answer = client.post("/memories/ada/initialize", json={"name": "Ada"})
    assert (answer.status_code, answer.headers["retry-after"]) == (409, "1")


@pytest.mark.parametrize(
    ("step", "of"),
    [
        ("DeleteState", "conversation:s-1:at:m-3"),
        ("DeleteState", "conversation:s-1"),
        ("DeleteState", "conversation:s-2"),
        ("DeleteState", "dead-letters:at:*"),
        ("PublishEvent", "user-forgotten"),
        ("DeleteState", "sessions:*"),
        ("SaveState", "forgotten:*"),
    ],
)
def test_a_job_that_fails_half_way_is_finished_when_it_comes_again(client, step, of):
    tell(client)
    client.delete("/memories/ada")
    client.sidecar.refuse = lambda method, key: DOWN if method == step and fnmatch(key, of) else None
    assert client.post(f"/job/forget-{ADA}").status_code == 503
    client.sidecar.refuse = lambda *_: None
    client.fire("forget-")
    told = {one for data in client.sidecar.events("user-forgotten") for one in data["session_ids"]}
    assert told == {"s-1", "s-2"}
    nothing_left(client.sidecar)


def test_who_is_forgotten_while_being_introduced_is_not_introduced(client):
    client.just_before("SaveState", "memory:", lambda: client.delete("/memories/ada"))
    answer = client.post("/memories/ada/initialize", json={"name": "Ada"})
    assert (answer.status_code, answer.headers["retry-after"]) == (409, "1")
    assert client.get("/memories/ada").status_code == 404


def test_a_scheduler_that_is_down_fails_the_request_which_can_be_repeated(client):
    tell(client)
    client.sidecar.refuse = lambda method, _: DOWN if method == "ScheduleJob" else None
    answer = client.delete("/memories/ada")
    assert (answer.status_code, answer.json()["dependency"]) == (503, "Dapr scheduler")
    client.sidecar.refuse = lambda *_: None
    client.forget("ada")
    nothing_left(client.sidecar)


@pytest.fixture
def slow(serve):
    """A replica that writes no summaries, so that its writes are those of its events."""
    return serve(summary_delay_seconds=30.0)


@pytest.mark.parametrize(
    ("session", "write"),
    [
        ("s-1", "conversation:s-1"),
        ("s-1", "conversation:s-1:at:"),
        ("s-1", "memory:"),
        ("s-2", "sessions:"),
        ("s-2", "conversation:s-2"),
    ],
)
@pytest.mark.parametrize("is_known", [True, False])
def test_a_user_forgotten_while_an_event_is_in_hand_does_not_come_back(slow, serve, session, write, is_known):
    """Another replica forgets the user, to the end, in the moment before each kind of write."""
    if is_known:
        slow.deliver(*(turn(number) for number in range(3)))
    other = serve()
    slow.just_before("SaveState", write, lambda: other.forget("ada"))
    slow.deliver(turn(3, session_id=session))
    nothing_left(slow.sidecar)


@pytest.mark.parametrize("write", ["conversation:s-1:at:", "memory:"])
def test_an_event_that_died_before_it_cleaned_up_is_followed_by_one_that_does(slow, serve, write):
    """Its id is listed, or its turn is stored too, when its user is forgotten and the process dies."""
    slow.deliver(turn(1))
    other = serve()

    def forget_and_die():
        other.forget("ada")
        slow.sidecar.refuse = lambda _, key: DOWN if key.startswith(write) else None

    slow.just_before("SaveState", "conversation:s-1:at:", forget_and_die)
    assert slow.deliver(turn(2)).status_code == 503
    slow.sidecar.refuse = lambda *_: None
    slow.deliver(turn(2))
    nothing_left(slow.sidecar)


def test_a_user_of_many_sessions_is_forgotten(client):
    client.deliver(*(turn(number, session_id=f"s-{number}") for number in range(110)))
    client.forget("ada")
    assert len(client.sidecar.events("user-forgotten")[0]["session_ids"]) == 110
    nothing_left(client.sidecar)
