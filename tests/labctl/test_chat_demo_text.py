"""./lab demo chat shows messages letter for letter, even if they look like markup to Rich."""

from __future__ import annotations

from io import StringIO

import httpx
import pytest
from rich.console import Console

from labctl import runfile
from labctl.demos.chat import Story
from labctl.stack import TEST_OFFSET, Stack

STACK = Stack("test", TEST_OFFSET)
SAID, REPLY, SUMMARY = "Is [/b] the end of bold? :cat:", "Yes, of [b]bold[/b], [/i] of italics.", "Asks about [/b]."


def services(request: httpx.Request) -> httpx.Response:
    """Chat and memory, as far as one turn needs them."""
    if request.method == "POST":
        return httpx.Response(202, json={"instance_id": "chat-1"})
    if request.url.path.startswith("/chat/"):
        return httpx.Response(200, json={"status": "completed", "reply": REPLY, "error": None})
    if request.url.path.startswith("/conversations/"):
        said = [{"role": "user", "content": SAID}, {"role": "assistant", "content": REPLY}]
        return httpx.Response(200, json={"history": said})
    return httpx.Response(200, json={"user_summary": SUMMARY})


@pytest.mark.lab("chat")
def test_what_looks_like_markup_is_shown_as_it_is() -> None:
    shown = StringIO()
    story = Story(STACK, runfile.read_apps(STACK), Console(file=shown, width=200), auto=True)
    story.http = httpx.Client(transport=httpx.MockTransport(services))
    story.script = iter([SAID, "/quit"])
    story.play()
    story.tidy()
    assert f"Junaid: {SAID}" in shown.getvalue()
    assert f"user      {SAID}" in shown.getvalue()
    assert shown.getvalue().count(REPLY) == 2
    assert f"memory: {SUMMARY}" in shown.getvalue()
