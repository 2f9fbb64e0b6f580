"""No header of a caller fails a request later, and no page of another site changes anything."""

import json

import pytest
from fastapi import APIRouter, Request
from fastapi.testclient import TestClient

from kit.edge.gate import Uploads
from kit.edge.service import build
from kit.edge.settings import ServiceSettings
from kit.fakes.service import HOST

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
BODY = b'{"fail_next": 0}'


@pytest.fixture
def headers_of(client):
    """Return a function that sends headers, and returns those that a route sees."""

    @client.app.get("/seen")
    async def seen(request: Request) -> list[list[str]]:
        return [[name, value] for name, value in request.headers.items() if name in sent]

    sent = set()

    def send(*headers):
        sent.update(name for name, _ in headers)
        return [tuple(pair) for pair in client.get("/seen", headers=list(headers)).json()]

    return send


@pytest.mark.parametrize(
    "headers",
    [
        [("traceparent", TRACE)],
        [("traceparent", TRACE), ("tracestate", "vendor=one,other=2")],
        [("x-request-id", "6f6f1f2e-9d5c")],
        [("x-other", "x" * 20_000)],
    ],
)
def test_headers_that_fit_are_passed_on(headers_of, headers):
    assert headers_of(*headers) == headers


@pytest.mark.parametrize(
    "headers",
    [
        [("traceparent", TRACE[:-3] + "x" * 20_000)],
        [("traceparent", TRACE.upper())],
        [("traceparent", TRACE + "-more")],
        [("traceparent", "")],
        [("traceparent", TRACE), ("traceparent", TRACE)],
        [("traceparent", "00-" + "0" * 32 + "-b7ad6b7169203331-01")],
        [("tracestate", "vendor=one")],
        [("baggage", "user=Ada")],
        [("grpc-trace-bin", "AAA")],
        [("x-request-id", "x" * 201)],
        [("x-request-id", "a b")],
        [("x-request-id", "a"), ("x-request-id", "b")],
    ],
)
def test_headers_that_could_fail_a_later_call_are_dropped(headers_of, headers):
    assert headers_of(*headers) == []


@pytest.mark.parametrize("state", ["a=" + "x" * 600, "a=" + "x" * 60_000, "a=\x01", "a=\xfc", ""])
def test_a_trace_goes_on_without_a_state_that_is_too_long_or_invalid(headers_of, state):
    assert headers_of(("traceparent", TRACE), ("tracestate", state.encode("latin-1"))) == [("traceparent", TRACE)]


def test_the_lines_of_a_trace_state_are_one(headers_of):
    found = headers_of(("traceparent", TRACE), ("tracestate", "a=1"), ("tracestate", "b=2"))
    assert found[1:] == [("tracestate", "a=1, b=2")]


@pytest.mark.parametrize("host", ["127.0.0.1:8001", "LOCALHOST", "[::1]:8001"])
def test_a_host_that_is_served(client, host):
    assert client.get("/", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "127.0.0.1.nip.io:8001", "127x0.0.1", ""])
def test_another_host_is_refused(client, host):
    answer = client.get("/", headers={"host": host})
    assert (answer.status_code, answer.headers["content-type"]) == (400, "application/problem+json")


def test_the_hosts_are_a_setting(serve):
    assert serve(allowed_hosts=["pizza-order"]).get("/", headers={"host": "pizza-order:80"}).status_code == 200
    assert serve(allowed_hosts=["*"]).get("/", headers={"host": "10.0.0.7:8001"}).status_code == 200


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        (HOST, 200),
        ("http://localhost:3000", 200),
        ("http://evil.example", 403),
        ("http://localhost:8002", 403),
        ("null", 403),
    ],
)
def test_pages_of_other_sites_change_nothing(serve, origin, status):
    client = serve(faults_enabled=True, cors_origins=["http://localhost:3000"])
    assert client.delete("/faults", headers={"origin": origin}).status_code in (status, 204)
    answer = client.put("/faults", json={}, headers={"origin": origin})
    assert answer.status_code == status
    assert client.get("/faults", headers={"origin": origin}).status_code == 200


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("application/json", 200),
        ("Application/JSON; charset=utf-8", 200),
        ("application/cloudevents+json", 200),
        ("application/vnd.a+b+json", 200),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("application/jsonp", 415),
        ("text/plain,application/json", 415),
        ("", 415),
    ],
)
def test_a_change_takes_json_types_only(client, kind, status):
    for body in (BODY, iter([BODY])):
        answer = client.put("/faults", content=body, headers={"content-type": kind})
        assert answer.status_code == status
        assert status == 200 or "application/json" in answer.json()["detail"]


