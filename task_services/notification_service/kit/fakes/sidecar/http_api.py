"""The HTTP API of the stand-in sidecar: health, metadata, jobs, and the invocation of other apps."""

import json
from contextlib import suppress
from http.server import BaseHTTPRequestHandler
from typing import Any

from kit.fakes.sidecar.memory import Invocation, Published, Sidecar

NO_SUCH_JOB = "failed to get job due to: rpc error: code = NotFound desc = job not found: {}"
EXISTS = "failed to schedule job due to: rpc error: code = AlreadyExists desc = job already exists: '{}'"
INVALID = "failed to schedule job due to: rpc error: code = Unknown desc = job failed validation: {}"
NO_DATA = "failed to encode response as JSON: proto: google.protobuf.Value: none of the oneof fields is set"
WRAPPED = "type.googleapis.com/google.protobuf.Value"
DEFAULT_POLICY = {"constant": {"interval": "1s", "maxRetries": 3}}
JOB_METHODS = {"POST": "ScheduleJob", "GET": "GetJob", "DELETE": "DeleteJob"}

# Status, JSON or bytes, and perhaps headers.
Reply = tuple[Any, ...]


def handler(sidecar: Sidecar) -> type[BaseHTTPRequestHandler]:
    """Return the handler of an HTTP server."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        # Without it each answer waits 40 ms for the acknowledgement of its headers.
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            self._serve()

        do_POST = do_PUT = do_DELETE = do_GET

        def _serve(self) -> None:
            raw = self.rfile.read(int(self.headers.get("content-length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            with sidecar.lock:
                sidecar.tokens.add(headers.get("dapr-api-token"))
            body = json.loads(raw) if raw else None
            self._reply(*_answer(sidecar, self.command, self.path, headers, body))

        def _reply(self, status: int, answer: Any, more: dict[str, str] | None = None) -> None:
            body = b"" if answer is None else answer if isinstance(answer, bytes) else json.dumps(answer).encode()
            self.send_response(status)
            for name, value in (more or {}).items():
                self.send_header(name, value)
            if status != 204:
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
            self.end_headers()
            with suppress(ConnectionError):  # the caller may have given up
                self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    return Handler


def _answer(sidecar: Sidecar, verb: str, path: str, headers: dict[str, str], body: Any) -> Reply:
    if path == "/v1.0/healthz/outbound":
        return (204 if sidecar.ready else 500), None
    if path == "/v1.0/metadata":
        sidecar.looks += 1
        count = sidecar.connected_workers()
        workers = {"connectedWorkers": count} if count else {}
        return 200, {"actorRuntime": {"hostReady": sidecar.is_placed}, "workflows": workers}
    if path == "/v1.0/shutdown":
        sidecar.shutdowns += 1
        sidecar.at_shutdown()
        return 204, None
    if path.startswith("/v1.0/jobs/"):
        return _job(sidecar, verb, path.removeprefix("/v1.0/jobs/"), body)
    if path.startswith("/v1.0/publish/bulk/"):
        pubsub, _, topic = path.removeprefix("/v1.0/publish/bulk/").partition("/")
        return _bulk(sidecar, pubsub, topic, body)
    if path.startswith("/v1.0/invoke/"):
        app_id, _, method = path.removeprefix("/v1.0/invoke/").partition("/method/")
    else:
        app_id, method = headers["dapr-app-id"], path.removeprefix("/")
    call = Invocation(app_id, verb, f"/{method}", body, headers)
    with sidecar.lock:
        sidecar.invoked.append(call)
    if app_id not in sidecar.apps:
        return 500, {"errorCode": "ERR_DIRECT_INVOKE", "message": f"failed to invoke, id: {app_id}"}
    return sidecar.apps[app_id](call)


def _bulk(sidecar: Sidecar, pubsub: str, topic: str, entries: list[dict[str, Any]]) -> Reply:
    failed: list[dict[str, str]] = []
    for entry in entries:
        if refusal := sidecar.refuse("BulkPublish", json.dumps(entry["event"])):
            failed.append({"entryId": entry["entryId"], "error": refusal[1]})
        else:
            sidecar.published.append(Published(topic, entry["event"], pubsub))
    return (500, {"failedEntries": failed, "errorCode": "ERR_PUBSUB_PUBLISH_MESSAGE"}) if failed else (204, None)


def _job(sidecar: Sidecar, verb: str, name: str, body: Any) -> Reply:
    sidecar.before(JOB_METHODS[verb], name)
    if sidecar.jobs_answer:
        status, code, message = sidecar.jobs_answer
        return status, {"errorCode": code, "message": message}
    if verb == "DELETE":
        sidecar.jobs.pop(name, None)
        return 204, None
    if verb == "GET":
        if name not in sidecar.jobs:
            return 500, {"errorCode": "DAPR_SCHEDULER_GET_JOB", "message": NO_SUCH_JOB.format(name)}
        job = sidecar.jobs[name]
        if "data" not in job:
            return 500, {"errorCode": "ERR_INTERNAL", "message": NO_DATA}
        data = {"@type": WRAPPED, "value": job["data"]}
        return 200, {"name": name, "failurePolicy": DEFAULT_POLICY, **job, "data": data}
    overwrites = body.pop("overwrite", False)
    if reason := sidecar.refuse_job(body):
        return 500, {"errorCode": "DAPR_SCHEDULER_SCHEDULE_JOB", "message": INVALID.format(reason)}
    if name in sidecar.jobs and not overwrites:
        return 409, {"errorCode": "DAPR_SCHEDULER_SCHEDULE_JOB", "message": EXISTS.format(name)}
    sidecar.jobs[name] = body
    return 204, None
