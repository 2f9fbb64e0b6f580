"""What an app reads through its sidecar without `--secure`: keys of models and of users' hashes, no other secret."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.lab("chat")
READABLE = {"GEMINI_API_KEY", "OPENAI_API_KEY", "USER_HASH_KEY"}


@pytest.mark.parametrize("app_id", ["chat-service", "agent-memory-service"])
@pytest.mark.parametrize(("store", "key"), [("envsecretstore", "PATH"), ("secretstore", "STATE_ENCRYPTION_KEY")])
def test_no_other_secret_is_readable(lab, app_id, store, key):
    answer = lab.http.get(lab.sidecar(app_id, f"/v1.0/secrets/{store}/{key}"))
    assert (answer.status_code, answer.json()["errorCode"]) == (403, "ERR_PERMISSION_DENIED")
    everything = lab.http.get(lab.sidecar(app_id, f"/v1.0/secrets/{store}/bulk"))
    assert set(everything.json()) <= READABLE
    assert lab.http.get(lab.sidecar(app_id, "/v1.0/secrets/secretstore/USER_HASH_KEY")).status_code == 200
