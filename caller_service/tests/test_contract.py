"""The contract files match the code, and callee keeps its own."""

import json
import sys
from importlib import resources
from pathlib import Path

import pytest
from conftest import SERVICE
from grpc_tools import protoc

from callee import greet_path
from main import create_app
from models import Greeting
from settings import Settings

REGENERATE = "the README says how to regenerate it"
CALLEE = json.loads((SERVICE / "contracts" / "callee.openapi.json").read_text())
GREET = CALLEE["paths"]["/greet/{name}"]["get"]


def test_openapi_json_is_what_the_service_serves():
    served = create_app(Settings(_env_file=None)).openapi()
    assert json.loads((SERVICE / "openapi.json").read_text()) == served, REGENERATE


def test_generated_code_is_up_to_date(tmp_path, monkeypatch):
    # protoc finds its plugins beside the Python that runs the tests.
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=":")
    includes = resources.files("grpc_tools") / "_proto"
    outputs = [f"--{kind}_out={tmp_path}" for kind in ("python", "grpc_python", "mypy", "mypy_grpc")]
    assert (
        protoc.main(["protoc", f"-I{SERVICE}", f"-I{includes}", *outputs, str(SERVICE / "protos" / "greeter.proto")])
        == 0
    )
    for generated in (tmp_path / "protos").iterdir():
        assert (SERVICE / "protos" / generated.name).read_text() == generated.read_text(), REGENERATE


def test_callee_promises_the_route_that_is_called():
    assert greet_path("Ada") == "/greet/{name}".format(name="Ada")
    assert [parameter["name"] for parameter in GREET["parameters"]] == ["name"]


def test_callee_promises_the_answer_that_is_read():
    ok = GREET["responses"]["200"]
    assert ok["headers"]["x-attempt"]["schema"] == {"type": "integer"}
    promised = CALLEE["components"]["schemas"]["Greeting"]
    assert promised["required"] == list(Greeting.model_fields)
    assert promised["properties"]["message"]["type"] == "string"
    Greeting.model_validate(promised["examples"][0])


@pytest.mark.parametrize("status", ["422", "500"])
def test_callee_promises_problems_with_a_detail(status):
    assert list(GREET["responses"][status]["content"]) == ["application/problem+json"]
    assert "detail" in CALLEE["components"]["schemas"]["Problem"]["required"]


def test_names_are_bounded_alike_on_both_sides():
    ours = create_app(Settings(_env_file=None)).openapi()["paths"]["/call-greet/{name}"]["get"]["parameters"][0][
        "schema"
    ]
    callees = GREET["parameters"][0]["schema"]
    assert (ours["minLength"], ours["maxLength"]) == (callees["minLength"], callees["maxLength"]) == (1, 100)
