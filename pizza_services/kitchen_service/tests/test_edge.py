"""The edge of the service, which is that of each pizza service with a ledger."""

import json
import signal
from concurrent.futures import ThreadPoolExecutor
from urllib.request import urlopen

from conftest import SERVICE

from kit.fakes.pizza import ORDER, Edge, environment_of, order_done, post
from kit.fakes.waiting import eventually, process


class TestEdge(Edge):
    folder, app_id, action, status = SERVICE, "pizza-kitchen", "cook", "cooked"
    compensations = ("discard",)


def test_a_process_that_is_killed_leaves_a_step_that_the_next_one_completes(sidecar):
    environment = environment_of(sidecar, STEP_SECONDS=1)
    with process(SERVICE, **environment) as (dying, port), ThreadPoolExecutor() as pool:
        lost = pool.submit(post, port, "cook", ORDER)
        eventually(lambda: sidecar.value("order:123"))
        dying.send_signal(signal.SIGKILL)
        assert lost.exception(5) is not None
    with process(SERVICE, **environment) as (_, port):
        assert post(port, "cook", ORDER) == order_done("cooked")
        entries = json.load(urlopen(f"http://127.0.0.1:{port}/ledger/123"))["entries"]
    assert [(entry["step"], entry["times_asked"]) for entry in entries] == [("cook", 2)]
