"""Secrets on the real runtime: the app reads the one that its sidecar's scopes allow, and no other."""

from __future__ import annotations

import pytest

from tests.runtime.blocks.tasks import TASKS, assert_problem, call, new_task

pytestmark = pytest.mark.lab("blocks")
STORE = "tasksecretstore"


def test_credentials_names_what_is_readable_and_shows_no_value(lab):
    answer = call(lab, "GET", "/credentials")
    assert answer.json() == {"store": STORE, "readable": {"api-credentials": ["api-key"]}}


def test_the_sidecar_gives_this_app_one_secret(lab):
    answer = lab.http.get(lab.sidecar(TASKS, f"/v1.0/secrets/{STORE}/api-credentials"))
    assert answer.json() == {"api-key": "an-example-and-no-real-key"}
    everything = lab.http.get(lab.sidecar(TASKS, f"/v1.0/secrets/{STORE}/bulk"))
    assert set(everything.json()) == {"api-credentials"}


@pytest.mark.parametrize("name", ["STATE_ENCRYPTION_KEY", "OPENAI_API_KEY", "no-such-secret"])
def test_a_secret_outside_the_scope_is_refused_like_a_missing_one(lab, name):
    answer = lab.http.get(lab.sidecar(TASKS, f"/v1.0/secrets/{STORE}/{name}"))
    assert (answer.status_code, answer.json()["errorCode"]) == (403, "ERR_PERMISSION_DENIED")


@pytest.mark.parametrize("store", ["secretstore", "envsecretstore"])
def test_the_stores_of_other_labs_do_not_exist_for_this_app(lab, store):
    answer = lab.http.get(lab.sidecar(TASKS, f"/v1.0/secrets/{store}/OPENAI_API_KEY"))
    # Not 404, and no token is missing.
    assert (answer.status_code, answer.json()["errorCode"]) == (401, "ERR_SECRET_STORE_NOT_FOUND")


def test_each_component_or_key_that_is_not_there_is_named(lab):
    """A name that is wrong in the settings is an answer that says so, and no crash."""
    settings = ("SECRET_STORE", "LOCK_STORE", "CONVERSATION_COMPONENT", "EMAIL_BINDING")
    octets = {"headers": {"content-type": "application/octet-stream"}, "content": b"x"}
    names = {name: f"no-{name}" for name in settings}
    with lab.otherwise(lab.with_settings(TASKS, CRYPTO_KEY="no-key", CONFIG_STORE="no-config", **names)):
        task = new_task(lab)
        assert_problem(call(lab, "GET", "/credentials"), 502, "no-SECRET_STORE")
        assert_problem(call(lab, "POST", "/digest-cron"), 502, "no-LOCK_STORE")
        assert_problem(call(lab, "PUT", f"/tasks/{task}/attachment", **octets), 503, "crypto")
        assert_problem(call(lab, "POST", f"/tasks/{task}/summary"), 502, "no-CONVERSATION_COMPONENT")
        mail = call(lab, "POST", f"/tasks/{task}/email", json={"to": "ada@example.com"})
        assert_problem(mail, 503, "no-EMAIL_BINDING")
        assert call(lab, "GET", "/configuration").json()["subscribed"] is False
