"""Every error is a problem with a request id."""


def test_errors_of_the_routing_have_a_request_id_too(client):
    for answer, status in ((client.get("/nothing"), 404), (client.post("/call-greet/Ada"), 405)):
        assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
        assert answer.headers["x-request-id"]


def test_the_welcome_names_the_main_routes_and_needs_no_app_token(serve):
    answer = serve(app_api_token="s3cret").get("/")
    assert answer.status_code == 200
    assert all(route in answer.json()["message"] for route in ("/call-greet/{name}", "/docs", "/healthz", "/readyz"))