def test_no_body_needs_no_type(client):
    assert client.delete("/faults", headers={"content-length": "0"}).status_code == 204
    # As Dapr sends it.
    assert client.delete("/faults", headers={"transfer-encoding": "chunked"}).status_code == 204


def test_a_body_without_a_type_is_not_read(client):
    assert client.put("/faults", content=BODY).status_code == 415
    assert client.put("/faults", content=iter([BODY])).status_code == 422


def test_head_is_get_without_the_body(client):
    answer = client.head("/greet/Ada")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-length"] == client.get("/greet/Ada").headers["content-length"]
    assert client.head("/nothing").status_code == 404


@pytest.mark.parametrize("path", ["/greet/Ada", "/greet/Ada/"])
def test_both_spellings_of_a_path_serve(client, path):
    assert client.get(path, follow_redirects=False).json() == {"message": "Hello, Ada!"}


def test_a_route_that_ends_with_a_slash_serves_both_spellings(client):
    @client.app.post("/chat/")
    async def chat(body: dict[str, int]) -> dict[str, int]:
        return body

    for path in ("/chat", "/chat/"):
        assert client.post(path, json={"a": 1}, follow_redirects=False).json() == {"a": 1}
    answer = client.get("/chat")
    assert (answer.status_code, answer.headers["allow"]) == (405, "POST")
    assert client.get("/nothing/").status_code == 404


def test_the_documentation_needs_no_network(client):
    page = client.get("/docs").text
    assert "://" not in page
    for name in ("swagger-ui-bundle.js", "swagger-ui.css", "favicon.png"):
        assert f"/swagger/{name}" in page
        assert client.get(f"/swagger/{name}").status_code == 200
    assert "/greet/{name}" in json.loads(client.get("/openapi.json").text)["paths"]
    assert client.get("/redoc").status_code == 404


def test_the_contract_has_the_answers_of_the_edge(client):
    paths = client.get("/openapi.json").json()["paths"]
    assert {"400", "404"} <= paths["/greet/{name}"]["get"]["responses"].keys()
    assert {"400", "403", "408", "413", "415"} <= paths["/faults"]["put"]["responses"].keys()


@pytest.mark.parametrize(
    ("verb", "path", "kind", "size", "status"),
    [
        ("PUT", "/files/a", "application/octet-stream", 100, 200),
        ("PUT", "/files/a", "application/octet-stream", 101, 413),
        ("PUT", "/files/a", "application/json", 10, 415),
        ("PUT", "/files/a", "text/plain", 10, 415),
        ("POST", "/files/a", "application/octet-stream", 10, 415),
        ("PUT", "/others/a", "application/octet-stream", 10, 415),
    ],
)
def test_only_a_put_of_an_upload_takes_a_file(verb, path, kind, size, status):
    router = APIRouter()

    @router.api_route("/{rest:path}", methods=["PUT", "POST"])
    async def take(request: Request) -> int:
        return len(await request.body())

    uploads = Uploads(r"/files/[^/]+", max_bytes=100, max_seconds=5)
    settings = ServiceSettings(_env_file=None, max_body_bytes=20)
    app = build(settings, title="x", description="x", welcome="x", routers=[router], uploads=uploads)
    with TestClient(app, HOST) as client:
        answer = client.request(verb, path, content=b"x" * size, headers={"content-type": kind})
    assert answer.status_code == status, answer.text
    assert status != 415 or "content-type" in answer.json()["detail"]
