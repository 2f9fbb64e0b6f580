"""Read the requests of a .http file, as VS Code's REST Client and httpyac write them: requests/*.http.

Assertions (`?? …`) are left out. They are for the tests. No library reads this format in Python.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit, urlunsplit
from uuid import uuid4

_VARIABLE = re.compile(r"@([\w-]+) *= *(.*)")
_NAME = re.compile(r"# *@name +([\w-]+)")
_REQUEST_LINE = re.compile(r"(GET|HEAD|PUT|POST|PATCH|DELETE|OPTIONS) +(\S+)")
_HEADER = re.compile(r"([\w-]+): *(.*)")
_ASSERTION = re.compile(r"(# *)?\?\? ")
_PLACEHOLDER = re.compile(r"{{ *([^{}]+?) *}}")
_PATH_PART = re.compile(r"\.([\w-]+)|\[(\d+)\]")


class Unreadable(ValueError):
    """A line of a .http file that has no place in a request."""


class NotYet(LookupError):
    """A placeholder for a part of an answer that has not arrived yet. Its text is the name of the request to send."""


@dataclass(frozen=True)
class Request:
    """A request of a .http file. Its variables are resolved; `{{$guid}}` and parts of answers are left for `filled`.

    name: the name by which later requests refer to its answer, or nothing.
    """

    title: str
    method: str
    url: str
    headers: dict[str, str] = field(default_factory=dict[str, str])
    body: str = ""
    name: str = ""

    def shifted(self, offset: int) -> Request:
        """Return the request for a stack whose ports are this much higher than those of the plan."""
        parts = urlsplit(self.url)
        return replace(self, url=urlunsplit(parts._replace(netloc=f"{parts.hostname}:{(parts.port or 80) + offset}")))

    def filled(self, answers: Mapping[str, Any]) -> Request:
        """Return the request with a value in place of each placeholder. answers: JSON by name of its request.

        Raise NotYet when such an answer is missing.
        """
        headers = {name: _fill(value, answers) for name, value in self.headers.items()}
        return replace(self, url=_fill(self.url, answers), headers=headers, body=_fill(self.body, answers))

    def curl(self, token: str = "") -> str:
        """Return the command that sends the same. token: the shell variable that holds the token, if one is wanted."""
        words = ["curl"] if self.method == "GET" else ["curl", "-X", self.method]
        words += [word for name, value in self.headers.items() for word in ("-H", shlex.quote(f"{name}: {value}"))]
        words += ["-H", f'"dapr-api-token: ${token}"'] if token else []
        words += ["--data-binary", shlex.quote(self.body)] if self.body else []
        return " ".join([*words, shlex.quote(self.url)])


def read(text: str) -> list[Request]:
    """Return the requests of a .http file. Raise Unreadable for a line or a variable that fits nowhere."""
    first, *blocks = re.split(r"^###(?!#)", text, flags=re.MULTILINE)
    variables: dict[str, str] = {}
    for line in _lines(first):
        if not (found := _VARIABLE.fullmatch(line)):
            raise Unreadable(line)
        variables[found[1]] = _replace(found[2], variables)
    return [_request(block, variables) for block in blocks]


def _request(block: str, variables: Mapping[str, str]) -> Request:
    title, _, rest = block.partition("\n")
    # What follows the first assertion is no part of the request.
    lines = rest.split("\n")
    end = next((number for number, line in enumerate(lines) if _ASSERTION.match(line)), len(lines))
    if stray := [line for line in lines[end:] if line.strip() and not _ASSERTION.match(line)]:
        raise Unreadable(stray[0])
    head, _, body = "\n".join(lines[:end]).strip("\n").partition("\n\n")
    found = _NAME.search(head)
    request_line, *header_lines = _lines(head)
    if not (request := _REQUEST_LINE.fullmatch(request_line)):
        raise Unreadable(request_line)
    headers: dict[str, str] = {}
    for line in header_lines:
        if not (header := _HEADER.fullmatch(line)):
            raise Unreadable(line)
        headers[header[1]] = _replace(header[2], variables)
    url, body = (_replace(part, variables) for part in (request[2], body.strip("\n")))
    return Request(title.strip(), request[1], url, headers, body, found[1] if found else "")


def _lines(text: str) -> Iterator[str]:
    """Yield the lines that are neither empty nor a comment."""
    yield from (line for line in text.splitlines() if line.strip() and not line.startswith(("#", "//")))


def _replace(text: str, variables: Mapping[str, str]) -> str:
    """Replace the file's variables. What only a sent request has, stays: `{{$guid}}` and `{{name.path}}`."""

    def value(found: re.Match[str]) -> str:
        if found[1].startswith("$") or "." in found[1]:
            return found[0]
        if found[1] not in variables:
            raise Unreadable(found[0])
        return variables[found[1]]

    return _PLACEHOLDER.sub(value, text)


def _fill(text: str, answers: Mapping[str, Any]) -> str:
    def value(found: re.Match[str]) -> str:
        return str(uuid4()) if found[1] == "$guid" else _part_of(answers, found[1])

    return _PLACEHOLDER.sub(value, text)


def _part_of(answers: Mapping[str, Any], path: str) -> str:
    """Return the part of an answer that a path names, such as `letters.dead_letters[0].id`."""
    name = path.partition(".")[0]
    part: Any = answers.get(name)
    for key, number in _PATH_PART.findall(path[len(name) :]):
        try:
            part = part[key or int(number)]
        except (KeyError, IndexError, TypeError):
            raise NotYet(name) from None
    return part if isinstance(part, str) else json.dumps(part)
