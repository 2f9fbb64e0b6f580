"""`./lab up --secure`: each door of docs/secure.md, the ways around them that were tried, and the labs behind them."""

from __future__ import annotations

import json
import os
import re
import subprocess
from concurrent.futures import ThreadPoolExecutor
from itertools import permutations
from typing import Any
from uuid import uuid4

import grpc
import psutil
import pytest
import yaml

from labctl import runfile
from labctl.make import runtime as dapr
from labctl.runfile import App
from labctl.stack import ROOT, TEST_OFFSET
from labctl.up import control, processes, secure
from labctl.up.processes import wait_until
from tests.house.repository import table
from tests.runtime.secure.conftest import STACK, Secure

pytestmark = pytest.mark.lab("secure")
DOORS = table((ROOT / "docs/secure.md").read_text(), ("door", "request", "token of", "answer"))
APPS = runfile.read_apps(STACK)
WEB = [app for app in APPS if app.protocol == "http"]
INVOKE = "/v1.0/invoke/callee-app/method"
# On the callee's port `/faults` is the prize, for a caller that may only greet.
TRICKS = [
    *(
        "/greet/../faults",
        "//faults",
        "/greet/%2e%2e/faults",
        "/greet/..%2ffaults",
        "/greet%2f..%2ffaults",
        "/./faults",
    ),
    *("/faults/", "/%66aults", "/faults%00", "/faults?x=/greet/Eve", "/faults;/greet/Eve", "/greet/a/../../faults"),
]


def only_for_dapr() -> list[tuple[int, str, str]]:
    """Return port, method and path of each route below /job and /events, and of the fault switches."""
    found: list[tuple[int, str, str]] = []
    for app in WEB:
        port, routes = app.app_port - TEST_OFFSET, json.loads((app.folder / "openapi.json").read_text())["paths"]
        found += [
            (port, "POST", re.sub(r"{\w+}", "1", one))
            for one in routes
            if one.startswith(("/job/", "/events/", "/digest-cron"))
        ]
        if app.entry["env"].get("FAULTS_ENABLED"):
            found += [(port, method, "/faults") for method in ("GET", "DELETE")]
    return found


@pytest.mark.parametrize(("asked", "token_of", "answer"), [row[1:] for row in DOORS])
def test_a_door_answers_as_the_page_says(labs: Secure, asked: str, token_of: str, answer: str) -> None:
    method, place = asked.split(" ")
    port, slash, path = place.lstrip(":").partition("/")
    assert labs.answer_to(method, int(port), slash + path, "" if token_of == "nobody" else token_of) == answer


def test_the_page_has_the_doors_of_every_app() -> None:
    asked = " ".join(row[1] for row in DOORS)
    numbers = {app.app_id: (app.app_port - TEST_OFFSET) % 100 for app in APPS}
    strangers = [one for one, number in numbers.items() if not re.search(rf":(80|35){number:02}\b", asked)]
    assert strangers == []
    shown = {row[1] for row in DOORS if row[3] == "401"}
    callbacks = [(port, path) for port, _, path in only_for_dapr() if path != "/faults"]
    assert [
        one for one in callbacks if not any(f":{one[0]}{one[1].rpartition('/')[0]}" in each for each in shown)
    ] == []


@pytest.mark.parametrize(("port", "method", "path"), only_for_dapr())
def test_what_only_dapr_may_call_wants_the_token_of_this_app(labs: Secure, port: int, method: str, path: str) -> None:
    others = [app.app_id for app in APPS if app.app_port - TEST_OFFSET != port]
    tokens = [value for other in others for value in secure.tokens(STACK, other).values()]
    mine = next(app.app_id for app in APPS if app.app_port - TEST_OFFSET == port)
    tokens += ["", "wrong", secure.tokens(STACK, mine)["DAPR_API_TOKEN"]]
    said = [labs.ask(method, port, path, headers={"dapr-api-token": token}).status_code for token in tokens]
    assert set(said) == {401}
    forged = labs.ask("POST", port, path, content=b"{}", headers={"content-type": "text/plain"})
    assert forged.status_code in (401, 405, 415)


def test_no_app_calls_another_unless_its_door_says_so(labs: Secure) -> None:
    allowed = set[tuple[str, str]]()
    for app in APPS:
        door = secure.DOORS / f"{app.app_id}.yaml"
        policies = (
            yaml.safe_load(door.read_text())["spec"]["accessControl"].get("policies", []) if door.exists() else []
        )
        allowed |= {(policy["appId"], app.app_id) for policy in policies}
    assert len(allowed) == 8

    def call(pair: tuple[App, App]) -> str:
        caller, callee = pair
        path = f"/v1.0/invoke/{callee.app_id}/method/"
        answer = labs.ask("GET", caller.http_port - TEST_OFFSET, path, caller.app_id)
        return "" if answer.status_code == 403 else f"{caller.app_id} {answer.status_code} {answer.text}"

    strangers = [(a, b) for a, b in permutations(WEB, 2) if (a.app_id, b.app_id) not in allowed]
    with ThreadPoolExecutor(8) as pool:
        assert [said for said in pool.map(call, strangers) if said] == []


