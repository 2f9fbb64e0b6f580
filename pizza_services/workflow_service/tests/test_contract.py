"""The contract files match the code."""

import json
from typing import get_args

import yaml
from conftest import SERVICE
from other_services import CONTRACTS

from main import create_app
from messages import StatusChange
from models import ID_PATTERN, Status
from records.order_book import Entry
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
    assert set(promised["properties"]) == set(StatusChange.model_fields)
    optional = {name for name, field in StatusChange.model_fields.items() if not field.is_required()} - {"final"}
    assert set(promised["required"]) == set(StatusChange.model_fields) - optional
    assert promised["properties"]["status"]["enum"] == list(get_args(Status))
    assert promised["properties"]["order_id"]["pattern"] == ID_PATTERN


def test_an_order_is_bounded_alike_in_both_contracts():
    schemas = json.loads((SERVICE / "openapi.json").read_text())["components"]["schemas"]
    ours, theirs = schemas["Order"]["properties"], ASYNCAPI["Order"]["properties"]
    # Events are readable on the topic, so they have nothing of the customer.
    assert set(theirs) == set(ours) - {"customer"}
    for name in theirs:
        for bound in ("minLength", "maxLength", "pattern"):
            assert ours[name].get(bound) == theirs[name].get(bound)


def test_pizza_order_promises_what_is_read_of_an_order():
    promised = CONTRACTS["pizza-order"]
    assert "/orders/{order_id}" in promised["paths"]
    assert set(Entry.model_fields) <= set(promised["components"]["schemas"]["OrderState"]["required"])
