"""With an APP_API_TOKEN only the sidecar, which knows it, may call."""

import pytest

from kit.edge.settings import ServiceSettings

WRONG = [{}, {"dapr-api-token": "wrong"}, {"dapr-api-token": ""}, {"dapr-api-token": "s3crét".encode()}]


@pytest.fixture
def guarded(serve):
    return serve(only_sidecar=True, app_api_token="s3cret", faults_enabled=True)


@pytest.mark.parametrize("path", ["/greet/Ada", "/faults"])
def test_a_whole_app_refuses_a_caller_without_the_token(guarded, path):
    answer = guarded.get(path)
    assert (answer.status_code, answer.headers["content-type"]) == (401, "application/problem+json")
    assert "dapr-api-token" in answer.json()["detail"]


def test_the_sidecar_is_admitted_and_probes_and_readers_of_the_docs_are_too(guarded):
    assert guarded.get("/greet/Ada", headers={"dapr-api-token": "s3cret"}).status_code == 200
    assert 401 not in [guarded.get(path).status_code for path in ("/healthz", "/readyz", "/", "/docs")]


@pytest.mark.parametrize("headers", WRONG)
def test_a_route_for_dapr_alone_wants_the_token(serve, headers):
    client = serve(app_api_token="s3cret")
    assert client.post("/events", json={"a": 1}, headers=headers).status_code == 401
    assert client.post("/events", json={"a": 1}, headers={"dapr-api-token": "s3cret"}).json() == {"a": 1}
    assert client.get("/greet/Ada").status_code == 200


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_fault_switches_want_the_token_also_in_an_app_that_is_open_to_users(serve, method):
    client = serve(app_api_token="s3cret", faults_enabled=True)
    body = {"fail_next": 1} if method == "PUT" else None
    assert client.request(method, "/faults", json=body).status_code == 401
    assert client.request(method, "/faults", json=body, headers={"dapr-api-token": "s3cret"}).is_success


@pytest.mark.parametrize("token", [None, ""])
def test_without_a_token_set_everyone_is_admitted(serve, monkeypatch, token):
    if token is not None:
        monkeypatch.setenv("APP_API_TOKEN", token)
    client = serve(only_sidecar=True)
    assert client.get("/greet/Ada").status_code == 200
    assert client.post("/events", json={"a": 1}).status_code == 200


def test_the_token_does_not_show_in_the_settings():
    assert "s3cret" not in repr(ServiceSettings(_env_file=None, app_api_token="s3cret"))
