"""A sidecar that lets no worker in, and what gets this app out of that."""

import pytest
from conftest import eventually, say

SOON = {"standstill_every_seconds": 0.02, "lockout_seconds": 0.2}


def test_a_sidecar_that_lets_no_worker_in_is_asked_to_end(serve, sidecar):
    client = serve(**SOON, dapr_api_token="s3cret")
    connected_then: list[int] = []

    def end() -> None:
        connected_then.append(sidecar.engine.connected)
        sidecar.ready = False

    sidecar.at_shutdown = end
    sidecar.lets_workers_in = False
    eventually(lambda: client.get("/readyz").status_code == 503)
    eventually(lambda: sidecar.shutdowns == 1)
    # It would not end while a worker asks it for work.
    assert connected_then == [0]
    assert set(sidecar.tokens) == {"s3cret"}
    # The worker comes back when the sidecar is seen to be gone. There is another one now.
    eventually(lambda: sidecar.engine.connected == 1)
    sidecar.ready = sidecar.lets_workers_in = True
    eventually(lambda: client.get("/readyz").status_code == 200)
    assert (sidecar.engine.workers, sidecar.shutdowns) == (2, 1)
    assert say(client).status_code == 200


def test_a_sidecar_that_does_not_end_is_asked_again(serve, sidecar):
    client = serve(**SOON, schedule_seconds=0.2)
    sidecar.lets_workers_in = False
    eventually(lambda: sidecar.shutdowns == 2)
    sidecar.lets_workers_in = True
    eventually(lambda: client.get("/readyz").status_code == 200)


@pytest.mark.parametrize("why", ["it has a worker", "placement is away"])
def test_a_sidecar_that_is_well_or_will_be_by_itself_is_left_alone(serve, sidecar, why):
    sidecar.lets_workers_in, sidecar.is_placed = why == "it has a worker", why != "placement is away"
    serve(wait_until_ready=False, **SOON)
    looked = sidecar.looks
    eventually(lambda: sidecar.looks > looked + 30)
    assert sidecar.shutdowns == 0


def test_a_missing_secret_is_no_lockout(serve, sidecar):
    del sidecar.secrets["secretstore"]["USER_HASH_KEY"]
    serve(wait_until_ready=False, **SOON)
    looked = sidecar.looks
    eventually(lambda: sidecar.looks > looked + 30)
    assert (sidecar.shutdowns, sidecar.engine.workers) == (0, 1)
