"""Every command of README.md and docs/ is typed on the real runtime, and shows what the page says it shows."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from filelock import FileLock

from labctl import runfile
from labctl.stack import Stack
from labctl.up import lifecycle
from labctl.up.processes import wait_until
from tests.docs import checkout
from tests.docs.pages import Page, Step, pages
from tests.docs.ports import STACK, from_stack, to_stack
from tests.docs.seen import NotSeen, compare
from tests.docs.terminals import FirstTerminal, Terminal


def _parameter(page: Page) -> object:
    marks = [pytest.mark.lab(page.lab)] if page.lab else []
    return pytest.param(page, id=str(page.path), marks=marks)


@pytest.mark.parametrize("page", [_parameter(page) for page in pages() if page.is_executed and page.steps])
def test_what_the_page_shows_is_what_is_seen(page: Page, nothing_left: None, tmp_path: Path) -> None:
    reader = Reader(page, checkout.copy(tmp_path / "labs"), tmp_path / "terminals")
    try:
        for step in page.steps:
            reader.does(step)
        assert wait_until(lambda: not reader.first_is_running(), 10), (
            "the page ends while its lab runs on: it has to say how to end it"
        )
    except BaseException:
        lifecycle.down(STACK)
        raise
    finally:
        reader.leaves()


class Reader:
    """A reader: types a page's commands in order, and compares."""

    def __init__(self, page: Page, folder: Path, scratch: Path, stack: Stack = STACK) -> None:
        self._page, self._folder, self._scratch, self._stack = page, folder, scratch, stack
        self._environment = checkout.environment(folder, stack)
        # The CLI knows an app by its id alone, on the whole machine. So only one reader at a time may run test-app.
        self._turn = FileLock(Path(tempfile.gettempdir()) / "dapr-labs-test-app.lock")
        if "--app-id test-app" in page.text:
            self._turn.acquire(timeout=200)
        self._second = Terminal(folder, self._environment, scratch)
        self._first: FirstTerminal | None = None
        self._secure = False

    def does(self, step: Step) -> None:
        """Type one block. Raise AssertionError, which names its line, if it fails or shows something else."""
        block = step.done
        where = f"{self._page.path}:{block.line}"
        if block.is_after_ctrl_c:
            assert self._first is not None, f"{where}: nothing runs in terminal 1"
            said, status = self._first.press_ctrl_c(), 0
        elif block.until:
            # After `dapr stop` it takes a moment to end.
            assert wait_until(lambda: not self.first_is_running(), 10), f"{where}: something runs in terminal 1 already"
            self._secure = "--secure" in block.text
            self._first = FirstTerminal(self._there(block.text.strip()), self._folder, self._environment, self._scratch)
            said, status = self._first.wait_for(block.until), 0
        else:
            said, status = self._second.type(self._there(block.text))
            self._update_copies()
        said = from_stack(said, secure=self._secure) if self._stack.offset else said
        assert status == block.status, f"{where}: exit status {status}\n{block.text}\n{said}"
        if step.seen:
            try:
                compare(step.seen.text, said)
            except NotSeen as difference:
                raise AssertionError(f"{self._page.path}:{step.seen.line}: {difference}") from None

    def _there(self, command: str) -> str:
        return to_stack(command, secure=self._secure) if self._stack.offset else command

    def _update_copies(self) -> None:
        """Change the copies of components/ that the stack's sidecars watch. A reader's watch the files themselves."""
        if not self._secure:
            for copies in (STACK.state / "run").glob("*-resources"):
                runfile.stack_resources(STACK, [self._folder / "components"], copies.name.removesuffix("-resources"))

    def first_is_running(self) -> bool:
        """Return whether a command is running in the first terminal."""
        return self._first is not None and self._first.is_running()

    def leaves(self) -> None:
        """Close both terminals. End every process that was started there and still runs, such as a `dapr run`."""
        self._second.close()
        if self._first:
            self._first.close()
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.environ().get("CURL_HOME") == self._environment["CURL_HOME"]:
                    process.kill()
        self._turn.release()
