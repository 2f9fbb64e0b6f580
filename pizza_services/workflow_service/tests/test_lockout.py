"""A sidecar that lets no worker in, and what gets this app out of that."""

import pytest
from conftest import eventually

SOON = {"standstill_every_seconds": 0.02, "lockout_seconds": 0.2}


def test_a_sidecar_that_lets_no_worker_in_is_asked_to_end(serve, sidecar):
    serve(**SOON, dapr_api_token="s3cret")
    sidecar.peers.worker = False
    eventually(lambda: sidecar.dapr.shutdowns == 1)
    assert sidecar.dapr.tokens == {"s3cret"}
    # One that did not end is asked again.
    eventually(lambda: sidecar.dapr.shutdowns == 2)


@pytest.mark.parametrize("why", ["it has a worker", "placement is away"])
def test_a_sidecar_that_is_well_or_will_be_by_itself_is_left_alone(serve, sidecar, why):
    sidecar.peers.worker, sidecar.peers.placed = why == "it has a worker", why != "placement is away"
    serve(**SOON)
    looked = sidecar.peers.looks
    eventually(lambda: sidecar.peers.looks > looked + 30)
    assert sidecar.dapr.shutdowns == 0
