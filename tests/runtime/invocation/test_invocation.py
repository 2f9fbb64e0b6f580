"""Service invocation through two real sidecars: every way to call, and the caller's answer when it fails."""

from __future__ import annotations

import json
from uuid import uuid4

import pytest

from labctl.up.processes import wait_until
from tests.runtime.lab_shell import LabShell

pytestmark = pytest.mark.lab("invocation")
VIAS = ["url", "header", "sdk", "grpc"]


@pytest.mark.parametrize("via", VIAS)
def test_greets_by_every_way(lab, via):
    answer = lab.call("/call-greet/Ada", via=via)
    assert answer.status_code == 200, answer.text
    body = answer.json()
    greeter = "callee-grpc-app" if via == "grpc" else "callee-app"
    assert "Ada" in body["message"]
    assert greeter in body["message"]
    assert body["via"] == via
    assert body["attempts"] == 1
    assert 0 < body["elapsed_ms"] < 5000


@pytest.mark.parametrize("via", VIAS)
@pytest.mark.parametrize("name", ["Dapr User", "Zoë", "李", "a%2Fb", "100%", "what?", "a#b", "x&y=z", "a+b"])
def test_names_arrive_unharmed(lab, via, name):
    from urllib.parse import quote

    answer = lab.http.get(lab.url("caller-app", f"/call-greet/{quote(name, safe='')}"), params={"via": via})
    assert answer.status_code == 200, answer.text
    assert f" {name} from " in answer.json()["message"]


def test_a_body_over_four_megabytes_reaches_the_app_which_has_its_own_limit(lab):
    body = b" " * 6_000_000
    headers = {"content-type": "application/json"}
    answer = lab.http.put(
        lab.sidecar("caller-app", "/v1.0/invoke/callee-app/method/faults"), content=body, headers=headers
    )
    assert (answer.status_code, "65536 bytes" in answer.text) == (413, True), answer.text


def test_the_call_is_one_trace_from_caller_to_callee(lab):
    """Dapr passes traceparent on: callee's log line carries the trace id that the client sent."""
    trace = uuid4().hex
    headers = {"traceparent": f"00-{trace}-{uuid4().hex[:16]}-01", "x-request-id": str(uuid4())}
    lab.faults(fail_next=1)
    assert lab.http.get(lab.url("caller-app", "/call-greet/Trace"), headers=headers).status_code == 200
    log = lab.stack.logs / "callee-app.log"

    def lines():
        return [line for line in log.read_text().splitlines() if trace in line]

    assert wait_until(lambda: lines() != [], 20), "callee logged nothing under the client's trace id"
    line = lines()[0]
    assert json.loads(line[line.index("{") :])["trace_id"] == trace


def test_sidecar_apis_listen_on_loopback_only(lab):
    import psutil

    for app in lab.apps:
        sidecar = psutil.Process(lab.pid(app.app_id, "sidecar"))
        bound = {one.laddr.port: one.laddr.ip for one in sidecar.net_connections("tcp") if one.status == "LISTEN"}
        assert bound[app.http_port] == "127.0.0.1"
        assert bound[app.grpc_port] == "127.0.0.1"


def test_the_dapr_cli_knows_the_same_apps(lab):
    """`list`, not `invoke`: the CLI finds apps of all stacks of this machine, a user's own callee-app too."""
    run = LabShell(lab.stack).run("dapr", "list", "--output", "json")
    listed = {(one["appId"], one["httpPort"], one["appPort"], one["daprdPid"]) for one in json.loads(run.stdout)}
    for app_id in ("callee-app", "caller-app", "callee-grpc-app"):
        app = lab.app(app_id)
        assert (app_id, app.http_port, app.app_port, lab.pid(app_id, "sidecar")) in listed
