"""The parts of the pages Map and App: layout, fault switches, log tails, shared looks, and sentences for errors."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Literal

import httpx
import pytest
from fastapi import FastAPI
from redis.exceptions import ConnectionError as NoRedis

from console.faults import of_openapi
from console.graph.layout import HEIGHT, WIDTH, arrange
from console.graph.scene import Node, Scene, state
from console.labs import Labs
from console.pages.map import NO_CALLS, NO_RECEIVER, hint
from console.shared import Shared
from console.spans.store import SpanStore
from console.tails import LINES, hide, last_lines
from console.trouble import sentence
from kit.edge import faults as kit_faults
from labctl import runfile
from labctl.errors import LabError
from labctl.spans import read
from labctl.stack import ROOT, Stack
from labctl.up.readiness import Status


def scene_of_all_labs() -> Scene:
    """Return a scene of every app, where each sees the components that the map has room for."""
    apps = [Node(app.app_id, "app", "ready", True, app.lab) for app in runfile.read_apps(Stack())]
    names = [f"component-{number}" for number in range(25)]
    sees = tuple((apps[number % len(apps)].name, name) for number, name in enumerate(names))
    control = [Node(name, "control", "runs") for name in ("engine", "redis", "placement", "scheduler", "sentry")]
    return Scene((*apps, *(Node(name, "component", "state.redis") for name in names), *control), sees)


@pytest.mark.parametrize("most", [1, 2, 14])
def test_no_box_of_the_map_covers_another(most: int) -> None:
    scene = scene_of_all_labs()
    scene = replace(scene, nodes=(*scene.nodes[:most], *scene.nodes[14:]))
    layout = arrange(scene)
    places = list(layout.places.values())
    assert len(places) == len(scene.nodes)
    for number, one in enumerate(places):
        assert WIDTH / 2 <= one.x <= layout.width - WIDTH / 2
        assert HEIGHT / 2 <= one.y <= layout.height - HEIGHT / 2
        for other in places[number + 1 :]:
            assert abs(one.x - other.x) >= WIDTH or abs(one.y - other.y) >= HEIGHT


@pytest.mark.parametrize(
    ("pid", "sidecar", "ready", "words"),
    [
        (1, 2, True, ("ready", True)),
        (1, 2, False, ("not ready", False)),
        (None, 2, False, ("app not running", False)),
        (1, None, False, ("sidecar not running", False)),
        (None, None, False, ("not running", False)),
    ],
)
def test_a_state_is_in_words(pid: int | None, sidecar: int | None, ready: bool, words: tuple[str, bool]) -> None:
    app = runfile.read_apps(Stack())[0]
    assert state(Status(app, pid, sidecar, ready)) == words


def test_the_switches_of_the_kit_are_read() -> None:
    app = FastAPI()
    app.include_router(kit_faults.router)
    (switch,) = of_openapi(app.openapi())
    assert (switch.path, switch.steps, switch.url("")) == ("/faults", (), "/faults")
    assert [(one.name, one.default) for one in switch.fields] == [("fail_next", 0), ("delay_ms", 0), ("status", 500)]
    assert of_openapi(FastAPI().openapi()) == []


def test_switches_for_steps_are_read() -> None:
    app = FastAPI()

    @app.put("/faults/{step}")
    async def set_fault(step: Literal["fetch", "save"], order: kit_faults.FaultOrder) -> None:
        """Set the faults of a step, as chat-service does."""

    (switch,) = of_openapi(app.openapi())
    assert switch.steps == ("fetch", "save")
    assert switch.url("save") == "/faults/save"


def test_a_tail_has_the_last_lines_and_no_secret(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_text(
        "".join(f"line {number} {'x' * 100}\n" for number in range(10_000)) + "token s3cret \udcff\n",
        "utf-8",
        "surrogateescape",
    )
    lines = hide(last_lines(log), ["s3cret"]).splitlines()
    assert len(lines) == LINES
    assert lines[0].startswith("line 9901 ")
    assert lines[-1] == "token … \ufffd"
    log.write_text("x" * 200_000)
    assert len(last_lines(log)) <= 60_000


def test_looks_at_the_same_moment_share_one_search() -> None:
    searches: list[int] = []

    async def search() -> int:
        searches.append(1)
        await asyncio.sleep(0.01)
        if len(searches) == 1:
            raise LabError("first")
        return len(searches)

    async def run() -> None:
        shared = Shared(60, search)
        failed = await asyncio.gather(shared.get(), shared.get(), return_exceptions=True)
        assert [str(error) for error in failed] == ["first", "first"]
        assert await asyncio.gather(shared.get(), shared.get()) == [2, 2]
        assert await shared.get() == 2

    asyncio.run(run())
    assert len(searches) == 2


def test_the_end_of_one_page_leaves_the_search_to_the_others() -> None:
    async def run() -> None:
        begun = asyncio.Event()

        async def search() -> str:
            begun.set()
            await asyncio.sleep(0.01)
            return "found"

        shared = Shared(60, search)
        closed, other = asyncio.create_task(shared.get()), asyncio.create_task(shared.get())
        await begun.wait()
        closed.cancel()
        assert await other == "found"

    asyncio.run(run())


@pytest.fixture
def labs() -> Labs:
    """The labs of a stack that does not run."""
    return Labs(Stack(name="console-tests", offset=20_000))


def test_a_map_without_calls_says_why(labs: Labs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("labctl.stack.HOME", tmp_path)
    store = SpanStore()
    assert hint(labs, store) == NO_RECEIVER
    config = labs.stack.state / "run" / "config.yaml"
    config.parent.mkdir(parents=True)
    config.write_text("spec: {tracing: {samplingRate: '1'}}")
    assert hint(labs, store) == NO_RECEIVER
    config.write_text((ROOT / "config" / "config.yaml").read_text())
    assert hint(labs, store) == NO_CALLS
    store.add([read({"traceId": f"{1:032x}", "id": f"{1:016x}"})])
    assert hint(labs, store) == ""


def test_an_error_is_a_sentence_with_the_way_out(labs: Labs) -> None:
    callee = labs.find("callee-app")
    refused = httpx.ConnectError("refused", request=httpx.Request("GET", f"{callee.url}/"))
    assert (
        sentence(labs, refused)
        == f"callee-app does not answer on port {callee.app_port}. Bring it back: ./lab restart callee-app"
    )
    late = httpx.ReadTimeout("late", request=httpx.Request("GET", f"http://127.0.0.1:{callee.http_port}/"))
    assert sentence(labs, late) == (
        f"The sidecar of callee-app took too long to answer on port {callee.http_port}. "
        "Bring it back: ./lab restart callee-app --sidecar"
    )
    request = httpx.Request("PUT", f"{callee.url}/faults")
    answer = httpx.Response(422, json={"title": "Unprocessable", "detail": "status: too large"}, request=request)
    refusal = httpx.HTTPStatusError("422", request=request, response=answer)
    assert sentence(labs, refusal) == "callee-app answered 422 to PUT /faults. status: too large"
    assert "./lab restart redis" in sentence(labs, NoRedis("refused"))
    assert sentence(labs, LabError("Read the log.")) == "Read the log."
    assert (
        sentence(labs, ZeroDivisionError("division"))
        == "The console failed here (ZeroDivisionError). Its log has the reason."
    )
