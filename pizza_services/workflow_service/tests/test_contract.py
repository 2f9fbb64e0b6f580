"""The contract files match the code."""

import json
from typing import get_args

import yaml
from conftest import SERVICE
from other_services import CONTRACTS

from kit.fakes.contract import check_openapi
from messages import StatusChange
from models import ID_PATTERN, Status
from records.order_book import Entry

ASYNCAPI = yaml.safe_load((SERVICE / "asyncapi.yaml").read_text())["components"]["schemas"]


def test_openapi_json_is_what_the_service_serves():
    check_openapi(SERVICE)


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
