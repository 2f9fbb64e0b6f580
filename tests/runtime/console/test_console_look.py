"""How each page looks and is reached: narrow and wide, light and dark, by keyboard, and for screen readers."""

from __future__ import annotations

import json
import re
import struct
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from labctl import runfile
from labctl.stack import ROOT
from labctl.up.processes import wait_until
from tests import npm
from tests.runtime.conftest import ConsoleProcess, Running, apps_of, heal
from tests.runtime.console.conftest import opened, visit
from tests.runtime.pizza.conftest import KITCHEN, WORKFLOW, Pizza

HERE = Path(__file__).parent
NARROW, WIDE = {"width": 390, "height": 844}, {"width": 1400, "height": 900}
PICTURES = ROOT / "docs" / "img"
OF_THE_WIDTH = ("scrollable-region-focusable",)  # rules of axe-core
LARGEST = 100_000  # bytes of a picture
pytestmark = pytest.mark.lab("pizza")


@pytest.fixture
def paths(lab: Running, console: ConsoleProcess) -> dict[str, str]:
    """The path of a page of each kind. An order waits for its approval, with its trace."""
    return _paths(lab, console)


def _paths(lab: Running, console: ConsoleProcess) -> dict[str, str]:
    pizza = Pizza(lab.stack, lab.apps, lab.http)
    order = pizza.order()
    pizza.until(order, "validate_pizza")

    def trace() -> str:
        """Return the id of the order's trace, once it has the step that was just done."""
        traces = lab.http.get(f"{console.spans}/traces", params={"limit": 100}).json()
        return next((one[0]["traceId"] for one in traces if {order, "cook_pizza"} <= words(one)), "")

    assert wait_until(lambda: trace() != "", 20)
    return {
        "map": "/",
        "map of a lab": "/?lab=pizza",
        "app": f"/apps/{KITCHEN}",
        "traces": "/traces",
        "trace": f"/traces/{trace()}",
        "workflows": "/workflows",
        "workflow": f"/workflows/{WORKFLOW}/pizza-order-{order}",
        "events": "/events",
        "topic": "/events/pizzapubsub/orders",
        "state": "/state",
        "labs": "/labs",
        **{name: f"/labs/{name}" for name in ("invocation", "chat", "pizza")},
    }


def words(trace: list[dict[str, Any]]) -> set[str]:
    """Return what the spans of a trace name: steps, and orders."""
    return set(re.findall(r"[\w-]+", json.dumps(trace).replace("pizza-order-", "")))


def ask(page: Page, question: str) -> Any:
    """Return the answer of a function of look.js."""
    return page.evaluate(f"{(HERE / 'look.js').read_text().strip()}.{question}()")


@pytest.fixture(scope="session")
def axe() -> str:
    """The program of axe-core, for every page that is opened."""
    return (npm.install(HERE / "axe") / "axe-core" / "axe.min.js").read_text()


def barriers(page: Page, *rules: str) -> list[str]:
    """Return what axe-core finds that is serious, by these of its rules or by all: rule and element."""
    # Quasar fades from light to dark, and a colour on its way is none of the page.
    fades = "document.getAnimations().filter(one => one instanceof CSSTransition)"
    page.evaluate(f"() => Promise.allSettled({fades}.map(one => one.finished))")
    chosen = {"resultTypes": ["violations"]} | ({"runOnly": list(rules)} if rules else {})
    found = page.evaluate("chosen => axe.run(document, chosen)", chosen)["violations"]
    return [
        f"{one['id']}: {node['html'][:200]}"
        for one in found
        if one["impact"] in ("serious", "critical")
        for node in one["nodes"]
    ]


