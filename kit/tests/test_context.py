from datetime import datetime
from types import SimpleNamespace

import pytest

from kit.engine.context import timestamp, traceparent_of

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
NO_TRACE = f"00-{'0' * 32}-b7ad6b7169203331-01"


def test_a_valid_trace_is_passed_on():
    assert traceparent_of(TRACE) == TRACE


@pytest.mark.parametrize("header", [None, "", "x", NO_TRACE, TRACE * 400, TRACE + "\n", TRACE + "-more", TRACE.upper()])
def test_an_invalid_trace_is_dropped(header):
    assert traceparent_of(header) is None


def test_a_time_of_the_workflow_is_utc():
    ctx = SimpleNamespace(current_utc_datetime=datetime(2026, 11, 21, 12, 0, 0, 123456))
    assert timestamp(ctx) == "2026-11-21T12:00:00.123Z"
