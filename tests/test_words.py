"""The package's own language: some words are refused in names, comments, docstrings and messages.

docs/glossary.md has the words of the field that are used instead.
"""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.source import FILES, docstrings, name_of, strings, text_of

REFUSED = {
    "tell, told": r"tells?|told|telling",
    "believe": r"believe[sd]?|believing",
    "hear": r"hears?|heard|hearing|deaf",
    "afresh, anew": r"afresh|anew",
    "for good": r"for good",
    "the way (a connection)": r"on (?:the|its|their|our) way",
    "drip": r"drips?|dripped|dripping",
    "door": r"doors?",
    "waist": r"waist",
    "house": r"house",
    "is no success": r"(?:is|are|was|were) no success(?:es)?",
}
"""Name -> regular expression of whole words, in any case."""

SUBJECTS = re.compile(r"(?:\A|\.\s+)(?:Who|What)\s(?![^.]*\?)")
"""A sentence with 'who …' or 'what …' as its subject: name the thing instead."""

FILE_INTERFACE = {"filesystem/files.py", "filesystem/wrapped.py", "objects/streamed_file.py"}
"""Files with a `tell()` of Python's file interface."""

WORD = re.compile(r"\b(?:" + "|".join(REFUSED.values()) + r")\b", re.IGNORECASE)


def comments_and_names(path: Path) -> Iterator[tuple[int, str]]:
    """(line, text) of every comment, and of every identifier with its words apart: 'is_told' -> 'is told'."""
    for token in tokenize.generate_tokens(io.StringIO(text_of(path)).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string
        elif token.type == tokenize.NAME and not (token.string == "tell" and name_of(path) in FILE_INTERFACE):
            yield token.start[0], apart(token.string)


def apart(text: str) -> str:
    """The words of identifiers: 'is_told' -> 'is told', 'isTold' -> 'is Told'."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text).replace("_", " ")


def refused_in(path: Path) -> list[str]:
    """'core/parts.py:12: told' for each word, 'core/parts.py:1: What … is the subject' for each such sentence."""
    found = set[str]()
    if WORD.search(text_of(path)) or WORD.search(apart(text_of(path))):  # if not in the whole, then in no piece of it
        places = [*comments_and_names(path), *strings(path), *docstrings(path)]
        found = {f"{name_of(path)}:{line}: {word[0]}" for line, text in places for word in WORD.finditer(text)}
    found |= {f"{name_of(path)}:{line}: {text[:40]!r}" for line, text in docstrings(path) if SUBJECTS.search(text)}
    return sorted(found)


def test_words_of_the_field() -> None:
    assert [place for path in FILES for place in refused_in(path)] == []


@pytest.mark.parametrize("text", ["it was told", "Believed", "done for good", "bytes on their way", "is no success"])
def test_refused_words_are_found(text: str) -> None:
    assert WORD.search(text)


@pytest.mark.parametrize("text", ["stellar", "the indoors", "in a way", "otherwise", "warehouse", "goods"])
def test_other_words_are_not(text: str) -> None:
    assert not WORD.search(text)


def test_names_are_taken_apart() -> None:
    assert WORD.search("is told") and SUBJECTS.search("What comes next.") and not SUBJECTS.search("What is next?")
