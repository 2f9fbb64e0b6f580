from datetime import datetime, timedelta
from types import SimpleNamespace

import pytest

from kit.engine.context import retry, timestamp, traceparent_of

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_a_valid_trace_is_passed_on():
    assert traceparent_of(TRACE) == TRACE


@pytest.mark.parametrize(
    "header",
    [None, "", TRACE * 400, TRACE + "\n", TRACE.upper(), "00-" + "0" * 32 + "-b7ad6b7169203331-01", "x"],
)
def test_an_invalid_trace_is_dropped(header):
    assert traceparent_of(header) is None


def test_a_time_of_the_workflow_is_utc():
    ctx = SimpleNamespace(current_utc_datetime=datetime(2026, 11, 21, 12, 0, 0, 123456))
    assert timestamp(ctx) == "2026-11-21T12:00:00.123Z"


def test_a_retry_policy():
    policy = retry(5, 1, 10)
    assert (policy.max_number_of_attempts, policy.backoff_coefficient) == (5, 2)
    assert (policy.first_retry_interval, policy.max_retry_interval) == (timedelta(seconds=1), timedelta(seconds=10))
