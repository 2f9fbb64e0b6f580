"""Logs are JSON lines that a trace can be followed in."""

import json
import logging
from urllib.request import Request, urlopen

import pytest
from conftest import process

import logs

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"


def line_of(record_args, **extra):
    record = logging.makeLogRecord(
        {"name": "greeter", "levelname": "INFO", "msg": "hello %s", "args": record_args, **extra}
    )
    return json.loads(logs.JsonLines().format(record))


def test_a_line_has_time_level_logger_and_message():
    line = line_of(("Ada",))
    assert (line["level"], line["logger"], line["message"]) == ("INFO", "greeter", "hello Ada")
    assert line["time"].endswith("+00:00")


def test_a_line_has_the_fields_of_its_call_and_the_stack_of_its_exception():
    try:
        raise ValueError("no")
    except ValueError as error:
        line = line_of(
            (), msg="hello", exc_info=(ValueError, error, error.__traceback__), fields={"app_id": "callee-app"}
        )
    assert line["app_id"] == "callee-app"
    assert "ValueError: no" in line["exception"]


@pytest.mark.parametrize(
    ("traceparent", "trace_id"),
    [
        (f"00-{TRACE_ID}-b7ad6b7169203331-01", TRACE_ID),
        ("00-00000000000000000000000000000000-0000000000000000-00", None),
        ("", None),
        ("00-XYZ", None),
    ],
)
def test_the_trace_id_is_the_one_in_traceparent(traceparent, trace_id):
    assert logs.trace_id_of(traceparent) == trace_id


def test_the_process_logs_only_json_and_no_line_for_a_good_request():
    with process("main.py") as (running, port):
        traced = Request(
            f"http://127.0.0.1:{port}/greet/Ada", headers={"traceparent": f"00-{TRACE_ID}-b7ad6b7169203331-01"}
        )
        urlopen(traced).read()
        running.terminate()
        output, _ = running.communicate(timeout=10)
    lines = [json.loads(line) for line in output.splitlines()]
    assert any("Application startup complete" in line["message"] for line in lines)
    assert not any("/greet/Ada" in line["message"] for line in lines)
