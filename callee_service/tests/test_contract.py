"""The contract files say what the code does."""

import json
import sys
from importlib import resources
from pathlib import Path

from conftest import SERVICE
from grpc_tools import protoc

from main import create_app
from settings import Settings

REGENERATE = "the README says how to regenerate it"


def test_openapi_json_is_what_the_service_serves():
    served = create_app(Settings(_env_file=None)).openapi()
    assert json.loads((SERVICE / "openapi.json").read_text()) == served, REGENERATE


def test_every_error_in_the_contract_is_a_problem():
    for path in json.loads((SERVICE / "openapi.json").read_text())["paths"].values():
        for operation in path.values():
            for status, response in operation["responses"].items():
                if status >= "400":
                    assert list(response["content"]) == ["application/problem+json"]


def test_the_fault_switches_are_documented_only_where_they_exist():
    assert "/faults" not in create_app(Settings(_env_file=None)).openapi()["paths"]
    assert "/faults" in create_app(Settings(_env_file=None, faults_enabled=True)).openapi()["paths"]


def test_generated_code_is_up_to_date(tmp_path, monkeypatch):
    # protoc finds its plugins beside the Python that runs the tests.
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")
    includes = resources.files("grpc_tools") / "_proto"
    outputs = [f"--{kind}_out={tmp_path}" for kind in ("python", "grpc_python", "mypy", "mypy_grpc")]
    assert protoc.main(["protoc", f"-I{SERVICE}", f"-I{includes}", *outputs, str(SERVICE / "greeter.proto")]) == 0
    for generated in tmp_path.iterdir():
        assert (SERVICE / generated.name).read_text() == generated.read_text(), REGENERATE
