from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3amfs.core.filters import Filters, Rule, compile_glob, glob_of, parse_rules
from s3amfs.errors import UsageError


def filters(*words: str) -> Filters:
    return Filters(Rule(word[0] == "+", word[1:]) for word in words)


@pytest.mark.parametrize(
    ("rules", "key", "included"),
    [
        ((), "a/b", True),
        (("-*.tmp",), "a/b/c.tmp", False),
        (("-*.tmp",), "c.tmp/x", False),  # a folder above it matches
        (("-/*.tmp",), "a/c.tmp", True),  # anchored
        (("-/*.tmp",), "c.tmp", False),
        (("-a/*",), "a/b", False),
        (("-a/*",), "x/a/b", True),
        (("-a/*",), "a/b/c", False),
        (("-a/*.txt",), "a/b/c.txt", True),  # '*' stops at a slash
        (("-a/**.txt",), "a/b/c.txt", False),
        (("-a/**/c",), "a/c", False),
        (("-**/c",), "c", False),
        (("-a?c",), "abc", False),
        (("-/a?c",), "a/c", True),
        (("-[ab]x",), "bx", False),
        (("-[!ab]x",), "bx", True),
        (("-[!ab]x",), "cx", False),
        (("-*", "+*.txt"), "a/b.txt", True),
        (("-*", "+*.txt"), "a/b.jpg", False),
        (("+*.txt", "-*"), "a/b.txt", False),  # the last that matches decides
        (("-a", "+a/keep"), "a/keep", True),
        (("-a", "+a/keep"), "a/other", False),
        (("-d/",), "d", True),  # a folder only
        (("-d/",), "d/x", False),
        (("-d/",), "d/", False),
    ],
)
def test_rules(rules: tuple[str, ...], key: str, included: bool) -> None:
    assert filters(*rules).includes(key) is included


def test_an_excluded_folder_need_not_be_read_unless_something_below_may_come_back() -> None:
    assert not filters("-private").may_include_below("private/")
    assert not filters("-private").may_include_below("a/private/")
    assert filters("-private", "+private/a/b").may_include_below("private/")
    assert not filters("-private", "+other/a").may_include_below("private/")
    assert filters("-*", "+*.txt").may_include_below("any/")
    assert not filters("+x/y", "-private").may_include_below("private/")


PIECES = st.text("ab.*", min_size=1, max_size=3)
KEYS = st.lists(st.text("ab.", min_size=1, max_size=3), min_size=1, max_size=4).map("/".join)
PATTERNS = st.lists(PIECES, min_size=1, max_size=3).map("/".join)
RULES = st.lists(st.builds(Rule, st.booleans(), PATTERNS), max_size=4)


@given(RULES, KEYS)
def test_what_takes_part_is_below_folders_that_are_read(rules: list[Rule], key: str) -> None:
    found = Filters(rules)
    if found.includes(key):
        folders = [key[: match.end()] for match in re.finditer("/", key)]
        assert all(found.may_include_below(folder) for folder in folders)


@given(RULES, KEYS)
def test_the_last_rule_that_matches_decides(rules: list[Rule], key: str) -> None:
    matching = [rule.include for rule in rules if not Filters([Rule(False, rule.pattern)]).includes(key)]
    assert Filters(rules).includes(key) is (matching[-1] if matching else True)


@given(st.text())
def test_a_pattern_without_special_characters_matches_itself(text: str) -> None:
    if not set("*?[") & set(text):
        assert compile_glob(text).fullmatch(text)


def test_filter_files() -> None:
    assert parse_rules("# no\n\n+ *.txt\n-  a b\n", "f") == [Rule(True, "*.txt"), Rule(False, "a b")]
    assert parse_rules("+ a\r\n  - b \t\r\n", "f") == [Rule(True, "a"), Rule(False, "b")]
    odd = "a\u2028- b\x85c\x0b+ d\u3000"
    assert parse_rules(f"- {odd}\n", "f") == [Rule(False, odd)], "a name may contain what Unicode calls a line break"
    for wrong in ("*.txt", "+", "+x", "? a"):
        with pytest.raises(UsageError, match="line 1"):
            parse_rules(wrong, "f")


def test_globs_of_urls() -> None:
    assert glob_of("plain/key") is None
    found = glob_of("logs/2026/**/*.gz")
    assert found is not None
    assert (found.prefix, found.root) == ("logs/2026/", "logs/2026/")
    assert found.matches("logs/2026/a.gz")
    assert found.matches("logs/2026/1/2/a.gz")
    assert not found.matches("logs/2027/a.gz")
    partly = glob_of("logs/20*")
    assert partly is not None
    assert (partly.prefix, partly.root) == ("logs/20", "logs/")
    assert not partly.matches("logs/2026/x")


@pytest.mark.parametrize(
    ("glob", "matches", "others"),
    [
        ("[a]", "a", "b["),
        ("[]a]", "]a", "b"),
        ("[!]a]", "b", "]a"),
        ("[^]]", "b", "]"),
        ("[-a]", "-a", "b"),
        ("[a-]", "a-", "b"),
        ("[a-a]", "a", "b-"),
        ("[a-cx]", "abcx", "d-"),
        ("[xa-c]", "abcx", "d-"),
        ("[c-a]", "", "abc-"),
        ("[!c-a]", "abc-", "/"),
        ("[!a]", "b", "a/"),
        ("[a/]", "a", "/"),
        ("?", "a[", "/"),
    ],
)
def test_classes_of_characters(glob: str, matches: str, others: str) -> None:
    pattern = compile_glob(glob)
    assert [one for one in matches if not pattern.fullmatch(one)] == []
    assert [one for one in others if pattern.fullmatch(one)] == []


@pytest.mark.parametrize(
    ("glob", "key"), [("[", "["), ("[]", "[]"), ("[!]", "[!]"), ("a[b", "a[b"), ("x[]y", "x[]y"), ("[^]", "[^]")]
)
def test_a_class_that_does_not_end_is_text(glob: str, key: str) -> None:
    assert compile_glob(glob).fullmatch(key)


@pytest.mark.parametrize(
    ("pattern", "folder", "may"),
    [
        ("keep", "private/", True),
        ("/keep", "private/", False),
        ("/private/x", "private/", True),
        ("private/*/x", "private/a/", True),
        ("private/*/x", "private/a/b/", False),
        ("other/**", "private/", False),
        ("priv*/**", "private/", True),
        ("private/a/**", "private/", True),
        ("private/**", "private/a/b/c/", True),
    ],
)
def test_folders_below_which_something_may_come_back(pattern: str, folder: str, may: bool) -> None:
    assert filters("-private", "-/private/**", f"+{pattern}").may_include_below(folder) is may
