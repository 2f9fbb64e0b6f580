"""Compare each order's end with the ledgers of the services after the chaos."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import httpx
from rich import box
from rich.table import Table

from labctl import runfile
from labctl.chaos.customers import Customer
from labctl.runfile import App

DOERS = ("pizza-storefront", "pizza-kitchen", "pizza-delivery")
Deed = tuple[str, int]


class Audit:
    """Reads the ledgers, and pizza-order's book, of all customers' orders."""

    def __init__(self, http: httpx.Client, apps: Sequence[App], customers: Sequence[Customer]) -> None:
        self._http, self._apps, self._customers = http, apps, customers

    def late(self) -> list[str]:
        """Return the orders that have ended, but whose last events have not reached pizza-order yet."""
        return [
            one.plan.order_id for one in self._customers if one.ended_as and _received(self._book(one)) != _shown(one)
        ]

    def wrong(self) -> list[str]:
        """Return a line for everything that was lost or doubled, or is stuck. The promise is that there is none."""
        return [f"{one.plan.order_id}: {line}" for one in self._customers for line in self._wrong_with(one)]

    def unwanted(self) -> list[str]:
        """Return a line for each order that its customer wanted and that was not delivered, with the reason."""
        return [
            f"{one.plan.order_id}: {one.last['result'].get('error')}"
            for one in self._customers
            if one.ended_as not in (None, "delivered") and one.plan.wants_it
        ]

    def table(self) -> Table:
        """Return a table of what each service did, how often it was asked to, and for how many orders."""
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        for column in ("service", "step"):
            table.add_column(column, no_wrap=True)
        for column in ("done", "asked for", "orders"):
            table.add_column(column, justify="right", no_wrap=True)
        for doer in DOERS:
            entries = [entry for one in self._customers for entry in self._entries(doer, one)]
            for step in dict.fromkeys(entry["step"] for entry in entries):
                mine = [entry for entry in entries if entry["step"] == step]
                asked = sum(entry["times_asked"] for entry in mine)
                table.add_row(doer, step, str(len(mine)), str(asked), str(len({one["order_id"] for one in mine})))
        return table

    def summary(self) -> str:
        """Return in words how the orders ended."""
        ends = Counter(one.ended_as or "STUCK" for one in self._customers)
        return ", ".join(f"{count} {end}" for end, count in ends.most_common())

    def _wrong_with(self, customer: Customer) -> list[str]:
        if customer.ended_as is None:
            return [f"is stuck: {customer.last}"]
        ledgers = {doer: self._entries(doer, customer) for doer in DOERS}
        deeds = {doer: [(entry["step"], entry["attempt"]) for entry in ledgers[doer]] for doer in DOERS}
        received, shown = _received(self._book(customer)), _shown(customer)
        wrong = [f"{doer} did {deed} {times} times" for doer in DOERS for deed, times in _doubled(deeds[doer])]
        if len({entry["run"] for entries in ledgers.values() for entry in entries}) > 1:
            wrong.append("was run more than once")
        if received != shown:
            wrong.append(f"pizza-order received {received}, but the workflow shows {shown}")
        if "not compensated" in str(customer.last["result"].get("error")):
            wrong.append(customer.last["result"]["error"])
        attempts = customer.last["attempt"]
        if customer.ended_as == "delivered":
            wrong += _missing_or_more(deeds, _of_a_delivery(attempts))
        else:
            wrong += _not_compensated(deeds)
        return [*wrong, f"its result is {customer.last['result']}"] if wrong else []

    def _entries(self, doer: str, customer: Customer) -> list[dict[str, Any]]:
        return self._read(doer, f"/ledger/{customer.plan.order_id}").get("entries", [])

    def _book(self, customer: Customer) -> dict[str, Any]:
        return self._read("pizza-order", f"/orders/{customer.plan.order_id}")

    def _read(self, app_id: str, path: str) -> dict[str, Any]:
        answer = self._http.get(f"{runfile.find(self._apps, app_id).url}{path}")
        if answer.status_code == 404:
            return {}
        answer.raise_for_status()
        return answer.json()


def _received(book: dict[str, Any]) -> list[str]:
    return [entry["status"] for entry in book.get("timeline", [])]


def _shown(customer: Customer) -> list[str]:
    return [entry["status"] for entry in customer.last["timeline"]]


def _doubled(deeds: list[Deed]) -> list[tuple[Deed, int]]:
    return [(deed, times) for deed, times in Counter(deeds).items() if times > 1]


def _of_a_delivery(attempts: int) -> dict[str, set[Deed]]:
    discarded_ones = {("discard", attempt) for attempt in range(1, attempts)}
    return {
        "pizza-storefront": {("order", 1)},
        "pizza-kitchen": {("cook", attempt) for attempt in range(1, attempts + 1)} | discarded_ones,
        "pizza-delivery": {("deliver", attempts)},
    }


def _missing_or_more(deeds: dict[str, list[Deed]], wanted: dict[str, set[Deed]]) -> list[str]:
    return [
        f"{doer} did {sorted(deeds[doer])}, but should have done {sorted(wanted[doer])}"
        for doer in DOERS
        if set(deeds[doer]) != wanted[doer]
    ]


def _not_compensated(deeds: dict[str, list[Deed]]) -> list[str]:
    """Return the steps of an undelivered order that were not compensated."""
    shop, kitchen, courier = (deeds[doer] for doer in DOERS)
    wrong: list[str] = []
    if ("order", 1) in shop and not {("refund", 1), ("cancel", 1)} <= set(shop):
        wrong.append(f"pizza-storefront did {shop}: the order was not cancelled and refunded")
    cooked, discarded = ({attempt for step, attempt in kitchen if step == name} for name in ("cook", "discard"))
    if cooked - discarded:
        wrong.append(f"pizza-kitchen did not discard the pizzas {sorted(cooked - discarded)}")
    steps = {step for step, _ in courier}
    if "deliver" in steps and "recall" not in steps:
        wrong.append("pizza-delivery did not recall the pizza")
    return wrong
