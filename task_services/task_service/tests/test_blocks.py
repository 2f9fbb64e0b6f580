"""Bindings, locks, secrets, configuration, cryptography and conversation, beside a stand-in for the sidecar."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from threading import Event, Lock

import grpc
import pytest
from conftest import problem_of
from dapr.proto import api_v1

from attachments import PART_BYTES
from kit.fakes.waiting import eventually

OCTETS = {"content-type": "application/octet-stream"}
TODAY = datetime.now(UTC).date().isoformat()


@pytest.fixture(autouse=True)
def bound(sidecar):
    """Keep files in a dict, and return the other calls of bindings."""
    calls, files = [], {}

    def bind(name, operation, data, metadata):
        if name != "attachments":
            calls.append((name, operation, data.decode(), metadata))
            return b""
        file = metadata["fileName"]
        if operation == "create":
            files[file] = data
        return files.pop(file, None) if operation == "delete" else files.get(file)

    sidecar.bind, sidecar.files = bind, files
    sidecar.secrets["tasksecretstore"] = {"api-credentials": {"api-key": "k3y"}, "empty": ""}
    return calls


def test_a_mail_names_all_its_fields_and_is_html(client, task, bound):
    client.patch(f"/tasks/{task['id']}", json={"title": "<Buy> & run"}, headers={"if-match": '"1"'})
    answer = client.post(f"/tasks/{task['id']}/email", json={"to": "ada@example.com"})
    assert answer.json() == {"delivered_by": "email-binding"}
    ((name, operation, body, metadata),) = bound
    assert (name, operation, body) == ("email-binding", "create", "&lt;Buy&gt; &amp; run<br>\nThis task is pending.")
    assert metadata == {"emailTo": "ada@example.com", "subject": "Task: <Buy> & run"}


def test_mails_are_sent_one_at_a_time(client, sidecar, task):
    alone, met = Lock(), []

    def bind(*_):
        met.append(alone.acquire(blocking=False))
        eventually(lambda: sidecar.calls.count(("GetState", f"task-{task['id']}")) >= 8)
        alone.release()
        return b""

    sidecar.bind = bind
    with ThreadPoolExecutor(8) as pool:
        sent = [pool.submit(client.post, f"/tasks/{task['id']}/email", json={"to": "a@b.de"}) for _ in range(8)]
    assert {one.result().status_code for one in sent} == {200}
    assert met == [True] * 8


def test_a_mail_server_that_hangs_is_not_waited_for(serve, task, sidecar):
    sidecar.bind = lambda *_: Event().wait(1) or b""
    answer = serve(mail_timeout_seconds=0.2).post(f"/tasks/{task['id']}/email", json={"to": "a@b.de"})
    assert problem_of(answer, 504)["dependency"] == "email-binding"


def test_a_webhook_gets_the_api_key_as_a_header(client, task, bound):
    assert client.post(f"/tasks/{task['id']}/webhook").json() == {"delivered_by": "webhook"}
    ((name, operation, _, metadata),) = bound
    assert (name, operation, metadata["X-Api-Key"]) == ("webhook", "post", "k3y")


def test_without_an_api_key_no_webhook_is_called(client, task, sidecar, bound):
    sidecar.secrets["tasksecretstore"]["api-credentials"] = {"api-key": ""}
    problem = problem_of(client.post(f"/tasks/{task['id']}/webhook"), 502)
    assert (problem["dependency"], bound) == ("tasksecretstore", [])


@pytest.mark.parametrize("to", ["ada", "a@b.de;c@d.de", "a@b.de\r\nBcc: c@d.de", None])
def test_a_mail_has_one_valid_recipient(client, task, to, bound):
    assert "to:" in problem_of(client.post(f"/tasks/{task['id']}/email", json={"to": to}), 422)["detail"]
    assert bound == []


def test_credentials_shows_names_and_no_value(client):
    answer = client.get("/credentials")
    assert answer.json() == {"store": "tasksecretstore", "readable": {"api-credentials": ["api-key"]}}
    assert "k3y" not in answer.text


def test_a_digest_is_sent_once_a_day(client, task, bound, sidecar):
    assert client.post("/digest-cron").json() == {"status": "SENT"}
    assert client.post("/digest-cron").json() == {"status": "ALREADY_SENT"}
    ((_, _, body, metadata),) = bound
    assert (body, metadata["subject"]) == ("1 tasks are pending.<br>\nBuy milk", f"Tasks of {TODAY}")
    (digest,) = client.get("/digests").json()["digests"]
    assert (digest["day"], digest["to"], digest["pending"]) == (TODAY, "team@example.com", 1)
    assert sidecar.locks == {}


def test_a_digest_that_another_replica_sends_is_left_to_it(client, sidecar, bound):
    sidecar.locks[f"digest-{TODAY}"] = "another replica"
    assert client.post("/digest-cron").json() == {"status": "LOCKED"}
    assert (bound, sidecar.locks) == ([], {f"digest-{TODAY}": "another replica"})


def test_a_digest_that_was_not_mailed_is_neither_noted_nor_locked(client, sidecar):
    sidecar.bind = lambda *_: None
    assert problem_of(client.post("/digest-cron"), 503)["dependency"] == "email-binding"
    assert (client.get("/digests").json()["digests"], sidecar.locks) == ([], {})


def test_only_the_sidecar_may_call_the_digest(serve, bound):
    assert problem_of(serve(app_api_token="s3cret").post("/digest-cron"), 401)
    assert bound == []


def test_configuration_follows_the_store_and_ignores_nonsense(client, sidecar):
    def now():
        return client.get("/configuration").json()

    eventually(lambda: now()["subscribed"])
    assert now()["values"]["max-retry-count"] == {"value": "3", "version": None}
    # The second has three digits too, of another script.
    for nonsense in ("many", "\u0663\u0663\u0663"):
        sidecar.configure("max-retry-count", f"{nonsense}||2")
    sidecar.configure("feature-flag-x", "on||7")
    eventually(lambda: now()["values"]["feature-flag-x"] == {"value": "on", "version": "7"})
    assert now()["values"]["max-retry-count"]["value"] == "3"
    sidecar.configure("feature-flag-x", "")
    eventually(lambda: now()["values"]["feature-flag-x"] == {"value": "off", "version": None})


def test_configuration_is_subscribed_again_when_that_fails(serve, sidecar):
    sidecar.configuration["feature-flag-x"] = "on||1"
    sidecar.refuse = lambda method, _: (grpc.StatusCode.INTERNAL, "no") if "Configuration" in method else None
    client = serve()
    eventually(lambda: any(method == "SubscribeConfiguration" for method, _ in sidecar.calls))
    assert client.get("/configuration").json()["subscribed"] is False
    sidecar.refuse = lambda *_: None
    eventually(lambda: client.get("/configuration").json()["values"]["feature-flag-x"]["value"] == "on")


def test_every_call_of_the_sidecar_has_its_token(serve, sidecar):
    client = serve(dapr_api_token="t0ken")
    eventually(lambda: client.get("/configuration").json()["subscribed"])
    assert sidecar.tokens == {"t0ken"}
    new = client.post("/tasks", json={"title": "Buy milk"}).json()
    assert put(client, new, b"x").status_code == 200
    assert client.post("/digest-cron").json() == {"status": "SENT"}
    assert sidecar.tokens == {"t0ken"}


def put(client, task, content, headers=OCTETS):
    return client.put(f"/tasks/{task['id']}/attachment", content=content, headers=headers)


def test_an_attachment_is_stored_in_encrypted_parts_until_its_task_is_deleted(client, task, sidecar):
    content = b"".join(bytes([number]) * PART_BYTES for number in range(2)) + b"the end"
    assert put(client, task, content).json() == {"size": len(content)}
    assert [len(data) < 1.1 * PART_BYTES and data.startswith(b"dapr.io") for data in sidecar.files.values()] == [
        True
    ] * 3
    answer = client.get(f"/tasks/{task['id']}/attachment")
    assert (answer.content == content, answer.headers["content-length"]) == (True, str(len(content)))
    assert put(client, task, b"another").status_code == 200
    assert len(sidecar.files) == 1
    assert client.delete(f"/tasks/{task['id']}", headers={"if-match": '"1"'}).status_code == 204
    assert (sidecar.files, sidecar.value(f"attachment-{task['id']}")) == ({}, None)


def test_a_transaction_deletes_attachments_and_a_fault_there_does_not_fail_it(client, task, sidecar):
    kept = client.post("/tasks", json={"title": "x"}).json()
    for one in (task, kept):
        put(client, one, b"x")
    body = {"create": [{"title": "new"}], "delete": [task["id"]]}
    assert client.post("/tasks/transaction", json=body).status_code == 201
    assert (len(sidecar.files), sidecar.value(f"attachment-{task['id']}")) == (1, None)
    sidecar.refuse = lambda _, key: (grpc.StatusCode.INTERNAL, "no") if key.startswith("attachment-") else None
    assert client.delete(f"/tasks/{kept['id']}", headers={"if-match": '"1"'}).status_code == 204


def test_a_part_that_was_exchanged_is_not_sent(client, task, sidecar):
    put(client, task, b"a" * PART_BYTES + b"b")
    first, second = sidecar.files
    sidecar.files[first] = sidecar.files[second]
    answer = client.get(f"/tasks/{task['id']}/attachment")
    assert problem_of(answer, 502)["dependency"] == "attachments"


def test_an_upload_that_fails_leaves_no_part_and_the_earlier_file(client, task, sidecar):
    put(client, task, b"first")
    sealed = []
    sidecar.refuse = lambda method, _: (
        (grpc.StatusCode.INTERNAL, "no") if method == "Encrypt" and (sealed.append(1) or len(sealed) > 2) else None
    )
    assert problem_of(put(client, task, b"x" * 3 * PART_BYTES), 503)["dependency"] == "crypto"
    assert len(sidecar.files) == 1
    assert client.get(f"/tasks/{task['id']}/attachment").content == b"first"


def test_an_upload_for_a_task_that_is_deleted_at_that_time_leaves_nothing(client, task, sidecar):
    def delete(method, _):
        if method == "Encrypt":
            sidecar.values.pop(("taskstore", f"task-{task['id']}"))

    sidecar.refuse = delete
    problem_of(put(client, task, b"x"), 404)
    assert (sidecar.files, sidecar.value(f"attachment-{task['id']}")) == ({}, None)


def test_bad_attachments_are_refused(serve, task, sidecar):
    client = serve(max_attachment_bytes=10)
    problem_of(put(client, task, b""), 422)
    problem_of(put(client, task, b"x" * 11), 413)
    problem_of(put(client, task, b"{}", {"content-type": "application/json"}), 415)
    problem_of(client.get(f"/tasks/{task['id']}/attachment"), 404)
    problem_of(put(client, {"id": "none"}, b"x"), 404)
    assert sidecar.files == {}


def answer_of(text):
    """Return a model's answer."""
    answer = api_v1.ConversationResponseAlpha2()
    answer.outputs.add().choices.add(finish_reason="stop").message.content = text
    return answer


def test_a_summary_is_asked_for_without_personal_data(client, task, sidecar):
    sidecar.converse.append(answer_of(" Buy milk. "))
    answer = client.post(f"/tasks/{task['id']}/summary")
    assert answer.json() == {"summary": "Buy milk.", "model": "conversation"}
    (asked,) = sidecar.asked
    assert asked.inputs[0].scrub_pii
    assert asked.inputs[0].messages[1].of_user.content[0].text == "Buy milk (pending)"


def test_an_empty_summary_is_a_fault_of_the_model(client, task, sidecar):
    sidecar.converse.append(answer_of("  "))
    assert problem_of(client.post(f"/tasks/{task['id']}/summary"), 502)["dependency"] == "conversation"
