"""The contract files say what the code does."""

import json
from typing import get_args

import yaml
from conftest import SERVICE
from peers_stand_in import CONTRACTS

from main import create_app
from messages import Told
from models import ID_PATTERN, Status
from order_book import Entry
from settings import Settings

ASYNCAPI = yaml.safe_load((SERVICE / "asyncapi.yaml").read_text())["components"]["schemas"]


def test_openapi_json_is_what_the_service_serves():
    served = create_app(Settings(_env_file=None)).openapi()
    assert json.loads((SERVICE / "openapi.json").read_text()) == served, "the README says how to regenerate it"


def test_every_error_in_the_contract_is_a_problem():
    for path in json.loads((SERVICE / "openapi.json").read_text())["paths"].values():
        for operation in path.values():
            for status, response in operation["responses"].items():
                if status >= "400":
                    assert list(response["content"]) == ["application/problem+json"]


def test_the_event_has_the_fields_of_its_contract():
    promised = ASYNCAPI["OrderStatusChanged"]
    assert set(promised["properties"]) == set(Told.model_fields)
    optional = {name for name, field in Told.model_fields.items() if not field.is_required()} - {"final"}
    assert set(promised["required"]) == set(Told.model_fields) - optional
    assert promised["properties"]["status"]["enum"] == list(get_args(Status))
    assert promised["properties"]["order_id"]["pattern"] == ID_PATTERN


def test_an_order_is_bounded_alike_in_both_contracts():
    schemas = json.loads((SERVICE / "openapi.json").read_text())["components"]["schemas"]
    ours = {**schemas["Order"]["properties"], **schemas["Customer"]["properties"]}
    promised = ASYNCAPI["Order"]["properties"]
    theirs = {**promised, **promised["customer"]["properties"]}
    for name in ("order_id", "pizza_type", "name", "address", "phone"):
        for bound in ("minLength", "maxLength", "pattern"):
            assert ours[name].get(bound) == theirs[name].get(bound)


def test_pizza_order_promises_what_is_read_of_an_order():
    promised = CONTRACTS["pizza-order"]
    assert "/orders/{order_id}" in promised["paths"]
    assert set(Entry.model_fields) <= set(promised["components"]["schemas"]["OrderState"]["required"])
