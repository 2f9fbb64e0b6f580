"""With TRACING=true the app's own spans are in the trace, without personal data. Otherwise there are none."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from kit.fakes.waiting import process

HERE = Path(__file__).parent
TRACE_ID, CLIENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


class Zipkin(BaseHTTPRequestHandler):
    """Receive spans as Zipkin does."""

    spans: list[dict]

    def do_POST(self):
        self.spans += json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.send_response(202)
        self.end_headers()

    def log_message(self, *_):
        pass


@pytest.fixture
def zipkin() -> Iterator[tuple[str, list[dict]]]:
    """Yield the address of a receiver, and its spans."""
    spans: list[dict] = []
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Receiver", (Zipkin,), {"spans": spans}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/api/v2/spans", spans
    server.shutdown()
    server.server_close()


def greeted(sidecar, endpoint, traced=f"00-{TRACE_ID}-{CLIENT}-01", **environment):
    """Let the service greet Ada once, stop it, and return the calls that it made and its log."""
    sidecar.apps["callee"] = lambda _: (200, {})
    more = {"PYTHONPATH": HERE.parents[1], "OTEL_EXPORTER_ZIPKIN_ENDPOINT": endpoint, "APP_ID": "greeter-app"}
    more |= {name.upper(): port for name, port in sidecar.ports.items()} | environment
    with process(HERE, "traced.py", **more) as (running, port):
        headers = {"traceparent": traced, "baggage": "user=Ada"}
        with urlopen(Request(f"http://127.0.0.1:{port}/greet/Ada?secret=Ada", headers=headers)) as answer:
            assert answer.status == 200
        with urlopen(f"http://127.0.0.1:{port}/healthz") as answer:
            assert answer.status == 200
        running.terminate()
        log, _ = running.communicate(timeout=20)
    (invoked,), (published,) = sidecar.invoked, sidecar.published
    return invoked.headers, published.traceparent, log


def test_the_spans_of_an_app_are_in_the_trace_of_its_request(sidecar, zipkin):
    endpoint, spans = zipkin
    headers, traceparent, _ = greeted(sidecar, endpoint, TRACING="true")
    by_name = {span["name"]: span for span in spans}
    # An event is published by the sidecar's client, which first asks whether the sidecar is ready.
    assert set(by_name) == {"GET /greet/{name}", "GET", "PublishEvent"}
    assert {span["traceId"] for span in spans} == {TRACE_ID}
    assert {span["localEndpoint"]["serviceName"] for span in spans} == {"greeter-app"}
    server, publish = by_name["GET /greet/{name}"], by_name["PublishEvent"]
    assert (server["parentId"], server["kind"], publish["kind"]) == (CLIENT, "SERVER", "CLIENT")
    assert server["tags"]["http.response.status_code"] == "200"
    assert {span["parentId"] for span in spans if span is not server} == {server["id"]}
    assert traceparent == f"00-{TRACE_ID}-{publish['id']}-01"
    assert headers["traceparent"].split("-")[2] in {span["id"] for span in spans if span["name"] == "GET"}
    assert "baggage" not in headers
    assert "Ada" not in json.dumps(spans)


def test_the_spans_of_an_app_are_those_of_its_share_of_the_traces(sidecar, zipkin):
    endpoint, spans = zipkin
    headers, *_ = greeted(sidecar, endpoint, traced="", TRACING="true", OTEL_TRACES_SAMPLER_ARG="0")
    assert int(headers["traceparent"][-2:], 16) & 1 == 0  # the flag "sampled"
    assert spans == []


def test_without_the_setting_an_app_sends_no_span_and_passes_the_trace_on(sidecar, zipkin):
    endpoint, spans = zipkin
    headers, traceparent, _ = greeted(sidecar, endpoint)
    assert headers["traceparent"] == traceparent == f"00-{TRACE_ID}-{CLIENT}-01"
    assert spans == []


def test_an_app_serves_and_ends_without_a_receiver(sidecar):
    *_, log = greeted(sidecar, "http://127.0.0.1:9/api/v2/spans", TRACING="true")
    (line,) = [json.loads(line) for line in log.splitlines() if "spans not sent" in line]
    assert line["level"] == "WARNING"
    assert "Traceback" not in log
