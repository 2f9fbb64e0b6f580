"""No header of a caller fails a greeting, on any way through the sidecars."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.lab("invocation")

TRACE = ("traceparent", f"00-{'a' * 32}-{'b' * 16}-01")


@pytest.mark.parametrize("via", ["url", "header", "sdk", "grpc"])
@pytest.mark.parametrize("name", ["traceparent", "tracestate", "baggage", "grpc-trace-bin", "x-request-id"])
def test_a_long_header_is_dropped(lab, via, name):
    for length in (600, 20_000, 60_000):
        headers = [TRACE, (name, "x" * length)]
        answer = lab.http.get(lab.url("caller-app", "/call-greet/Ada"), params={"via": via}, headers=headers)
        assert (answer.status_code, answer.json().get("attempts")) == (200, 1), answer.text
