"""Conversation on the real runtime, with Dapr's echo in place of a model."""

from __future__ import annotations

import pytest

from tests.runtime.blocks.tasks import call, new_task

pytestmark = pytest.mark.lab("blocks")


def test_a_summary_is_the_models_answer_without_personal_data(lab):
    task = new_task(lab, "Mail ada@example.com about milk")
    answer = call(lab, "POST", f"/tasks/{task}/summary")
    assert (answer.status_code, answer.json()["model"]) == (200, "conversation")
    assert "about milk (pending)" in answer.json()["summary"]
    assert "<EMAIL_ADDRESS>" in answer.json()["summary"]
    assert "ada@example.com" not in answer.text


@pytest.mark.parametrize(("task", "status", "named"), [("no%20id", 422, "task_id"), ("nobody", 404, "Task not found")])
def test_a_task_that_cannot_be_summed_up_is_named(lab, task, status, named):
    answer = call(lab, "POST", f"/tasks/{task}/summary")
    assert answer.status_code == status
    assert named in answer.text
