"""What must never be committed."""

from __future__ import annotations

import re
from pathlib import Path

from tests.house.repository import ROOT, files, named, text

LARGEST = 500_000  # bytes
PICTURES, LARGEST_PICTURE = Path("docs/img"), 100_000

# In halves, so that this file does not name them.
REGISTRIES = [
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("registry", "npmjs", "org"),
        ("registry", "yarnpkg", "com"),
        ("proxy", "golang", "org"),
        ("sum", "golang", "org"),
        ("goproxy", "io"),
        ("crates", "io"),
        ("maven", "apache", "org"),
        ("maven", "org"),
        ("deb", "debian", "org"),
    )
]
MACHINE_PATH = re.compile(r"(?<![\w.~}/-])/(?:root|work|home/\w+|Users/\w+|private/var)(?:/|\b(?![\w-]))")


def lines_with(pattern: re.Pattern[str], *, without: tuple[Path, ...] = ()) -> list[str]:
    """Return where a pattern occurs, as file:line."""
    return [
        f"{path}:{number}: {line.strip()[:120]}"
        for path in files()
        if path not in without
        for number, line in enumerate(text(path).splitlines(), 1)
        if pattern.search(line)
    ]


def test_no_file_names_a_package_registry() -> None:
    assert lines_with(re.compile("|".join(re.escape(host) for host in REGISTRIES), re.IGNORECASE)) == []


def test_no_file_names_a_path_of_somebodys_machine() -> None:
    assert lines_with(MACHINE_PATH, without=(Path(__file__).relative_to(ROOT),)) == []


def test_a_machine_path_is_recognised_and_no_other() -> None:
    paths = ["/root/go", "cd /work/labs", '"/home/ada/x"', "(/Users/ada)", "=/root"]
    others = ["/workspaces/labs", "docs/work/x", "./root", "$HOME/work", "https://a.example/home/b"]
    assert [one for one in [*paths, *others] if MACHINE_PATH.search(one)] == paths


def test_no_lock_holds_addresses() -> None:
    forbidden = {"uv.lock", "pylock.toml", "poetry.lock", "Pipfile.lock", "yarn.lock", "pnpm-lock.yaml"}
    assert [str(path) for path in files() if path.name in forbidden] == []
    for path in named("package-lock.json", "npm-shrinkwrap.json"):
        assert '"resolved"' not in text(path), path


def is_picture(path: Path) -> bool:
    return path.parent == PICTURES and path.suffix == ".png"


def test_no_file_is_a_binary_but_the_pictures_of_the_console() -> None:
    assert [str(path) for path in files() if b"\0" in (ROOT / path).read_bytes() and not is_picture(path)] == []


def test_no_picture_is_large() -> None:
    large = [path for path in files() if is_picture(path) and (ROOT / path).stat().st_size > LARGEST_PICTURE]
    assert [str(path) for path in large] == []


def test_no_file_is_large() -> None:
    large = [path for path in files() if path.name != "go.sum" and (ROOT / path).stat().st_size > LARGEST]
    assert [str(path) for path in large] == []


def test_no_secret_is_committed() -> None:
    assert [str(path) for path in named(".env", "secrets.json", "*.pem", "*.key", "*.crt")] == []


def test_no_test_is_skipped_without_a_reason() -> None:
    skipped = re.compile(r"(?:mark\.(?:skip|xfail)|pytest\.(?:skip|xfail))(?!\w)(?!if\()(?!\((?=[^)]))")
    assert lines_with(skipped, without=(Path(__file__).relative_to(ROOT),)) == []
