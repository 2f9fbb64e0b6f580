"""The contract files match the code, callee keeps its own, and every error is a problem."""

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


def test_errors_of_the_routing_have_a_request_id_too(client):
    for answer, status in ((client.get("/nothing"), 404), (client.post("/call-greet/Ada"), 405)):
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
        assert answer.headers["x-request-id"]


def test_the_welcome_names_the_main_routes_and_needs_no_app_token(serve):
    answer = serve(app_api_token="s3cret").get("/")
    assert answer.status_code == 200
    assert all(route in answer.json()["message"] for route in ("/call-greet/{name}", "/docs", "/healthz", "/readyz"))
