"""The common errors of docs/concepts.md, each provoked on the real runtime, and the maturity of each API."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Callable
from dataclasses import dataclass

import grpc
import httpx
import psutil
import pytest

from labctl.stack import ROOT, TEST_OFFSET
from tests.house.repository import table
from tests.runtime.conftest import Running
from tests.runtime.lab_shell import LabShell

PAGE = (ROOT / "docs/concepts.md").read_text()
ERRORS = table(PAGE, ("you see", "status"))
APIS = table(PAGE, ("HTTP path", "maturity"))
NOBODY = 3500 + TEST_OFFSET  # where no app of the plan has its sidecar

# The answer to a path that the sidecar does not serve: it takes the request for an invocation.
NO_SUCH_PATH = "failed getting app id either from the URL path or the header dapr-app-id"


@dataclass(frozen=True)
class Seen:
    """What a caller gets: an HTTP status, or the kind of failure; and the words."""

    status: str
    text: str


def answer_of(answer: httpx.Response) -> Seen:
    return Seen(str(answer.status_code), answer.text)


def asked(app_id: str, method: str, path: str, **more: object) -> Callable[[Running], Seen]:
    return lambda lab: answer_of(lab.http.request(method, lab.sidecar(app_id, path), **more))  # pyright: ignore


def slow_app(lab: Running) -> Seen:
    """Call an app that takes longer than the policy's timeout in each attempt."""
    lab.http.put(lab.url("callee-app", "/faults"), json={"delay_ms": 2000}).raise_for_status()
    return asked("caller-timeout", "GET", "/v1.0/invoke/callee-app/method/greet/Ada")(lab)


def deadline(lab: Running) -> Seen:
    """Call an app that hangs, over gRPC, with a deadline."""
    greeter = psutil.Process(lab.pid("callee-grpc-app"))
    with grpc.insecure_channel(f"127.0.0.1:{lab.app('callee-app').grpc_port}") as channel:
        greet = channel.unary_unary("/lab.greeter.v1.Greeter/Greet")
        greeter.suspend()
        try:
            greet(b"\n\x03Ada", timeout=0.5, metadata=[("dapr-app-id", "callee-grpc-app")])
        except grpc.RpcError as error:
            return Seen("gRPC 4", str(error))
        finally:
            greeter.resume()
    raise AssertionError("a hanging app has answered")


def no_sidecar(lab: Running) -> Seen:
    with pytest.raises(httpx.ConnectError) as error:
        lab.http.get(f"http://127.0.0.1:{NOBODY}/v1.0/healthz")
    return Seen("none", str(error.value))


