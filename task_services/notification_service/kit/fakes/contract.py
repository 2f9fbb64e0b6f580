"""The check of a service's openapi.json, for its tests."""

import json
from pathlib import Path

from kit.fakes.service import app_with


def check_openapi(folder: Path) -> None:
    """Fail unless openapi.json is what the service serves, and each error in it is a problem (RFC 9457)."""
    contract = json.loads((folder / "openapi.json").read_text())
    assert app_with().openapi() == contract, "the README says how to regenerate it"
    operations = [operation for path in contract["paths"].values() for operation in path.values()]
    for status, answer in (one for operation in operations for one in operation["responses"].items()):
        assert status < "400" or list(answer["content"]) == ["application/problem+json"], status
