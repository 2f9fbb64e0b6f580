"""A contract is a file: it is valid, and what one side keeps is what the other side serves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import validate

from tests.house.repository import ROOT, named, services

OPENAPI = named("openapi.json", "*.openapi.json")
COPIES = named("contracts/*.openapi.json", "contracts/*.asyncapi.yaml")
# The welcome and the probes, which every service has and no reader fills in.
EVERY_SERVICES_ROUTES = ("/", "/healthz", "/readyz")
PROTOS = sorted({path.name for path in named("*.proto")})


@pytest.mark.parametrize("path", OPENAPI, ids=str)
def test_a_contract_is_valid_openapi(path: Path) -> None:
    validate(json.loads((ROOT / path).read_text()))


@pytest.mark.parametrize("folder", services(), ids=str)
def test_a_contract_shows_its_bodies_by_example(folder: Path) -> None:
    contract = json.loads((ROOT / folder / "openapi.json").read_text())
    without: list[str] = []
    for path, methods in contract["paths"].items():
        for method, operation in methods.items() if path not in EVERY_SERVICES_ROUTES else ():
            bodies = [operation.get("requestBody", {})]
            bodies += [answer for code, answer in operation["responses"].items() if code.startswith("2")]
            for media in (media for body in bodies for media in body.get("content", {}).values()):
                if not shows_an_example(media, contract):
                    without.append(f"{method.upper()} {path}")
    assert without == []


def shows_an_example(media: dict[str, Any], contract: dict[str, Any]) -> bool:
    """Return whether a body has an example: itself, its schema, or at least one of the schema's fields."""
    told = [media]
    # A body that may be left out is one of two: its schema, or null.
    for schema in media.get("schema", {}).get("anyOf", [media.get("schema", {})]):
        if "$ref" in schema:
            schema = contract["components"]["schemas"][schema["$ref"].rsplit("/", 1)[1]]
        told += [schema, *schema.get("properties", {}).values()]
    return any(key in one for one in told for key in ("example", "examples"))


@pytest.mark.parametrize("copy", COPIES, ids=str)
def test_a_copy_is_the_contract_of_its_owner(copy: Path) -> None:
    role, kind = copy.name.split(".", 1)
    owners = [folder for folder in services() if folder.name.rpartition("_")[0] == role.replace("-", "_")]
    assert len(owners) == 1, f"{copy} belongs to one service, whose folder is named after {role!r}"
    assert (ROOT / copy).read_text() == (ROOT / owners[0] / kind).read_text()


@pytest.mark.parametrize("name", PROTOS)
def test_every_copy_of_a_proto_and_of_its_generated_code_is_the_same(name: str) -> None:
    stem = name.removesuffix(".proto")
    for each in (name, f"{stem}_pb2.py", f"{stem}_pb2_grpc.py"):
        copies = named(each)
        assert len(copies) >= 2, f"{each} is not on both sides"
        assert len({(ROOT / path).read_text() for path in copies}) == 1, f"these differ: {', '.join(map(str, copies))}"
