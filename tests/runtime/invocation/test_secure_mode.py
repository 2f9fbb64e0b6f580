"""`./lab up --secure invocation`: mTLS, access control, API tokens. Each way in but the right one is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from uuid import uuid4

import grpc
import httpx
import pytest
from lab_shell import LabShell

from labctl import runfile
from labctl.stack import TEST_OFFSET, Stack
from labctl.up import lifecycle

pytestmark = pytest.mark.lab("invocation")
STACK = Stack("secure", TEST_OFFSET, secure=True)


@pytest.fixture(scope="module")
def tokens() -> Iterator[dict[str, str]]:
    """The API tokens of the secure stack, which runs."""
    for name in ("test", "secure"):
        lifecycle.down(Stack(name, TEST_OFFSET))
    shell = LabShell(STACK)
    up = shell.run("up", "--secure", "invocation", "--detach")
    assert up.returncode == 0, up.stdout + up.stderr
    yield json.loads((STACK.state / "tokens.json").read_text())
    assert shell.run("down").returncode == 0
    shell.assert_nothing_left()


def port(app_id: str, attribute: str) -> int:
    return getattr(runfile.find(runfile.read_apps(STACK), app_id), attribute)


def get(port: int, path: str, token: str = "") -> httpx.Response:
    headers = {"x-request-id": str(uuid4())} | ({"dapr-api-token": token} if token else {})
    return httpx.get(f"http://127.0.0.1:{port}{path}", headers=headers, timeout=30)


@pytest.mark.parametrize("via", ["url", "header", "sdk", "grpc"])
def test_callers_greet_works(tokens, via):
    answer = get(port("caller-app", "app_port"), f"/call-greet/Ada?via={via}")
    assert answer.status_code == 200, answer.text


def test_a_third_app_id_is_refused(tokens):
    """callee-grpc-app's sidecar has its own certificate, and no policy admits it."""
    invoke = "/v1.0/invoke/callee-app/method/greet/Eve"
    answer = get(port("callee-grpc-app", "http_port"), invoke, tokens["DAPR_API_TOKEN"])
    assert answer.status_code == 403
    assert "access control policy has denied access to id: spiffe://public/ns/default/callee-grpc-app" in answer.text


@pytest.mark.parametrize("path", ["/secret", "/greet/Ada/deep", "/faults"])
def test_caller_may_call_nothing_but_greet(tokens, path):
    invoke = f"/v1.0/invoke/callee-app/method{path}"
    assert get(port("caller-app", "http_port"), invoke, tokens["DAPR_API_TOKEN"]).status_code == 403


@pytest.mark.parametrize("token", ["", "wrong"])
def test_a_sidecar_without_its_token_is_refused(tokens, token):
    answer = get(port("caller-app", "http_port"), "/v1.0/invoke/callee-app/method/greet/Eve", token)
    assert answer.status_code == 401


@pytest.mark.parametrize("token", ["", "wrong"])
def test_straight_to_the_apps_port_is_refused(tokens, token):
    answer = get(port("callee-app", "app_port"), "/greet/Eve", token)
    assert answer.status_code == 401
    assert answer.headers["content-type"].startswith("application/problem+json")


def test_straight_to_the_greeters_port_is_refused(tokens):
    with grpc.insecure_channel(f"127.0.0.1:{port('callee-grpc-app', 'app_port')}") as channel:
        greet = channel.unary_unary("/lab.greeter.v1.Greeter/Greet")
        with pytest.raises(grpc.RpcError) as refused:
            greet(b"\n\x03Eve", timeout=10)
    assert refused.value.code() == grpc.StatusCode.UNAUTHENTICATED


def test_tokens_are_in_no_log_and_in_a_private_file(tokens):
    assert (STACK.state / "tokens.json").stat().st_mode & 0o077 == 0
    for log in STACK.logs.glob("*.log"):
        text = log.read_text(errors="replace")
        for token in tokens.values():
            assert token not in text, log.name
