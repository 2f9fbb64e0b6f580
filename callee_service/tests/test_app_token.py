"""With an APP_API_TOKEN only the sidecar, which knows it, may call."""

import pytest


@pytest.fixture
def guarded(serve):
    return serve(app_api_token="s3cret", faults_enabled=True)


@pytest.mark.parametrize(
    "path", ["/", "/greet/Ada", "/faults", "/docs", "/openapi.json", "/nothing", "/healthz/", "//healthz"]
)
@pytest.mark.parametrize(
    "headers", [{}, {"dapr-api-token": "wrong"}, {"dapr-api-token": ""}, {"dapr-api-token": "s3crét"}]
)
def test_refuses_who_does_not_have_the_token(guarded, path, headers):
    answer = guarded.get(path, headers={name: value.encode() for name, value in headers.items()})
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert "dapr-api-token" in answer.json()["detail"]


def test_admits_who_has_the_token(guarded):
    assert guarded.get("/greet/Ada", headers={"dapr-api-token": "s3cret"}).status_code == 200


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_probes_need_no_token(guarded, path):
    assert guarded.get(path).status_code != 401


@pytest.mark.parametrize("token", [None, ""])
def test_without_a_token_set_everyone_is_admitted(serve, monkeypatch, token):
    if token is not None:
        monkeypatch.setenv("APP_API_TOKEN", token)
    assert serve().get("/greet/Ada").status_code == 200


def test_the_token_does_not_show_in_the_settings(serve):
    from settings import Settings

    assert "s3cret" not in repr(Settings(_env_file=None, app_api_token="s3cret"))
