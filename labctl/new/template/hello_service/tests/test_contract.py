"""The contract file says what the code does."""

from conftest import SERVICE

from kit.fakes.contract import check_openapi


def test_openapi_json_is_what_the_service_serves():
    check_openapi(SERVICE)