def test_each_page_can_be_used_by_all_at_any_width(page: Page, paths: dict[str, str], axe: str) -> None:
    wrong: dict[str, list[str]] = {}
    page.add_init_script(axe)
    for name, path in paths.items():
        page.set_viewport_size(WIDE)
        page.emulate_media(color_scheme="light")
        visit(page, path)
        wrong[f"{name}, light"] = barriers(page) + ask(page, "overlapping")
        page.emulate_media(color_scheme="dark")
        expect(page.locator("body.body--dark")).to_be_attached()
        wrong[f"{name}, dark"] = barriers(page, "color-contrast")
        page.set_viewport_size(NARROW)
        too_wide = [f"{ask(page, 'tooWide')} pixels too wide"] if ask(page, "tooWide") > 0 else []
        wrong[f"{name}, narrow"] = barriers(page, *OF_THE_WIDTH) + ask(page, "overlapping") + too_wide
    assert {where: what for where, what in wrong.items() if what} == {}


def test_tab_reaches_each_link_and_button(page: Page, paths: dict[str, str]) -> None:
    missed: dict[str, set[str]] = {}
    for name in ("map", "app", "workflow", "events", "chat"):
        visit(page, paths[name])
        ask(page, "follow")
        before = set(ask(page, "controls"))
        for _ in range(len(before) + 40):  # fields and tables are reached too
            page.keyboard.press("Tab")
        # A control that the page has removed since is left out.
        missed[name] = (before & set(ask(page, "controls"))) - set(ask(page, "reached"))
    assert {name: controls for name, controls in missed.items() if controls} == {}


def test_the_focus_is_seen_and_enter_presses(page: Page, lab: Running) -> None:
    faults = lab.url(KITCHEN, "/faults")
    lab.http.put(faults, json={"fail_next": 5}).raise_for_status()
    visit(page, f"/apps/{KITCHEN}")
    button = page.get_by_role("button", name="Turn all faults off")
    link = page.get_by_role("navigation").get_by_role("link", name="Traces")
    for control in (button, link):
        control.scroll_into_view_if_needed()
        page.mouse.move(0, 0)
        before = control.screenshot(animations="disabled")
        focus_by_keyboard(page, control.evaluate_handle("element => element"))
        assert control.screenshot(animations="disabled") != before
        page.keyboard.press("Enter")
        if control is button:
            assert wait_until(lambda: lab.http.get(faults).json()["fail_next"] == 0, 10)
    expect(page.get_by_role("heading", level=1, name="Traces")).to_be_visible()


def focus_by_keyboard(page: Page, element: Any) -> None:
    """Press Tab until this element has the focus."""
    for _ in range(200):
        page.keyboard.press("Tab")
        if page.evaluate("element => document.activeElement === element", element):
            return
    raise AssertionError("Tab does not reach it")


# The pictures of README.md and of the pages: `./lab test tests/runtime/console/test_console_look.py --screenshots`.
SHOWN = {"map of a lab": "console-map.png", "trace": "console-trace.png", "workflow": "console-workflow.png",
         "pizza": "console-labs.png"}  # fmt: skip


@pytest.fixture
def drawn(request: pytest.FixtureRequest, browser: Browser, console: ConsoleProcess) -> None:
    """Draw the pictures again if that was asked for, with all labs up."""
    if request.config.getoption("--screenshots"):
        lab: Running = request.getfixturevalue("lab")
        for name in runfile.labs(runfile.read_apps(lab.stack)):
            heal(Running(lab.stack, apps_of(name), lab.http), name)
        paths = _paths(lab, console)
        with opened(browser, console, viewport={"width": 1180, "height": 640}, color_scheme="light") as page:
            for name, file in SHOWN.items():
                visit(page, paths[name])
                if name == "workflow":
                    page.get_by_role("heading", name="History").evaluate("heading => heading.scrollIntoView()")
                page.screenshot(path=PICTURES / file, animations="disabled")


@pytest.mark.parametrize("file", SHOWN.values())
def test_a_picture_is_small_and_shown(drawn: None, file: str) -> None:
    content = (PICTURES / file).read_bytes()
    assert content.startswith(b"\x89PNG")
    assert len(content) < LARGEST
    width, _ = struct.unpack(">II", content[16:24])
    assert width >= 1000
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    assert [page.name for page in pages if f"img/{file})" in page.read_text() or f'img/{file}"' in page.read_text()]
