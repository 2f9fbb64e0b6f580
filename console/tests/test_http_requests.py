"""The requests of the .http files: each file is read completely."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from console import requests
from console.requests import NotYet, Request, Unreadable
from labctl.stack import ROOT

FILES = sorted((ROOT / "requests").glob("*.http"))

TEXT = """\
# A comment
@app = http://localhost:8003
@jobs = {{app}}/jobs

### Schedule
# @name made
POST {{jobs}}/one?limit=2
content-type: application/json
x-id: {{$guid}}

{"due": "1s",

 "id": "{{made.items[0].id}}"}

# ?? status == 200
# ?? js response.parsedBody.url == {{app}}

### Get it
GET {{app}}/
"""


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_request_of_a_file_is_read(file: Path) -> None:
    text = file.read_text()
    found = requests.read(text)
    titles = [line[3:].strip() for line in text.splitlines() if line.startswith("###")]
    assert [one.title for one in found] == titles
    lines = re.findall(r"^(?:GET|PUT|POST|PATCH|DELETE) .*$", text, re.MULTILINE)
    assert [one.method for one in found] == [line.split()[0] for line in lines]
    for one in found:
        assert re.fullmatch(r"http://localhost:\d{4}/\S*", one.url), one
        assert "??" not in f"{one.url}{one.headers}{one.body}"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_nothing_of_a_body_is_lost(file: Path) -> None:
    """Each line of the file is a comment, an assertion, a variable, or in one of the requests."""
    found = requests.read(file.read_text())
    kept = {line for one in found for line in one.body.splitlines()}
    kept |= {f"{name}: {value}" for one in found for name, value in one.headers.items()}
    for line in file.read_text().splitlines():
        ours = line.startswith(("#", "@")) or not line.strip() or re.match("(GET|PUT|POST|PATCH|DELETE) ", line)
        assert ours or line in kept, line


def test_a_request_has_its_variables_its_headers_and_its_body() -> None:
    schedule, get = requests.read(TEXT)
    body = '{"due": "1s",\n\n "id": "{{made.items[0].id}}"}'
    headers = {"content-type": "application/json", "x-id": "{{$guid}}"}
    assert schedule == Request("Schedule", "POST", "http://localhost:8003/jobs/one?limit=2", headers, body, "made")
    assert get == Request("Get it", "GET", "http://localhost:8003/")


@pytest.mark.parametrize("text", ["stray\n", "### A\nPICK http://localhost/\n", "### A\nGET {{nobody}}/\n"])
def test_a_line_that_fits_nowhere_is_an_error(text: str) -> None:
    with pytest.raises(Unreadable):
        requests.read(text)


@pytest.mark.parametrize("rest", ["no header\n", "\n# ?? status == 200\nstray\n"])
def test_a_line_that_fits_nowhere_in_a_request_is_an_error(rest: str) -> None:
    with pytest.raises(Unreadable):
        requests.read(f"### A\nGET http://localhost/\n{rest}")


def test_ports_move_with_the_stack() -> None:
    assert requests.read(TEXT)[0].shifted(10_000).url == "http://localhost:18003/jobs/one?limit=2"


def test_a_part_of_an_answer_takes_its_place() -> None:
    schedule = requests.read(TEXT)[0]
    filled = schedule.filled({"made": {"items": [{"id": "a1"}]}})
    assert filled.body == '{"due": "1s",\n\n "id": "a1"}'
    assert re.fullmatch("[0-9a-f-]{36}", filled.headers["x-id"])
    with pytest.raises(NotYet, match="made"):
        schedule.filled({})
    with pytest.raises(NotYet, match="made"):
        schedule.filled({"made": {"items": []}})


def test_curl_sends_the_same() -> None:
    request = Request("A", "POST", "http://localhost:1/a?b=c", {"x-a": "it's"}, '{"a": 1}')
    expected = """curl -X POST -H 'x-a: it'"'"'s' --data-binary '{"a": 1}' 'http://localhost:1/a?b=c'"""
    assert request.curl() == expected
    assert Request("A", "GET", "http://localhost:1/").curl() == "curl http://localhost:1/"
    with_token = Request("A", "GET", "http://localhost:1/").curl("APP_API_TOKEN")
    assert with_token == 'curl -H "dapr-api-token: $APP_API_TOKEN" http://localhost:1/'