@pytest.mark.parametrize("trick", TRICKS)
def test_no_spelling_of_a_path_leads_to_another_route(labs: Secure, trick: str) -> None:
    status, body = labs.raw(3502, f"{INVOKE}{trick}", "caller-app")
    assert b"fail_next" not in body
    assert status >= 400, body
    status, body = labs.raw(8001, trick, "caller-app")
    assert b"fail_next" not in body
    assert status in (401, 404), body


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"])
def test_no_other_verb_is_let_through(labs: Secure, method: str) -> None:
    assert labs.ask(method, 3502, f"{INVOKE}/greet/Eve", "caller-app").status_code in (403, 405)


def test_a_denied_call_is_retried_whatever_matching_says(labs: Secure) -> None:
    """A fault of Dapr (kit/engine/FAULTS.md). The policy retries 429, 5xx and the codes 4, 8, 14, up to twice."""

    def denied() -> float:
        metrics = labs.ask("GET", 6501, "/metrics").text
        lines = [line for line in metrics.splitlines() if re.match(r"dapr_runtime_acl_\w+_blocked_total", line)]
        return sum(float(line.rpartition(" ")[2]) for line in lines)

    before = denied()
    assert labs.ask("GET", 3502, f"{INVOKE}/secret", "caller-app").status_code == 403
    assert wait_until(lambda: denied() == before + 3, 20), (before, denied())


def _call(port: int, method: str, token: str = "") -> grpc.StatusCode:
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        try:
            channel.unary_unary(method)(b"", timeout=10, metadata=[("dapr-api-token", token)] if token else [])
        except grpc.RpcError as error:
            return error.code()
    return grpc.StatusCode.OK


def test_grpc_doors_want_their_tokens_and_certificates(labs: Secure) -> None:
    greeter, caller = (next(app for app in APPS if app.app_id == one) for one in ("callee-grpc-app", "caller-app"))
    foreign = secure.tokens(STACK, "callee-app")
    greet, metadata = "/lab.greeter.v1.Greeter/Greet", "/dapr.proto.runtime.v1.Dapr/GetMetadata"
    for token in ("", "wrong", foreign["APP_API_TOKEN"]):
        assert _call(greeter.app_port, greet, token) == grpc.StatusCode.UNAUTHENTICATED
    for token in ("", "wrong", foreign["DAPR_API_TOKEN"]):
        assert _call(caller.grpc_port, metadata, token) == grpc.StatusCode.UNAUTHENTICATED
    assert _call(caller.grpc_port, metadata, labs.token(3502, "caller-app")) == grpc.StatusCode.OK
    internal = "/dapr.proto.internals.v1.ServiceInvocation/CallLocal"
    places = [STACK.ports["placement"], STACK.ports["scheduler"], STACK.ports["sentry"], caller.internal_port]
    assert [_call(port, internal) for port in places] == [grpc.StatusCode.UNAVAILABLE] * 4


def test_a_sidecar_without_a_certificate_reaches_no_app(labs: Secure) -> None:
    """One that poses as caller-app, in the same registry of names."""
    runtime = dapr.pinned()
    assert runtime
    ports = {"http": 3560, "grpc": 4560, "internal-grpc": 5560}
    command = [str(runtime.binary("daprd")), "--app-id", "caller-app", "--enable-metrics=false", "--profile-port", "0"]
    command += [word for kind, port in ports.items() for word in (f"--dapr-{kind}-port", str(port + TEST_OFFSET))]
    command += ["--config", str(STACK.state / "run" / "config.yaml"), "--dapr-public-port", str(6560 + TEST_OFFSET)]
    environment = os.environ | {"NAMESPACE": "default", "DAPR_HOST_IP": "127.0.0.1"}
    with subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as sidecar:
        try:
            assert wait_until(lambda: processes.http_status(3560 + TEST_OFFSET, "/v1.0/healthz/outbound") == 204, 20)
            answer = labs.ask("GET", 3560, f"{INVOKE}/greet/Eve")
            assert answer.status_code == 500
            assert "failed to invoke" in answer.text
        finally:
            # Not killed: it removes itself from the registry of names, where other tests would find it.
            sidecar.terminate()
            sidecar.wait(20)


