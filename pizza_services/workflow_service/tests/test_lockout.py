"""A sidecar that lets no worker in, and what gets this app out of that."""

import pytest
from conftest import eventually

SOON = {"standstill_every_seconds": 0.02, "lockout_seconds": 0.2}


def test_a_sidecar_that_lets_no_worker_in_is_asked_to_end(serve, sidecar):
    client = serve(**SOON, dapr_api_token="s3cret")
    (worker,) = sidecar.engine.workers[-1:]
    asked_by: list[int] = []

    def end() -> None:
        asked_by.append(len(sidecar.engine.workers))
        sidecar.peers.ready = sidecar.peers.placed = False

    sidecar.dapr.at_shutdown = end
    before = sidecar.engine.connected()
    sidecar.peers.worker = False
    eventually(lambda: sidecar.dapr.shutdowns == 1)
    # It would not end while a worker asks it for work.
    assert asked_by == [before - 1]
    assert sidecar.dapr.tokens == {"s3cret"}
    # The worker comes back when the sidecar is seen to be gone. There is another one now.
    eventually(lambda: sidecar.engine.connected() == before)
    sidecar.peers.ready = sidecar.peers.placed = sidecar.peers.worker = True
    eventually(lambda: client.get("/readyz").status_code == 200)
    assert worker not in sidecar.engine.workers
    assert sidecar.dapr.shutdowns == 1


def test_a_sidecar_that_does_not_end_is_asked_again(serve, sidecar):
    client = serve(**SOON, call_timeout_seconds=0.2)
    sidecar.peers.worker = False
    eventually(lambda: sidecar.dapr.shutdowns == 2)
    sidecar.peers.worker = True
    eventually(lambda: client.get("/readyz").status_code == 200)


@pytest.mark.parametrize("why", ["it has a worker", "placement is away"])
def test_a_sidecar_that_is_well_or_will_be_by_itself_is_left_alone(serve, sidecar, why):
    sidecar.peers.worker, sidecar.peers.placed = why == "it has a worker", why != "placement is away"
    serve(**SOON)
    looked = sidecar.peers.looks
    eventually(lambda: sidecar.peers.looks > looked + 30)
    assert sidecar.dapr.shutdowns == 0
