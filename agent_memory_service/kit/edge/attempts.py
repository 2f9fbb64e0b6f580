"""Counts of arrivals, which show the reader of a lab that Dapr retried.

The counts live in this process: they are an instrument of the lab, not state that anyone depends on. After a restart,
or with a second replica, each process counts for itself.
"""

from collections import OrderedDict


class Attempts:
    """Count arrivals by request id, for the `kept` ids that arrived last."""

    def __init__(self, kept: int = 10_000) -> None:
        self._kept = kept
        self._counts: OrderedDict[str, int] = OrderedDict()

    def add(self, request_id: str | None) -> int:
        """Count an arrival and return its number; without an id each is a first one."""
        if not request_id:
            return 1
        key = request_id[:200]
        count = self._counts.pop(key, 0) + 1
        self._counts[key] = count
        if len(self._counts) > self._kept:
            self._counts.popitem(last=False)
        return count

    def of(self, request_id: str) -> int | None:
        """Return the arrivals of a request so far; None for an id never seen, or not lately."""
        return self._counts.get(request_id[:200])
