"""When the store or the sidecar fails: what is said of it, and that nothing is done twice for it."""

import time

import grpc
import pytest
from conftest import free_port
from sidecar_stand_in import grpc_server
from story import ACTION, ORDER, STATUS, done, ledger

NOT_THERE = "did not find address for state store"


def refused(answer, status, dependency):
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["dependency"] == dependency
    assert dependency in answer.json()["detail"] or dependency == "Dapr sidecar"
    return answer.json()


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (grpc.StatusCode.INTERNAL, 503),
        (grpc.StatusCode.UNKNOWN, 503),
        (grpc.StatusCode.DEADLINE_EXCEEDED, 503),
        (grpc.StatusCode.INVALID_ARGUMENT, 502),
        (grpc.StatusCode.FAILED_PRECONDITION, 502),
    ],
)
@pytest.mark.parametrize("method", ["GetState", "SaveState"])
def test_a_store_that_fails_is_named_and_its_words_stay_in_the_log(client, sidecar, caplog, code, status, method):
    sidecar.refuse = lambda asked, _: (code, "dial tcp 10.0.0.7:6379") if asked == method else None
    answer = client.post(f"/{ACTION}", json=ORDER)
    assert refused(answer, status, "pizzaledger")["errorCode"] == code.name
    assert "10.0.0.7" not in answer.text
    assert "10.0.0.7" in str([record.fields for record in caplog.records if hasattr(record, "fields")])


def test_a_token_that_the_sidecar_refuses_is_this_services_fault(client, sidecar):
    sidecar.refuse = lambda *_: (grpc.StatusCode.UNAUTHENTICATED, "invalid api token")
    answer = client.post(f"/{ACTION}", json=ORDER)
    assert answer.status_code == 502
    assert "DAPR_API_TOKEN" in answer.json()["detail"]


def test_a_list_that_cannot_be_read_is_no_empty_list(client, sidecar):
    client.post(f"/{ACTION}", json=ORDER)
    sidecar.refuse = lambda asked, _: (grpc.StatusCode.INTERNAL, "no") if asked == "GetBulkState" else None
    refused(client.get("/ledger"), 503, "pizzaledger")


@pytest.mark.parametrize("key", ["order:123", "page:0"])
def test_an_order_whose_first_attempt_was_lost_in_the_store_is_done_once_at_the_second(client, sidecar, key):
    sidecar.refuse = lambda *asked: (grpc.StatusCode.INTERNAL, "lost") if asked == ("SaveState", key) else None
    refused(client.post(f"/{ACTION}", json=ORDER), 503, "pizzaledger")
    sidecar.refuse = lambda *_: None
    assert client.post(f"/{ACTION}", json=ORDER).json() == done()
    assert ledger(client) == [(ACTION, "1", 1, STATUS, 1)]
    assert len(client.get("/ledger").json()["entries"]) == 1


def test_a_store_that_does_not_answer_is_not_waited_for_for_ever(serve, sidecar):
    client = serve(store_timeout_seconds=0.3)
    sidecar.before = lambda *_: time.sleep(0.6)
    started = time.monotonic()
    refused(client.post(f"/{ACTION}", json=ORDER), 504, "pizzaledger")
    assert time.monotonic() - started < 0.6


def test_without_a_sidecar_the_service_starts_and_says_so(serve):
    client = serve(dapr_http_port=free_port(), dapr_grpc_port=free_port())
    refused(client.post(f"/{ACTION}", json=ORDER), 503, "Dapr sidecar")
    assert client.get("/healthz").status_code == 200


def test_a_sidecar_that_was_lost_and_came_back_is_used_again_at_once(serve, sidecar):
    # gRPC by itself would wait a second, and longer each time, before it looks for the sidecar again.
    with grpc_server(sidecar := type(sidecar)(http_port=sidecar.http_port)):
        client = serve(dapr_grpc_port=sidecar.grpc_port)
        assert client.post(f"/{ACTION}", json=ORDER).status_code == 200
    for _ in range(5):
        refused(client.post(f"/{ACTION}", json=ORDER), 503, "Dapr sidecar")
    with grpc_server(sidecar):
        assert client.post(f"/{ACTION}", json=ORDER).json() == done()


def test_the_sidecar_is_shown_its_token(serve, sidecar):
    serve(dapr_api_token="s3cret").post(f"/{ACTION}", json=ORDER)
    assert sidecar.tokens == {"s3cret"}


def test_the_ledger_is_kept_in_the_store_that_the_settings_name(serve, sidecar):
    serve(ledger_store="another").post(f"/{ACTION}", json=ORDER)
    assert {store for store, _ in sidecar.values} == {"another"}
