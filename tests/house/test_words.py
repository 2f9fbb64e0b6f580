"""Pages, docstrings, comments and log messages are plain English (words.py has the rules)."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.house import words

MARKDOWN = "page.md"
FILES = {"Python": words.python_files(), "pages": words.markdown_files()}


@pytest.mark.parametrize("kind", FILES)
def test_patterns_are_rare(kind: str) -> None:
    found = [one for path in FILES[kind] for one in words.prose(path)]
    places = words.counts(found)
    too_often = words.above_aim(places, words.words(found))
    assert too_often == [], "\n".join(str(one) for name in places for one in places[name])


@pytest.mark.parametrize("kind", FILES)
def test_docstrings_sentences_and_logs_keep_to_the_rules(kind: str) -> None:
    assert FILES[kind]
    assert [str(one) for path in FILES[kind] for one in words.faults(path)] == []


def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, text: str) -> Path:
    """Write a file to check and return its path below the root."""
    monkeypatch.setattr(words, "ROOT", tmp_path)
    words.prose.cache_clear()
    (tmp_path / name).write_text(text)
    return Path(name)


@pytest.mark.parametrize(
    ("docstring", "fits"),
    [
        ("Return the name.", True),
        ("Process it.", True),
        ("Feed the cat.", True),
        ("Returns the name.", False),
        ("The name.", False),
        ("Called by Dapr.", False),
        ("Making a name.", False),
        ("return the name.", False),
    ],
)
def test_a_docstring_starts_with_an_imperative_verb(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, docstring: str, fits: bool
) -> None:
    path = write(tmp_path, monkeypatch, "code.py", f'def f():\n    """{docstring}"""\n')
    assert (words.unfit_docstrings(path) == []) == fits


def test_properties_fixtures_and_tests_may_name_a_thing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = (
        'class A:\n    @property\n    def name(self):\n        """The name."""\n\n'
        '@pytest.fixture\ndef lab():\n    """The lab."""\n\ndef test_it():\n    """The lab is there."""\n'
    )
    assert words.unfit_docstrings(write(tmp_path, monkeypatch, "code.py", code)) == []


@pytest.mark.parametrize(
    ("call", "fits"),
    [
        ('log.info("order started", extra={"fields": {}})', True),
        ('log.warning(f"Simulating failure #{n}")', True),
        ('log.info("Order started")', False),
        ('log.info("order started.")', False),
        ('log.info("order %s started", order)', False),
        ('log.error(f"order {order} started")', False),
        ("log.error(str(error))", False),
        ('log.log(level, "order started")', True),
        ("log.log(level, detail)", False),
        ('math.log("Order started")', True),
    ],
)
def test_a_log_message_is_one_fixed_phrase(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, fits: bool
) -> None:
    assert (words.unfit_logs(write(tmp_path, monkeypatch, "code.py", call + "\n")) == []) == fits


@pytest.mark.parametrize(("name", "most"), [("code.py", 25), (MARKDOWN, 30)])
def test_a_sentence_has_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, most: int) -> None:
    def page(number: int) -> str:
        sentence = "Word " * (number - 1) + "end. Next."
        return sentence if name == MARKDOWN else f'"""{sentence}"""\n'

    assert words.long_sentences(write(tmp_path, monkeypatch, name, page(most))) == []
    assert len(words.long_sentences(write(tmp_path, monkeypatch, name, page(most + 1)))) == 1


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One. Two? Three! 4 more.", 4),
        ('He said "stop." Then it ended.', 2),
        ("Version 1.18.1 of main.py, e.g. this.", 1),
        ("A list:\n\n- one\n- two", 2),
    ],
)
def test_text_is_split_into_sentences(text: str, sentences: int) -> None:
    assert len(words.Prose(Path(), 1, text).sentences) == sentences


def test_prose_is_found_where_people_read_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = '"""Module."""\n\n# First line\n# and second.\nx = "# no comment"  # noqa: E501\ny = 1  # Trailing.\n'
    found = words.prose(write(tmp_path, monkeypatch, "code.py", code))
    assert [one.text for one in found] == ["Module.", "First line\nand second.", "Trailing."]
    page = "# Head\n\nText with `code` and [a link](x.md).\n\n```bash\nwho\n```\n\n| a | b |\n|---|---|\n| c | d |\n"
    found = words.prose(write(tmp_path, monkeypatch, MARKDOWN, page))
    assert [one.text for one in found] == ["Head", "Text with CODE and a link.", "a", "b", "c", "d"]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("What is done.", "what is, was, has, it, they, of"),
        ("An event that came late.", "come, comes, came"),
        ("Telling it.", "tell, tells, told, telling"),
        ("Whoever asks.", "who, whoever, whom, whatever"),
        ("It ends by\nitself.", "by itself, of its own"),
        ("Undoes it.", "undo, undone"),
        ("Begun once more.", "meanwhile, so many, once more, anew"),
    ],
)
def test_a_pattern_is_counted_and_too_many_are_above_the_aim(text: str, name: str) -> None:
    found = [words.Prose(Path("a.py"), 1, text)] * 2
    places = words.counts(found)
    assert {key for key, hits in places.items() if hits} == {name}
    assert len(words.above_aim(places, 2000)) == 1
    assert words.above_aim(places, 100_000) == []
    assert words.above_aim(words.counts(found[:1]), 10) == []
