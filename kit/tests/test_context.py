from datetime import datetime
from types import SimpleNamespace

from kit.engine.context import timestamp


def test_a_time_of_the_workflow_is_utc():
    ctx = SimpleNamespace(current_utc_datetime=datetime(2026, 11, 21, 12, 0, 0, 123456))
    assert timestamp(ctx) == "2026-11-21T12:00:00.123Z"
