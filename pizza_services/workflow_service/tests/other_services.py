"""The other four pizza services, as apps that the stand-in sidecar invokes. Their contracts are checked."""

import json
import threading
from collections import Counter
from pathlib import Path
from typing import Any

from jsonschema import Draft202012Validator

from kit.fakes.sidecar import Invocation, Sidecar

CONTRACTS = {
    f"pizza-{path.name.split('.')[0]}": json.loads(path.read_text())
    for path in (Path(__file__).parent.parent / "contracts").glob("*.openapi.json")
}
COMPENSATES = {"discard": "cook", "recall": "deliver", "cancel": "order"}
ANSWERS = {
    "order": "confirmed", "cook": "cooked", "deliver": "delivered", "refund": "refunded", "cancel": "cancelled",
    "discard": "discarded", "recall": "recalled",
}  # fmt: skip
APP_IDS = ("pizza-order", "pizza-storefront", "pizza-kitchen", "pizza-delivery")
UNKNOWN = (404, {"status": 404, "detail": "no such order"})
DOWN = (500, {"errorCode": "ERR_DIRECT_INVOKE", "message": "no such app"})


class Peers:
    """Do each step once for an order, run and attempt, and refuse one that was compensated, as the services do."""

    def __init__(self, sidecar: Sidecar) -> None:
        self.sidecar = sidecar
        self._held: dict[str, threading.Event] = {}
        self._in_flight, self._changed = 0, threading.Condition()
        self.reset()

    def reset(self) -> None:
        """Forget everything, after the calls of another test have ended."""
        self.release()
        with self._changed:
            assert self._changed.wait_for(lambda: not self._in_flight, 5), "a call is held after its release"
        self.sidecar.apps = dict.fromkeys(APP_IDS, self.answer)
        self.calls: list[tuple[str, str, dict[str, Any]]] = []
        self.done: Counter[tuple[str, int]] = Counter()
        self.compensated: set[tuple[str, int]] = set()
        self.faults: dict[str, list[tuple[int, dict[str, Any] | None]]] = {}
        self.book: dict[str, tuple[int, dict[str, Any]]] = {}
        self.breaches: list[str] = []

    def fail(self, method: str, status: int, times: int = 1, **body: Any) -> None:
        """Answer the next calls of a method with this."""
        self.faults.setdefault(method, []).extend([(status, body or None)] * times)

    def hold(self, method: str) -> None:
        """Let calls of a method wait until `release`."""
        self._held[method] = threading.Event()

    def release(self) -> None:
        """Let held calls continue."""
        for held in self._held.values():
            held.set()
        self._held = {}

    def know(self, status: str, run: str | None, *, final: bool = False, **more: Any) -> None:
        """Let pizza-order know order 123 with this status."""
        entry = {"order_id": "123", "status": status, "step": "x", "attempt": 1, "run": run, "ended_run": None}
        self.book["123"] = (200, {**entry, "final": final, "timeline": [], **more})

    def delete(self, run: str) -> None:
        """Let pizza-order have deleted order 123 with this run."""
        self.book["123"] = (404, {"status": 404, "detail": "deleted", "code": "ORDER_DELETED", "run": run})

    def asked(self) -> list[str]:
        """Return the methods that were called, in order."""
        return [method for _, method, _ in self.calls]

    def quality_check(self, check: dict[str, Any]) -> dict[str, Any]:
        """Execute the kitchen's activity."""
        return {"order_id": check["order_id"], "attempt": check["attempt"], "passed": True, "note": "crisp"}

    def answer(self, call: Invocation) -> tuple[int, Any]:
        """Answer a call as the service does."""
        with self._changed:
            self._in_flight += 1
        try:
            return self._answer(call.app_id, call.path.removeprefix("/"), call.body)
        finally:
            with self._changed:
                self._in_flight -= 1
                self._changed.notify_all()

    def _answer(self, app_id: str, method: str, body: dict[str, Any]) -> tuple[int, Any]:
        if app_id == "pizza-order":
            return self.book.get(method.removeprefix("orders/"), UNKNOWN)
        self.calls.append((app_id, method, body))
        promised = CONTRACTS[app_id]["paths"][f"/{method}"]["post"]
        self._hold_to(app_id, promised["requestBody"], body)
        if held := self._held.get(method):
            held.wait(5)
        if self.faults.get(method):
            return self.faults[method].pop(0)
        attempt = body["attempt"] if method in ("cook", "discard") else 1
        if method in COMPENSATES:
            self.compensated.add((COMPENSATES[method], attempt))
        elif (method, attempt) in self.compensated:
            return 409, {"status": 409, "detail": "compensated before", "code": "ALREADY_CANCELLED"}
        self.done[method, attempt] = 1
        done = {**body, "status": ANSWERS[method]}
        self._hold_to(app_id, promised["responses"]["200"], done)
        return 200, done

    def _hold_to(self, app_id: str, promised: dict[str, Any], body: dict[str, Any]) -> None:
        schema = promised["content"]["application/json"]["schema"] | {"components": CONTRACTS[app_id]["components"]}
        self.breaches += [f"{app_id}: {error.message}" for error in Draft202012Validator(schema).iter_errors(body)]
