"""What a caller may write into a path or a header, on its way through a real sidecar."""

from __future__ import annotations

import pytest

from tests.runtime.chat.conftest import CHAT, fresh

pytestmark = pytest.mark.lab("chat")

JSON = {"content-type": "application/json"}


@pytest.mark.parametrize("path", ["/v1.0/invoke/chat-service/method/chat/", "/chat/", "/chat"])
def test_a_path_that_dapr_sends_without_its_slash_is_served_and_not_redirected(lab, path):
    body = {"user_id": fresh("u"), "text": "Hello", "metadata": {"session_id": fresh("s")}}
    headers = {} if path.startswith("/v1.0/") else {"dapr-app-id": CHAT}
    answer = lab.http.post(lab.sidecar(CHAT, path), json=body, headers=headers)
    assert (answer.status_code, answer.json()["status"]) == (200, "completed")


@pytest.mark.parametrize(
    "headers",
    [
        {"traceparent": "x" * 20_000},
        {"traceparent": f"00-{'a' * 32}-{'b' * 16}-01", "tracestate": "a=" + "x" * 600},
        {"traceparent": f"00-{'a' * 32}-{'b' * 16}-01", "tracestate": "a=" + "x" * 50_000},
        {"baggage": "x" * 20_000, "grpc-trace-bin": "x" * 20_000, "x-request-id": "x" * 20_000},
    ],
    ids=lambda headers: "-".join(f"{name}{len(value)}" for name, value in headers.items()),
)
def test_no_header_fails_a_turn(lab, headers):
    body = {"user_id": fresh("u"), "text": "Hello", "metadata": {"session_id": fresh("s")}}
    answer = lab.http.post(lab.url(CHAT, "/chat/"), json=body, headers=headers)
    assert (answer.status_code, answer.json()["status"]) == (200, "completed")


@pytest.mark.parametrize(
    ("headers", "status"), [({"content-type": "text/plain"}, 415), ({**JSON, "origin": "http://evil.example"}, 403)]
)
def test_a_page_of_another_site_does_not_get_through_a_sidecar_either(lab, headers, status):
    for path in ("chat/", "events/user-forgotten", "job/x"):
        url = lab.sidecar(CHAT, f"/v1.0/invoke/chat-service/method/{path}")
        assert lab.http.post(url, content=b"{}", headers=headers).status_code == status
