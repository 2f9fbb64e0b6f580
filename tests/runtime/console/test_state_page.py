"""The page about state and jobs shows the same as Redis, the scheduler and the apps."""

from __future__ import annotations

import re
from datetime import datetime

import pytest
from playwright.sync_api import Page, expect

from labctl.up.processes import wait_until
from tests.runtime.blocks.conftest import TASKS, Blocks
from tests.runtime.chat.conftest import MEMORY, Chat, fresh
from tests.runtime.conftest import Running
from tests.runtime.console.conftest import visit
from tests.runtime.console.tables import cell, row
from tests.runtime.jobs.conftest import APP, Jobs


@pytest.mark.lab("chat")
def test_a_memory_is_shown_as_encrypted(page: Page, lab: Running) -> None:
    chat, user, session = Chat(lab.stack, lab.apps, lab.http), fresh("user"), fresh("session")
    secret = fresh("my-dog-is-called")
    chat.say(user, f"I like {secret}", session)
    assert wait_until(lambda: secret in lab.http.get(lab.url(MEMORY, f"/memories/{user}")).text, 30)
    visit(page, f"/state?owner={MEMORY}&prefix=memory:")
    expect(row(page, "State stores", "statestore")).to_contain_text("encrypted with STATE_ENCRYPTION_KEY")
    drawn = page.get_by_role("region", name="Keys", exact=True).locator("tbody tr")
    expect(drawn.first).to_contain_text("encrypted with STATE_ENCRYPTION_KEY")
    page.get_by_label("Key begins with").fill(f"conversation:{session}")
    page.get_by_role("button", name="Look", exact=True).click()
    expect(page.get_by_text("2 keys.")).to_be_visible()
    for number in (0, 1):
        drawn.nth(number).get_by_role("button", name="Show value").click()
        dialog = page.get_by_role("dialog")
        expect(dialog).to_contain_text("encrypted with STATE_ENCRYPTION_KEY")
        assert secret not in page.content()
        dialog.get_by_role("button", name="Close").click()
        expect(dialog).to_have_count(0)


@pytest.mark.lab("blocks")
def test_a_task_has_the_etag_and_the_time_to_live_of_its_service(page: Page, lab: Running) -> None:
    blocks, title = Blocks(lab.stack, lab.apps, lab.http), fresh("task")
    task, version = blocks.create_task(title, expires_in=3_000)
    name = f"task-{task['id']}"
    page.goto(f"/state?owner={TASKS}&prefix={name}")
    expect(row(page, "Keys", name)).to_be_visible()
    assert f'"{cell(page, "Keys", "ETag", name).inner_text()}"' == version
    expect(cell(page, "Keys", "Expires in", name)).to_have_text(re.compile(r"^(50 min|49 min \d+ s)$"))
    changed = blocks.change(task["id"], version, status="done")
    expect(cell(page, "Keys", "ETag", name)).to_have_text(changed.headers["etag"].strip('"'))
    assert title not in page.content()
    page.get_by_role("button", name=f"Show value of {name}").click()
    expect(page.get_by_role("dialog")).to_contain_text(f'"title": "{title}"')
    page.keyboard.press("Escape")
    page.get_by_label("Key begins with").fill("no-such-key")
    page.get_by_role("button", name="Look", exact=True).click()
    expect(page.get_by_text("No keys.")).to_be_visible()


@pytest.mark.lab("jobs")
def test_a_job_is_listed_with_its_next_firing_and_then_its_run(page: Page, lab: Running) -> None:
    jobs = Jobs(lab.stack, lab.apps, lab.http)
    page.goto("/state")
    name = jobs.schedule(due_time="10s", schedule="@every 1h", repeats=2)
    expect(row(page, "Jobs", name, "@every 1h")).to_contain_text(APP)
    following = cell(page, "Jobs", "Next firing", name)
    expect(following).to_have_text(re.compile(r"^\d\d:\d\d:\d\d \(in \d+ s\)$"))
    announced = following.inner_text()[:8]
    fired = datetime.fromisoformat(jobs.wait_for_runs(name, 1)[0]["fired_at"]).astimezone()
    assert fired.strftime("%H:%M:%S") == announced
    expect(cell(page, "Jobs", "Fired", name)).to_have_text("1")
    expect(cell(page, "Jobs", "Left", name)).to_have_text("1")
    expect(following).to_have_text(re.compile(r"\(in (59 min \d+ s|1 h)\)$"))
    expect(row(page, "Last runs", name, "succeeded")).to_have_count(1)
    assert jobs.delete(name).is_success
    expect(row(page, "Jobs", name)).to_have_count(0)
