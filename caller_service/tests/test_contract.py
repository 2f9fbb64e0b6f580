"""The contract files match the code, and callee keeps its own."""

import json

import pytest
from conftest import SERVICE

from callee import greet_path
from kit.fakes.contract import check_openapi
from kit.fakes.service import app_with
from models import Greeting

CALLEE = json.loads((SERVICE / "contracts" / "callee.openapi.json").read_text())
GREET = CALLEE["paths"]["/greet/{name}"]["get"]


def test_openapi_json_is_what_the_service_serves():
    check_openapi(SERVICE)


def test_callee_promises_the_route_that_is_called_and_bounds_names_alike():
    assert greet_path("Ada") == "/greet/{name}".format(name="Ada")
    (name,) = GREET["parameters"]
    ours = app_with().openapi()["paths"]["/call-greet/{name}"]["get"]["parameters"][0]["schema"]
    assert (name["name"], name["schema"]["minLength"], name["schema"]["maxLength"]) == ("name", 1, 100)
    assert (ours["minLength"], ours["maxLength"]) == (1, 100)


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
