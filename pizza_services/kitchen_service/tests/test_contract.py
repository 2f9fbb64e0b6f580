"""openapi.json says what the code does."""

import json

from conftest import SERVICE

from main import create_app
from settings import Settings

CONTRACT = json.loads((SERVICE / "openapi.json").read_text())


def test_openapi_json_is_what_the_service_serves():
    served = create_app(Settings(_env_file=None)).openapi()
    assert served == CONTRACT, "the README says how to regenerate it"


def test_every_error_in_the_contract_is_a_problem():
    for path in CONTRACT["paths"].values():
        for operation in path.values():
            for status, response in operation["responses"].items():
                if status >= "400":
                    assert list(response["content"]) == ["application/problem+json"]


def test_the_fault_switches_are_documented_only_where_they_exist():
    assert "/faults" not in CONTRACT["paths"]
    assert "/faults" in create_app(Settings(_env_file=None, faults_enabled=True)).openapi()["paths"]
