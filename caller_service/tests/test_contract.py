"""The contract files match the code, and callee keeps its own."""

import json

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


def test_callee_promises_the_answers_that_are_read():
    assert GREET["responses"]["200"]["headers"]["x-attempt"]["schema"] == {"type": "integer"}
    schemas = CALLEE["components"]["schemas"]
    assert schemas["Greeting"]["required"] == list(Greeting.model_fields)
    Greeting.model_validate(schemas["Greeting"]["examples"][0])
    for status in ("422", "500"):
        assert list(GREET["responses"][status]["content"]) == ["application/problem+json"]
    assert "detail" in schemas["Problem"]["required"]
