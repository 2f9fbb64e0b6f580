"""Services share no code, so what every service needs is a copy: a mended one is mended everywhere."""

from __future__ import annotations

import pytest

from tests.house.repository import services, text

# Each is a matter of the house and knows nothing of its service: problem details, bounds on bodies, log lines.
EVERYWHERE = ("problems.py", "limits.py", "logs.py")


@pytest.mark.parametrize("name", EVERYWHERE)
def test_every_service_has_the_same(name: str) -> None:
    versions = {text(folder / name): folder for folder in services()}
    assert len(versions) == 1, f"{name} differs between {', '.join(map(str, versions.values()))}"
