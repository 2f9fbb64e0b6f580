"""The other four pizza services, behind the invoke API of the stand-in sidecar; its health and metadata too."""

import json
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from engine import Engine
from jsonschema import Draft202012Validator

CONTRACTS = {
    f"pizza-{path.name.split('.')[0]}": json.loads(path.read_text())
    for path in (Path(__file__).parent.parent / "contracts").glob("*.openapi.json")
}

UNDOES = {"discard": "cook", "recall": "deliver", "cancel": "order"}
ANSWERS = {
    "order": "confirmed", "cook": "cooked", "deliver": "delivered", "refund": "refunded", "cancel": "cancelled",
    "discard": "discarded", "recall": "recalled",
}  # fmt: skip


class PeersStandIn:
    """Does each step once for an order, run and attempt, and refuses one that was undone before, as they do."""

    def __init__(self, engine: Engine) -> None:
        self.engine, self.port = engine, 0
        self._held: dict[str, threading.Event] = {}
        self._under_way, self._ended = 0, threading.Condition()
        self.reset()

    def reset(self) -> None:
        """Services that have done nothing yet, and are well; what they were doing for another test has ended."""
        self.release()
        with self._ended:
            assert self._ended.wait_for(lambda: not self._under_way, 5), "a call is held after its release"
        self.calls: list[tuple[str, str, dict[str, Any]]] = []
        self.headers: list[dict[str, str]] = []
        self.done: Counter[tuple[str, int]] = Counter()
        self.undone: set[tuple[str, int]] = set()
        self.faults: dict[str, list[tuple[int, dict[str, Any]]]] = {}
        self.book: dict[str, tuple[int, dict[str, Any]]] = {}
        self.breaches: list[str] = []
        self.ready, self.worker, self.placed = True, True, True
        self.looks = 0

    def fail(self, method: str, status: int, times: int = 1, **body: Any) -> None:
        """The next calls of a method are answered with this."""
        self.faults.setdefault(method, []).extend([(status, body)] * times)

    def hold(self, method: str) -> None:
        """Calls of a method do not return until `release`."""
        self._held[method] = threading.Event()

    def release(self) -> None:
        """Lets held calls go on."""
        for held in self._held.values():
            held.set()
        self._held = {}

    def asked(self) -> list[str]:
        """The methods that were called, in order."""
        return [method for _, method, _ in self.calls]

    def quality_check(self, given: dict[str, Any]) -> dict[str, Any]:
        """The kitchen's activity."""
        return {"order_id": given["order_id"], "attempt": given["attempt"], "passed": True, "note": "crisp"}

    def answer(self, app_id: str, method: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        """What a service answers."""
        with self._ended:
            self._under_way += 1
        try:
            return self._answer(app_id, method, body)
        finally:
            with self._ended:
                self._under_way -= 1
                self._ended.notify_all()

    def _answer(self, app_id: str, method: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if app_id == "pizza-order":
            unknown = (404, {"status": 404, "detail": "no such order"})
            return self.book.get(method.removeprefix("orders/"), unknown)
        self.calls.append((app_id, method, body))
        promised = CONTRACTS[app_id]["paths"][f"/{method}"]["post"]
        self._hold_to(app_id, promised["requestBody"], body)
        if held := self._held.get(method):
            held.wait(5)
        if self.faults.get(method):
            return self.faults[method].pop(0)
        attempt = body["attempt"] if method in ("cook", "discard") else 1
        if method in UNDOES:
            self.undone.add((UNDOES[method], attempt))
        elif (method, attempt) in self.undone:
            return 409, {"status": 409, "detail": "undone before", "code": "ALREADY_CANCELLED"}
        self.done[method, attempt] = 1
        done = {name: body[name] for name in ("order_id", "run", "attempt")} | {"status": ANSWERS[method]}
        self._hold_to(app_id, promised["responses"]["200"], done)
        return 200, done

    def _hold_to(self, app_id: str, promised: dict[str, Any], body: dict[str, Any]) -> None:
        schema = promised["content"]["application/json"]["schema"] | {"components": CONTRACTS[app_id]["components"]}
        self.breaches += [f"{app_id}: {error.message}" for error in Draft202012Validator(schema).iter_errors(body)]

    def platform(self, path: str) -> tuple[int, dict[str, Any]]:
        """The sidecar's own health and metadata."""
        if path.endswith("/healthz/outbound"):
            return (204 if self.ready else 500), {}
        self.looks += 1
        workers = {"connectedWorkers": self.engine.connected()} if self.worker else {}
        return 200, {"workflows": workers, "actorRuntime": {"hostReady": self.placed}}

    @classmethod
    @contextmanager
    def running(cls, engine: Engine) -> Iterator["PeersStandIn"]:
        """Serves on a port of its own."""
        peers = cls(engine)

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                if self.path.startswith("/v1.0/invoke/"):
                    self._invoke(b"{}")
                else:
                    self._send(*peers.platform(self.path))

            def do_POST(self) -> None:
                self._invoke(self.rfile.read(int(self.headers["Content-Length"])))

            def _invoke(self, body: bytes) -> None:
                app_id, method = self.path.removeprefix("/v1.0/invoke/").split("/method/")
                peers.headers.append({name.lower(): value for name, value in self.headers.items()})
                self._send(*peers.answer(app_id, method, json.loads(body)))

            def _send(self, status: int, told: dict[str, Any]) -> None:
                body = b"" if status == 204 else json.dumps(told).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                if status != 204:
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                with suppress(ConnectionError):  # whoever asked may have given up
                    self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        server.daemon_threads = True
        peers.port = server.server_port
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield peers
        peers.release()
        server.shutdown()
        server.server_close()
