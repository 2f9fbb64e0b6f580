"""Services share no code, so what every service needs is a copy: a mended one is mended everywhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.house.repository import ROOT, services, text

# Each is a matter of the house and knows nothing of its service: problem details, bounds on bodies, log lines, whether
# the sidecar is ready.
EVERYWHERE = ("problems.py", "limits.py", "logs.py", "sidecar.py")
# The pizza services with a ledger, those with paged lists, and the services with a workflow worker.
DOERS = ("pizza_services/delivery_service", "pizza_services/kitchen_service", "pizza_services/storefront_service")
KEEPERS = (*DOERS, "pizza_services/order_service")
WORKERS = ("chat_service", "pizza_services/kitchen_service", "pizza_services/workflow_service")
IN_SOME = {
    "ledger.py": DOERS,
    "refusals.py": DOERS,
    "faults.py": DOERS,
    "tests/test_once.py": DOERS,
    "tests/test_errors.py": DOERS,
    "tests/test_faults.py": DOERS,
    "state_store.py": KEEPERS,
    "pages.py": KEEPERS,
    "sdk_client.py": KEEPERS,
    "tests/sidecar_stand_in.py": KEEPERS,
    "busy_route.py": ("caller_service", "scheduler_app"),
    "worker_calls.py": WORKERS,
    "tests/test_worker_calls.py": WORKERS,
}


@pytest.mark.parametrize("name", EVERYWHERE)
def test_every_service_has_the_same(name: str) -> None:
    versions = {text(folder / name): folder for folder in services() if (ROOT / folder / name).exists()}
    assert len(versions) <= 1, f"{name} differs between {', '.join(map(str, versions.values()))}"


@pytest.mark.parametrize("name", IN_SOME)
def test_those_that_work_alike_have_the_same(name: str) -> None:
    versions = {text(Path(one) / name): one for one in IN_SOME[name] if (ROOT / one / name).exists()}
    assert len(versions) <= 1, f"{name} differs between {', '.join(versions.values())}"
