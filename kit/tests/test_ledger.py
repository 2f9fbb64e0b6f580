"""The ledger: each step once, by whichever replica, refused after its compensation, and listed page by page."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from fastapi import APIRouter

from kit import ledger
from kit.edge.service import build
from kit.edge.settings import ServiceSettings
from kit.fakes.pizza import TASK, done
from kit.fakes.pizza import ledger as entries
from kit.fakes.waiting import eventually
from kit.ledger import LedgerDep, Step
from kit.order import Done, Task

COOK = Step("cook", "cooked", compensated_by=frozenset({"discard"}), by_attempt=True)
DELIVER = Step("deliver", "delivered", compensated_by=frozenset({"recall", "lose"}))
STEPS = {step.name: step for step in (COOK, DELIVER, Step("discard", "discarded"), Step("recall", "recalled"))}

story = APIRouter()


@story.post("/{name}")
async def do(name: str, task: Task, ledger: LedgerDep, seconds: float = 0) -> Done:
    """Do a step."""
    return await ledger.do(STEPS[name], task, seconds)


class Settings(ServiceSettings):
    ledger_store: str = "ledgerstore"
    orders_per_page: int = 100
    ledger_retention_seconds: int = 90
    store_timeout_seconds: float = 5
    step_seconds: float = 0


@pytest.fixture
def defaults(sidecar):
    return sidecar.ports


@pytest.fixture
def make_app():
    def make(**settings):
        return build(
            Settings(_env_file=None, **settings),
            title="pizza",
            description="Does steps.",
            welcome="POST /{step}",
            routers=[story, ledger.router],
            lifespan=ledger.lifespan,
        )

    return make


def post(client, *order_ids):
    for order_id in order_ids:
        assert client.post("/cook", json={"order_id": order_id}).status_code == 200


def listed(client, **query):
    answer = client.get("/ledger", params=query)
    assert answer.status_code == 200
    return [entry["order_id"] for entry in answer.json()["entries"]], answer.json()["next"]


def test_a_repeated_step_is_done_once_and_counted_and_so_is_its_compensation(serve):
    # Each request is another replica's, as after a restart.
    answers = [serve().post("/cook", json=TASK) for _ in range(3)]
    assert [(answer.status_code, answer.json()) for answer in answers] == [(200, done("cooked"))] * 3
    assert [serve().post("/discard", json=TASK).json() for _ in range(2)] == [done("discarded")] * 2
    assert entries(serve()) == [("cook", "1", 1, "cooked", 3), ("discard", "1", 1, "discarded", 2)]


@pytest.mark.parametrize("was_done", [True, False])
def test_a_step_is_refused_after_its_compensation(client, was_done):
    if was_done:
        client.post("/cook", json=TASK)
    client.post("/discard", json=TASK)
    before = entries(client)
    answer = client.post("/cook", json=TASK)
    assert (answer.status_code, answer.headers["content-type"]) == (409, "application/problem+json")
    assert answer.json()["code"] == "ALREADY_CANCELLED"
    assert answer.json()["detail"] == "order_id: order 123 was discarded and can no longer be cooked."
    assert entries(client) == before


def test_a_step_by_attempt_is_refused_for_that_attempt_only(client):
    client.post("/discard", json={**TASK, "attempt": 2})
    answers = [client.post("/cook", json={**TASK, "attempt": attempt}).status_code for attempt in (1, 2, 3)]
    assert answers == [200, 409, 200]


@pytest.mark.parametrize("attempt", [1, 2, 1000])
def test_another_step_is_refused_for_the_whole_run_and_for_no_other_run(client, attempt):
    client.post("/recall", json=TASK)
    assert client.post("/deliver", json={**TASK, "attempt": attempt}).status_code == 409
    assert client.post("/deliver", json={**TASK, "attempt": attempt, "run": "b2"}).json()["run"] == "b2"


def test_two_replicas_that_are_asked_by_many_at_once_do_a_step_once(serve):
    replicas = [serve(), serve()]
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(lambda n: replicas[n % 2].post("/cook", json=TASK), range(16)))
    assert {answer.status_code for answer in answers} == {200}
    assert entries(replicas[0]) == [("cook", "1", 1, "cooked", 16)]


def test_a_step_and_its_compensation_at_once_never_leave_the_step_alone(serve):
    replicas = [serve(), serve()]
    for number in range(10):
        order_id = f"race-{number}"
        with ThreadPoolExecutor(2) as pool:
            doing = pool.submit(replicas[0].post, "/cook", json={"order_id": order_id})
            taking_back = pool.submit(replicas[1].post, "/discard", json={"order_id": order_id})
        assert taking_back.result().status_code == 200
        steps = [entry[0] for entry in entries(replicas[0], order_id)]
        assert steps == (["cook", "discard"] if doing.result().status_code == 200 else ["discard"])


def test_a_repeated_request_waits_for_the_rest_of_the_step_only(serve, sidecar, monkeypatch):
    waits = []

    async def at_once(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", at_once)
    one, other = serve(), serve()
    assert one.post("/cook?seconds=50", json=TASK).json() == done("cooked")
    ends = sidecar.value("order:123")["entries"][0]["at"]
    assert other.post("/cook?seconds=50", json=TASK).json() == done("cooked")
    assert sidecar.value("order:123")["entries"][0]["at"] == ends
    assert 0 < waits[-1] < waits[0] <= 50


def test_a_step_that_is_compensated_before_its_end_is_refused(client, sidecar):
    with ThreadPoolExecutor() as pool:
        doing = pool.submit(client.post, "/cook?seconds=0.5", json=TASK)
        eventually(lambda: sidecar.value("order:123"))
        assert client.post("/discard", json=TASK).status_code == 200
        assert doing.result().json()["code"] == "ALREADY_CANCELLED"
    assert [entry[0] for entry in entries(client)] == ["cook", "discard"]


@pytest.mark.parametrize("key", ["order:123", "orders"])
def test_an_order_whose_first_save_was_lost_is_done_once_at_the_second_request(client, sidecar, key):
    sidecar.refuse = lambda *asked: (grpc.StatusCode.INTERNAL, "lost") if asked == ("SaveState", key) else None
    answer = client.post("/cook", json=TASK)
    assert (answer.status_code, answer.json()["dependency"]) == (503, "ledgerstore")
    sidecar.refuse = lambda *_: None
    assert client.post("/cook", json=TASK).json() == done("cooked")
    assert entries(client) == [("cook", "1", 1, "cooked", 1)]
    assert listed(client) == (["123"], None)


def test_an_unknown_order_is_404_and_an_empty_ledger_is_an_empty_list(client):
    answer = client.get("/ledger/unknown")
    assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    assert answer.json()["detail"] == "order_id: no step was done for order unknown."
    assert client.get("/ledger").json() == {"entries": [], "next": None}


def test_orders_are_listed_newest_first_page_by_page_while_more_arrive(serve):
    client = serve(orders_per_page=3)
    post(client, *"abcdefg")
    assert listed(client) == (list("gfedcba"), None)
    seen, following = [], None
    while following is not None or not seen:
        found, following = listed(client, limit=2, **({"before": following} if following else {}))
        seen.append("".join(found))
        post(client, f"later{len(seen)}")
    assert seen == ["gf", "ed", "cb", "a"]


def test_the_ledger_is_gone_with_its_retention_and_an_order_keeps_its_last_steps_only(client, sidecar, monkeypatch):
    monkeypatch.setattr(ledger, "MOST_ENTRIES", 3)
    for attempt in range(1, 6):
        client.post("/cook", json={**TASK, "attempt": attempt})
    assert [entry[2] for entry in entries(client)] == [3, 4, 5]
    assert sidecar.ttls() == {"order:123": 90, "orders": 180}
    sidecar.expire()
    assert listed(client) == ([], None)


@pytest.mark.parametrize(("before", "found"), [("999999999.1", "edcba"), ("0.99999", "edcba"), ("0.0", "")])
def test_a_cursor_beyond_the_newest_order_starts_there_and_one_at_the_end_finds_none(serve, before, found):
    client = serve(orders_per_page=3)
    post(client, *"abcde")
    assert listed(client, before=before) == (list(found), None)


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=101", "limit=x", "before=x", "before=1.2.3", "before=-1.0", f"before={'9' * 100}"]
)
def test_a_bad_query_is_refused_by_field(client, query):
    answer = client.get(f"/ledger?{query}")
    assert (answer.status_code, [error["field"] for error in answer.json()["errors"]]) == (422, [query.split("=")[0]])


BAD = [
    *[({"order_id": bad}, "order_id") for bad in ("", "a" * 65, "a||b", "a:b", "../x", "a b", "ä", "1\n", "\x00", 7)],
    *[({"run": bad}, "run") for bad in ("", "a" * 33, "a-b", "1\n", 1, None)],
    *[({"attempt": bad}, "attempt") for bad in (0, -1, 1001, "1", 1.5, True, None)],
]


@pytest.mark.parametrize(("bad", "field"), BAD)
def test_a_bad_task_is_refused_by_field_and_nothing_is_done(client, sidecar, bad, field):
    answer = client.post("/discard", json={**TASK, **bad})
    assert (answer.status_code, [error["field"] for error in answer.json()["errors"]]) == (422, [field])
    assert sidecar.calls == []


def test_the_longest_key_is_accepted(client):
    assert client.post("/cook", json={"order_id": "A-_9" * 16, "run": "r" * 32, "attempt": 1000}).status_code == 200


@pytest.mark.parametrize("order_id", ["a" * 65, "a%7C%7Cb", "ä", "a%20b"])
def test_a_bad_id_in_a_path_is_refused_by_field(client, order_id):
    answer = client.get(f"/ledger/{order_id}")
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (422, "order_id")