def by_sdk(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run Python code where the SDK is installed: the tests' own environment has none."""
    command = [ROOT / "caller_service/.venv/bin/python", "-c", code]
    return subprocess.run(
        command, env=os.environ | environment, capture_output=True, text=True, timeout=30, check=False
    )


def no_sidecar_for_the_sdk(lab: Running) -> Seen:
    code = "from dapr.clients import DaprClient; DaprClient()"
    done = by_sdk(code, DAPR_HTTP_PORT=str(NOBODY), DAPR_HEALTH_TIMEOUT="1")
    assert done.returncode == 1
    return Seen("none", done.stderr)


def no_sidecar_for_the_cli(lab: Running) -> Seen:
    done = LabShell(lab.stack).run("dapr", "invoke", "--app-id", "calle-app", "--method", "greet/Ada", "--verb", "GET")
    assert done.returncode == 1
    return Seen("exit 1", done.stdout + done.stderr)


def no_actor_store(lab: Running) -> Seen:
    workflows = lab.sidecar("callee-app", "/v1.0/workflows/dapr/none")
    with pytest.raises(httpx.ReadTimeout):
        lab.http.post(f"{workflows}/start", timeout=1)
    with pytest.raises(httpx.RemoteProtocolError) as error:
        lab.http.get(workflows)
    return Seen("none", str(error.value))


JOBS, INVOCATION = pytest.mark.lab("jobs"), pytest.mark.lab("invocation")
APP = "scheduler-test-py"
# In the order of the page's rows.
CASES = [
    ("a store of another name", JOBS, asked(APP, "GET", "/v1.0/state/nosuch/note")),
    ("no store in scope", INVOCATION, asked("callee-app", "GET", "/v1.0/state/statestore/note")),
    ("a broker of another name", JOBS, asked(APP, "POST", "/v1.0/publish/nosuch/topic", json={})),
    ("a topic of others", JOBS, asked(APP, "POST", "/v1.0/publish/pubsub/conversations", json={})),
    ("a secret of others", JOBS, asked(APP, "GET", "/v1.0/secrets/secretstore/STATE_ENCRYPTION_KEY")),
    ("a typing error in an app id", INVOCATION, asked("caller-app", "GET", "/v1.0/invoke/calle-app/method/greet/Ada")),
    ("a typing error in a path", JOBS, asked(APP, "POST", "/v1.0/lock/lockstore", json={})),
    ("a slow app", INVOCATION, slow_app),
    ("a deadline", INVOCATION, deadline),
    ("no sidecar", INVOCATION, no_sidecar),
    ("no sidecar for the SDK", INVOCATION, no_sidecar_for_the_sdk),
    ("no sidecar for the CLI", INVOCATION, no_sidecar_for_the_cli),
    ("no actor store", INVOCATION, no_actor_store),
]
PROVOKED = [pytest.param(row, one, marks=lab, id=name) for row, (name, lab, one) in enumerate(CASES)]


def test_the_page_has_a_row_for_each_provoked_error() -> None:
    assert len(ERRORS) == len(CASES)


@pytest.mark.parametrize(("row", "provoke"), PROVOKED)
def test_an_error_is_the_one_that_the_page_quotes(lab: Running, row: int, provoke: Callable[[Running], Seen]) -> None:
    quoted, status = ERRORS[row]
    seen = provoke(lab)
    assert seen.status == status
    for words in quoted.split(" … "):
        assert plain(words) in plain(seen.text), f"the page quotes {words!r}, and this was seen: {seen.text}"


def plain(text: str) -> str:
    """Drop blanks and capitals: daprd and gRPC each have a spelling of "deadline exceeded"."""
    return text.lower().replace(" ", "")


# The SDK saves without a transaction, and then with one.
BY_SDK = """
from dapr.clients import DaprClient
from dapr.clients.grpc._request import TransactionalStateOperation as Operation

with DaprClient() as client:
    client.save_state("statestore", "saved", '{"a": 1}')
    client.execute_state_transaction("statestore", [Operation(key="transacted", data='{"a": 1}')])
"""


@JOBS
def test_an_encrypted_store_keeps_only_bytes_that_are_saved_over_grpc_without_a_transaction(lab: Running) -> None:
    store = lab.sidecar(APP, "/v1.0/state/statestore")
    lab.http.post(store, json=[{"key": "posted", "value": {"a": 1}}]).raise_for_status()
    app = lab.app(APP)
    by_sdk(BY_SDK, DAPR_HTTP_PORT=str(app.http_port), DAPR_GRPC_PORT=str(app.grpc_port)).check_returncode()
    read = {key: lab.http.get(f"{store}/{key}").text for key in ("posted", "saved", "transacted")}
    assert read == {"posted": "map[a:1]", "saved": '{"a": 1}', "transacted": "[123 34 97 34 58 32 49 125]"}


@INVOCATION
@pytest.mark.parametrize("row", APIS, ids=lambda row: row[0])
def test_an_api_is_as_mature_as_the_page_says(lab: Running, row: list[str]) -> None:
    (method, path), maturity = row[0].split(), row[1]
    assert is_served(lab, method, path)
    assert maturity == ("stable" if path.startswith("/v1.0/") else "alpha")
    if maturity == "alpha":
        assert not is_served(lab, method, re.sub(r"^/v1\.0-\w+/", "/v1.0/", path))


def is_served(lab: Running, method: str, path: str) -> bool:
    """Return whether the sidecar knows the path, whose parameters are filled with a name that nothing has."""
    url = lab.sidecar("callee-app", re.sub(r"\{\w+\}", "nosuch", path))
    try:
        return NO_SUCH_PATH not in lab.http.request(method, url, json={}).text
    except httpx.RemoteProtocolError:
        return True  # A workflow's path, and no actor store: see the table of errors.