def test_tokens_and_password_are_in_no_log_and_no_command_line(labs: Secure) -> None:
    private = STACK.state / "private"
    secrets = {line.split("=", 1)[1] for file in private.glob("*.env") for line in file.read_text().splitlines()}
    secrets.add((private / "redis.conf").read_text().split()[1])
    assert len(secrets) == 2 * len(APPS) + 1
    assert [file.name for file in (private, *private.iterdir()) if file.stat().st_mode & 0o077] == []
    run_files = [*(STACK.state / "run").glob("dapr*.yaml"), *(STACK.state / "run").glob("*-resources/*.yaml")]
    assert [file.name for file in run_files if file.stat().st_mode & 0o077] == []
    logs = [*STACK.logs.glob("*.log"), *(log for app in APPS for log in (app.folder / ".dapr" / "logs").glob("*"))]
    texts = {log.name: log.read_text(errors="replace") for log in logs}
    texts |= {str(one.pid): " ".join(one.info["cmdline"] or []) for one in psutil.process_iter(["cmdline"])}
    assert [name for name, text in texts.items() if any(secret in text for secret in secrets)] == []


def test_a_shell_reads_the_tokens(labs: Secure) -> None:
    command = f'. {STACK.state}/private/callee-app.env; echo "$APP_API_TOKEN"'
    said = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True).stdout.strip()
    assert said == labs.token(8001, "callee-app")


def test_the_labs_work_behind_their_doors(labs: Secure) -> None:
    """A greeting each way, a job and an event, a chat that remembers, and a pizza: users need no token."""
    for via in ("url", "header", "sdk", "grpc"):
        assert labs.ask("GET", 8002, f"/call-greet/Ada?via={via}").status_code == 200, via
    name = f"job-{uuid4().hex[:8]}"
    assert labs.ask("POST", 8003, f"/schedule-job/{name}", json={"due_time": "1s"}).status_code == 200
    event = {"job_name": f"{name}-by-event", "due_time": "1s"}
    published = labs.ask("POST", 3503, "/v1.0/publish/pubsub/schedule-job", "scheduler-test-py", json=event)
    assert published.status_code == 204, published.text
    chat = {"user_id": f"u-{name}", "metadata": {"session_id": name}}
    for text in ("My name is Ada.", "What is my name?"):
        reply = labs.ask("POST", 8010, "/chat/", json=chat | {"text": text})
        assert reply.status_code == 200, reply.text
        assert wait_until(lambda said=text: said in labs.ask("GET", 8011, f"/conversations/{name}").text, 20)
    assert labs.ask("GET", 8011, f"/memories/u-{name}").status_code == 200
    order: dict[str, Any] = {"order_id": name, "pizza_type": "pepperoni", "size": "large"}
    order["customer"] = {"name": "Ada Lovelace", "address": "12 St James's Square", "phone": "+44 20 7946 0000"}
    assert labs.ask("POST", 8025, "/start-order", json=order).status_code == 202

    def status() -> str:
        return labs.ask("GET", 8025, f"/orders/{name}").json()["status"]

    assert wait_until(lambda: status() == "pending_validation", 30), status()
    verdict = {"order_id": name, "approved": True}
    assert labs.ask("POST", 8025, "/validate-pizza", json=verdict).status_code == 202
    assert wait_until(lambda: status() == "delivered", 30), status()
    assert wait_until(lambda: labs.ask("GET", 8021, f"/orders/{name}").json()["status"] == "delivered", 20)
    for job in (name, f"{name}-by-event"):
        assert wait_until(lambda job=job: len(labs.ask("GET", 8003, f"/runs/{job}").json()["runs"]) == 1, 20), job


def test_the_end_of_a_child_in_another_app_is_refused_by_the_policy_of_its_parent(labs: Secure) -> None:
    run = f"rental-{uuid4().hex[:8]}"
    body = {"instance_id": run, "seconds": 0, "limit_seconds": 3}
    assert labs.ask("POST", 8041, "/patterns/multi_app", json=body).status_code == 202
    assert wait_until(lambda: labs.ask("GET", 8041, f"/patterns/{run}").json()["status"] == "completed", 30)
    outcome = labs.ask("GET", 8041, f"/patterns/{run}").json()["result"]["outcome"]
    assert outcome == "task-api did not answer in time"
    refused = "access denied by workflow access policy: malformed request for method 'AddWork"
    # On a busy machine the child may end after the limit of its parent.
    assert wait_until(lambda: any(refused in log.read_text(errors="replace") for log in STACK.logs.glob("*.log")), 30)


def test_a_restarted_part_keeps_its_doors(labs: Secure) -> None:
    for name, keep_sidecar in (("callee-app", False), ("callee-app", True), ("redis", False)):
        control.restart(STACK, name, keep_sidecar=keep_sidecar)
    assert labs.ask("GET", 8002, "/call-greet/Ada").status_code == 200
    assert labs.ask("GET", 8001, "/greet/Ada").status_code == 401
    assert labs.answer_to("PING", 7379, "", "") == "NOAUTH"
    assert wait_until(lambda: labs.ask("GET", 8021, "/orders").status_code == 200, 20)
