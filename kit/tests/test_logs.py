"""Logs are JSON lines that a trace can be followed in."""

import contextvars
import json
import logging
import logging.config
import warnings

import pytest
from uvicorn.config import LOGGING_CONFIG

from kit.edge import logs

TRACE_ID = "0af7651916cd43dd8448eb211c80319c"


def line_of(*args, msg="hello %s", **extra):
    record = logging.makeLogRecord({"name": "greeter", "levelname": "INFO", "msg": msg, "args": args, **extra})
    return json.loads(logs.FORMATTER.format(record))


def test_a_line_has_its_message_its_fields_and_the_stack_of_its_exception():
    try:
        raise ValueError("no")
    except ValueError as error:
        line = line_of("Ada", exc_info=(ValueError, error, error.__traceback__), app_id="callee-app")
    assert (line["level"], line["logger"], line["message"]) == ("INFO", "greeter", "hello Ada")
    assert line["time"].endswith("+00:00")
    assert line["app_id"] == "callee-app"
    assert "ValueError: no" in line["exception"]


def test_a_line_has_its_app_and_the_trace_id_of_its_request(capsys, serve, monkeypatch):
    monkeypatch.setenv("APP_ID", "pizza-order")
    client, log = serve(), logging.getLogger("story")

    @client.app.get("/logged")
    async def logged():
        log.info("order placed", extra={"order_id": "123"})

    client.get("/logged", headers={"traceparent": f"00-{TRACE_ID}-b7ad6b7169203331-01"})
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    line = next(line for line in lines if line["message"] == "order placed")
    assert (line["app_id"], line["trace_id"], line["order_id"]) == ("pizza-order", TRACE_ID, "123")
    assert "instance_id" not in line


def test_an_instance_that_a_call_names_counts_before_that_of_the_activity():
    activity = contextvars.copy_context()
    activity.run(logs.instance_id.set, "chat-1")
    lines = [logging.makeLogRecord({}), logging.makeLogRecord({"instance_id": "chat-2"})]
    assert all(activity.run(logs.add_ids, line) for line in lines)
    assert [line.instance_id for line in lines] == ["chat-1", "chat-2"]


def test_a_warning_of_python_is_a_line_too(capsys):
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(False)  # of an earlier test, whose hook pytest has replaced
        logs.configure("INFO")
        warnings.warn("the Lock API is alpha", UserWarning, stacklevel=1)
    (line,) = map(json.loads, capsys.readouterr().out.splitlines())
    assert (line["level"], line["logger"]) == ("WARNING", "py.warnings")
    assert "the Lock API is alpha" in line["message"]


@pytest.mark.parametrize(
    ("level", "seen"), [("DEBUG", ["started", "GET /memories/ada"]), ("INFO", ["started"]), ("WARNING", [])]
)
def test_what_uvicorn_logs_is_json_too_and_has_no_path_unless_debugging(capsys, level, seen):
    """`uvicorn main:app` sets its own loggers up before it imports the app, paths are personal data."""
    logging.config.dictConfig(LOGGING_CONFIG)
    logs.configure(level)
    logging.getLogger("uvicorn.error").info("started")
    logging.getLogger("uvicorn.access").info("GET /memories/ada")
    output = capsys.readouterr()
    assert [json.loads(line)["message"] for line in output.out.splitlines()] == seen
    assert output.err == ""
