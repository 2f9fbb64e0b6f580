"""What reads, types and compares the pages, on pages made up for it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs.checkout import environment
from tests.docs.http_files import asserting
from tests.docs.pages import read_blocks
from tests.docs.ports import OFFSET, from_stack, to_stack
from tests.docs.seen import NotSeen, compare
from tests.docs.terminals import FirstTerminal, Terminal

ENVIRONMENT = {"PATH": "/usr/local/bin:/usr/bin:/bin"}


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    terminal = Terminal(tmp_path, ENVIRONMENT, tmp_path / "scratch")
    yield terminal
    terminal.close()


@pytest.mark.parametrize(
    ("page", "real"),
    [
        ("Hello", "Hello\n"),
        ("a  b\n\nc", "a b\nc\n\n"),
        ("┃ app ┃ ready ┃\n━━━━", "┃ app   ┃ ready ┃\n━━━━━━━━━━━"),
        ("✓ redis <seconds> s", "… redis\n\x1b[32m✓\x1b[0m redis 0.1 s"),
        ('{"attempts":3,"elapsed_ms":<about 10000>}', '{"attempts":3,"elapsed_ms":10021.7}'),
        ("(pid <pid>) <uuid>", "(pid 17) 6f6f1f2e-9d5c-4b0e-8a51-0d2a1f0c7a11"),
        ("a.c [x] (y) *", "a.c [x] (y) *"),
        ('{"a":"1, 2","b":<ms>}', '{"a": "1, 2", "b": 7.5}'),
        ('{"at":"<time>","data":{"n":<about 100>}}', '{"at": "2026-01-02T03:04:05Z", "data": {"n": 101}}'),
    ],
)
def test_what_is_seen_is_what_the_page_shows(page: str, real: str) -> None:
    compare(page, real)


@pytest.mark.parametrize(
    ("page", "real"),
    [
        ("Hello", "Hallo"),
        ("Hello", "Hello\nand more"),
        ("Hello\nand more", "Hello"),
        ("a.c", "abc"),
        ('{"elapsed_ms":<about 10000>}', '{"elapsed_ms":5012.0}'),
        ('{"elapsed_ms":<about 10000>}', '{"elapsed_ms":15012.0}'),
        ("pid <pid>", "pid none"),
        ("pid <nonsense>", "pid 17"),
        ('{"a":"1, 2"}', '{"a":"1,2"}'),
        ('{"a":<ms>}', '{"a":"7"}'),
    ],
)
def test_what_is_seen_is_not_what_the_page_shows(page: str, real: str) -> None:
    with pytest.raises(NotSeen):
        compare(page, real)


def test_ports_are_those_of_the_stack_and_back() -> None:
    typed = "curl localhost:8002/x http://127.0.0.1:3502/y; DAPR_HTTP_PORT=3502 z; nc -p 6379; cat stacks/default/a"
    there = to_stack(typed)
    app, sidecar = 8002 + OFFSET, 3502 + OFFSET
    assert there == (
        f"curl localhost:{app}/x http://127.0.0.1:{sidecar}/y; DAPR_HTTP_PORT={sidecar} z; nc -p 6379; "
        f"cat stacks/docs-{OFFSET}/a"
    )
    assert from_stack(there) == typed
    shown = 'placement: port 50005, pid 7; {"port": 6379, "app_port": 8004}'
    assert from_stack(to_stack(shown)) == shown
    row = f" callee-app   http://localhost:{8001 + OFFSET}   /docs   {3501 + OFFSET}   5.2 s "
    assert from_stack(row) == " callee-app   http://localhost:8001   /docs   3501   5.2 s "
    assert from_stack(f'{{"elapsed_ms":{4501 + OFFSET}}}') == f'{{"elapsed_ms":{4501 + OFFSET}}}', "a time is no port"


def test_a_page_is_read_with_its_comments() -> None:
    page = (
        '<!-- run: in terminal 1 until "Ctrl-C stops" -->\n\n```bash\n./lab up\n```\n\nSeen:\n\n```text\nReady\n```\n\n'
        "1. and then\n\n   <!-- not run: there is no such host -->\n   ```bash\n   git clone x\n   ```\n\n"
        "<!-- run: fails with 7 -->\n```bash\nfalse\n```\n\n<!-- an ordinary comment -->\n```yaml\na: 1\n```\n"
    )
    up, seen, clone, fails, yaml = read_blocks(page)
    assert (up.until, up.is_run, seen.is_command) == ("Ctrl-C stops", True, False)
    assert (clone.is_command, clone.is_run, clone.words) == (True, False, "there is no such host")
    assert (fails.status, fails.text, yaml.directive) == (7, "false\n", "")


@pytest.mark.parametrize(
    "page",
    [
        "<!-- run: whenever -->\n```bash\nls\n```\n",
        "<!-- not run: a reason -->\n\nNo block.\n",
        "<!-- not run because I say so -->\n```bash\nls\n```\n",
        "<!-- run: fails with 1 -->\n<!-- not run: x -->\n```bash\nls\n```\n",
    ],
)
def test_a_comment_that_means_nothing_is_an_error(page: str) -> None:
    with pytest.raises(ValueError, match="line"):
        read_blocks(page)


def test_a_terminal_keeps_its_folder_and_variables(terminal: Terminal, tmp_path: Path) -> None:
    assert terminal.type("name=Ada\nmkdir there\ncd there\n") == ("", 0)
    said, status = terminal.type('echo "Hello, $name"\npwd >&2\n')
    assert (said, status) == (f"Hello, Ada\n{tmp_path}/there\n", 0)


def test_a_terminal_returns_the_first_failure_and_no_old_one(terminal: Terminal) -> None:
    assert terminal.type("(exit 3)\ntrue\n")[1] == 3
    assert terminal.type("false && true || true\nif false; then :; fi\ncat\n") == ("", 0)


def test_whose_model_a_reader_has_a_page_shows_the_offline_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("GEMINI_API_KEY", "OPENAI_API_KEY", "MODEL_ENGINE", "MODEL_NAME"):
        monkeypatch.setenv(name, "a reader's own")
    assert "a reader's own" not in environment(tmp_path).values()
    assert environment(tmp_path)["MODEL_ENGINE"] == "offline"


def test_the_first_terminal_runs_until_ctrl_c(tmp_path: Path) -> None:
    program = (
        "import signal,time\nprint('ready',flush=True)\ntry: time.sleep(60)\nexcept KeyboardInterrupt: print('bye')"
    )
    file = tmp_path / "program.py"
    file.write_text(program)
    first = FirstTerminal(f"{sys.executable} {file}", tmp_path, ENVIRONMENT, tmp_path / "scratch")
    try:
        assert first.wait_for("ready") == "ready\n"
        assert first.is_running()
        assert first.press_ctrl_c() == "bye\n"
        assert not first.is_running()
    finally:
        first.close()


def test_assertions_are_comments_until_httpyac_gets_them() -> None:
    text = "# A comment\nGET {{caller}}/x\n\n# ?? status == 200\n"
    assert asserting(text) == "# A comment\nGET {{caller}}/x\n\n?? status == 200\n"
