"""The four ways to callee: the request at the sidecar, and the answer."""

from urllib.parse import quote

import pytest

TRACE = {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "tracestate": "vendor=one"}
VIAS = ["url", "header", "sdk", "grpc"]
over_every_via = pytest.mark.parametrize("via", VIAS)


# Characters with a meaning in a path, in a URL, or to one of the parsers on the way.
NAMES = [
    "Dapr User", " x ", "Jürgen", "漢字 ✓", "a/b", "//", "../healthz", "a/../../faults", ".", "..", "...", "Dr. Who",
    "100%", "%", "%2F", "%252e", "a?b=c", "a#b", "a\\b", "a;b=c&d+e", "<>\"'^`{|}", "~!@$*()[],:", "a\tb", "\x7f",
    "x" * 100, "✓" * 100,
]  # fmt: skip


def call(client, name="Ada", headers=None, **query):
    return client.get(f"/call-greet/{quote(name, safe='')}", params=query, headers=headers)


@over_every_via
def test_brings_the_greeting_and_what_it_took(client, callee, via):
    callee.headers, callee.grpc_trailers = {"X-Attempt": "3"}, (("x-attempt", "3"),)
    answer = call(client, via=via)
    assert answer.status_code == 200
    body = answer.json()
    assert 0 < body.pop("elapsed_ms") < 5_000
    app_id = "callee-grpc-app" if via == "grpc" else "callee-app"
    assert body == {"message": f"Hello, Ada from {app_id}!", "via": via, "attempts": 3}


@pytest.mark.parametrize(
    ("query", "arrived", "header", "begins"),
    [
        ({}, "/greet/Ada", "host", "127.0.0.1"),
        ({"via": "header"}, "/greet/Ada", "dapr-app-id", "callee-app"),
        ({"via": "sdk"}, "/greet/Ada", "user-agent", "dapr-sdk-python/"),
        ({"via": "grpc"}, "Ada", "dapr-app-id", "callee-grpc-app"),
    ],
)
def test_each_via_calls_in_its_own_way_and_the_url_is_the_default(client, callee, query, arrived, header, begins):
    assert call(client, **query).json()["via"] == query.get("via", "url")
    path, headers = callee.calls[0]
    assert path == arrived
    assert headers[header].startswith(begins)
    assert ("dapr-app-id" in headers) == (header == "dapr-app-id")


@over_every_via
def test_app_ids_are_settings(serve, sidecar, callee, via):
    call(serve(callee_app_id="other-app", callee_grpc_app_id="other-app"), via=via)
    invoked = [one.app_id for one in sidecar.invoked] or [callee.calls[0][1]["dapr-app-id"]]
    assert invoked == ["other-app"]


@over_every_via
def test_names_arrive_as_they_were_sent(client, callee, via):
    for sent, name in enumerate(NAMES, start=1):
        # Percent signs twice, because Starlette's TestClient decodes twice; dots, because it would resolve them.
        path = quote(name.replace("%", "%25"), safe="").replace(".", "%2E")
        answer = client.get(f"/call-greet/{path}", params={"via": via})
        assert (answer.status_code, len(callee.calls)) == (200, sent), name
        assert answer.json()["message"].startswith(f"Hello, {name} from callee-")


@over_every_via
@pytest.mark.parametrize("name", ["", "x" * 101])
def test_a_bad_name_is_refused_without_a_call(client, callee, via, name):
    answer = call(client, name, via=via)
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == ["name"]
    assert not callee.calls


@pytest.mark.parametrize("via", ["", "URL", "http", "x" * 10_000])
def test_an_unknown_via_is_refused_with_those_there_are(client, callee, via):
    answer = call(client, via=via)
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("via: ")
    assert all(known in answer.json()["detail"] for known in VIAS)
    assert len(answer.content) < 500
    assert not callee.calls


@over_every_via
def test_the_request_id_and_the_trace_go_along(client, callee, via):
    answer = call(client, via=via, headers={"x-request-id": "one", **TRACE})
    _, headers = callee.calls[0]
    assert {name: headers.get(name) for name in ("x-request-id", *TRACE)} == {"x-request-id": "one", **TRACE}
    assert answer.headers["x-request-id"] == "one"


@over_every_via
@pytest.mark.parametrize("given", [None, "", "with space", "ü", "x" * 201])
def test_a_request_without_a_usable_id_gets_one(client, callee, via, given):
    headers = {} if given is None else {"x-request-id": given.encode()}
    answers = [call(client, via=via, headers=headers) for _ in range(2)]
    told = [answer.headers["x-request-id"] for answer in answers]
    assert [headers["x-request-id"] for _, headers in callee.calls] == told
    assert len(set(told)) == 2
    assert all(len(request_id) == 32 for request_id in told)


@over_every_via
def test_nothing_else_of_the_request_goes_along(client, callee, via):
    private = {"authorization": "Basic x", "cookie": "a=b", "dapr-api-token": "forged", "dapr-app-id": "x"}
    # Metadata cannot carry this, so it is left out.
    assert call(client, via=via, headers=private | {"tracestate": "vendor=ü".encode()}).status_code == 200
    _, headers = callee.calls[0]
    assert not {"authorization", "cookie", "dapr-api-token", "tracestate"} & set(headers)
    assert headers.get("dapr-app-id", "callee-app") in ("callee-app", "callee-grpc-app")


@over_every_via
def test_the_sidecar_is_shown_the_api_token(serve, sidecar, callee, via):
    assert call(serve(dapr_api_token="s3cret"), via=via).status_code == 200
    assert sidecar.tokens | {callee.calls[0][1]["dapr-api-token"]} == {"s3cret"}


@over_every_via
def test_attempts_are_null_when_callee_does_not_say(client, callee, via):
    callee.headers, callee.grpc_trailers = {}, ()
    assert call(client, via=via).json()["attempts"] is None
