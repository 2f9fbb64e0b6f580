"""Cryptography on the real runtime: attachments in constant memory, unreadable and unchangeable on the disk."""

from __future__ import annotations

import hashlib
import shutil
import threading

import psutil
import pytest

from labctl.stack import ROOT
from labctl.up.processes import wait_until
from tests.runtime.blocks.tasks import TASKS, assert_problem, call, new_task

pytestmark = pytest.mark.lab("blocks")
MIB = 1024 * 1024
FOLDER = ROOT / "task_services" / "task_service" / ".dapr" / "attachments"
PART = MIB // 2
MARKER = b"a secret that nobody may read on the disk"


@pytest.fixture(autouse=True, scope="module")
def _no_files_left():
    before = {*FOLDER.glob("*")}
    yield
    for folder in {*FOLDER.glob("*")} - before:
        shutil.rmtree(folder)


def put(lab, task, content, kind="application/octet-stream"):
    """Upload an attachment. `content` may be an iterator, which is sent in chunks."""
    return call(lab, "PUT", f"/tasks/{task}/attachment", content=content, headers={"content-type": kind})


def get(lab, task):
    return call(lab, "GET", f"/tasks/{task}/attachment")


def files(task):
    """Return the stored files of a task, in the order of the parts."""
    return sorted((FOLDER / task).glob("*"), key=lambda file: int(file.name.rpartition("-")[2]))


class Peak(threading.Thread):
    """Watches the memory of a process."""

    def __init__(self, pid):
        super().__init__()
        self.process, self.done = psutil.Process(pid), threading.Event()
        self.before = self.most = self.process.memory_info().rss
        self.start()

    def run(self):
        while not self.done.wait(0.005):
            self.most = max(self.most, self.process.memory_info().rss)

    def growth(self):
        self.done.set()
        self.join()
        return self.most - self.before


def test_20_mb_stream_through_in_constant_memory_and_are_unreadable_on_the_disk(lab):
    block = MARKER + b"." * (MIB // 4 - len(MARKER))
    size, digest, small = 80 * len(block), hashlib.sha256(), new_task(lab)
    task = new_task(lab)
    assert put(lab, small, block * 32).status_code == 200  # what any upload needs is not counted
    assert get(lab, small).status_code == 200
    peak = Peak(lab.pid(TASKS))
    answer = put(lab, task, (block for _ in range(80)))
    assert (answer.status_code, answer.json()) == (200, {"size": size}), answer.text
    with lab.http.stream("GET", lab.url(TASKS, f"/tasks/{task}/attachment")) as received:
        assert received.headers["content-length"] == str(size)
        for chunk in received.iter_raw(MIB):
            digest.update(chunk)
    assert digest.digest() == hashlib.sha256(block * 80).digest()
    assert peak.growth() < 12 * MIB
    stored = files(task)
    assert len(stored) == 40
    assert [file.name for file in stored if MARKER in file.read_bytes()] == []
    assert all(file.read_bytes().startswith(b"dapr.io/enc/v1\n") for file in stored)


def test_a_new_attachment_replaces_the_earlier_one(lab):
    task = new_task(lab)
    assert put(lab, task, b"x" * 3 * MIB).status_code == 200
    assert put(lab, task, b"second").status_code == 200
    assert get(lab, task).content == b"second"
    assert len(files(task)) == 1


@pytest.mark.parametrize("harm", ["bit", "order", "older", "gone"])
def test_a_file_that_was_changed_on_the_disk_is_not_sent(lab, harm):
    task = new_task(lab)
    put(lab, task, b"a" * PART + b"b" * PART)
    first, second = files(task)
    content = first.read_bytes()
    if harm == "bit":
        first.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    elif harm == "order":
        first.write_bytes(second.read_bytes())
    elif harm == "gone":
        first.unlink()
    else:
        put(lab, task, b"c" * PART + b"d")
        files(task)[0].write_bytes(content)
    answer = get(lab, task)
    assert_problem(answer, 503 if harm in ("bit", "gone") else 502, "crypto" if harm == "bit" else "attachments")


def test_an_upload_that_breaks_off_leaves_the_earlier_attachment_and_no_file(lab):
    task = new_task(lab)
    put(lab, task, b"first")

    def broken():
        yield b"x" * 3 * MIB
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        put(lab, task, broken())
    assert wait_until(lambda: len(files(task)) == 1, 10)
    assert get(lab, task).content == b"first"


def test_the_files_of_a_deleted_task_are_deleted(lab):
    task = new_task(lab)
    put(lab, task, b"x")
    assert call(lab, "DELETE", f"/tasks/{task}", headers={"if-match": '"1"'}).status_code == 204
    assert files(task) == []


def test_bad_uploads_are_refused(lab):
    task = new_task(lab)
    assert_problem(put(lab, task, b"{}", "application/json"), 415, "content-type")
    assert_problem(put(lab, task, b""), 422, "body")
    assert_problem(put(lab, task, b"x" * (32 * MIB + 1)), 413, "larger")
    assert_problem(get(lab, task), 404, "no attachment")
    assert files(task) == []
