"""The manual: every option has its line, every page its place, links resolve, words are the field's.

Blocks of code are run by test_blocks.py.
"""

from __future__ import annotations

import argparse
import pkgutil
import re
import unicodedata
from pathlib import Path
from urllib.parse import unquote

import pytest

from s3amfs import errors
from s3amfs.cli.main import build_parser
from s3amfs.wire.curl.options import CA_VARIABLES
from tests.support.source import tool
from tests.test_words import WORD

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")


PAGES: dict[str, str] = {path.name: path.read_text(encoding="utf-8") for path in DOCS.glob("*.md")} | tool(
    "reference"
).pages()


def parsers(parser: argparse.ArgumentParser, name: str) -> dict[str, argparse.ArgumentParser]:
    """Command -> parser, found without the code that makes the page."""
    found = {name: parser}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for word, below in action.choices.items():
                found |= parsers(below, f"{name} {word}")
    return found


def section(page: str, title: str) -> str:
    """What stands below the heading `title`, up to the next one."""
    found = re.search(rf"^#+ {re.escape(title)}\n(.*?)(?=^#+ |\Z)", page, re.DOTALL | re.MULTILINE)
    assert found is not None, f"no section {title}"
    return found[1]


@pytest.mark.parametrize("command", sorted(parsers(build_parser(), "s3am")))
def test_every_option_is_on_the_page(command: str) -> None:
    page = PAGES["options.md"]
    general = section(page, "General options")
    text = general if command == "s3am" else section(page, command) + general
    for action in parsers(build_parser(), "s3am")[command]._actions:
        for word in action.option_strings:
            if word not in ("-h", "--help") and action.help != argparse.SUPPRESS:
                assert re.search(rf"`{re.escape(word)}[ `]", text), f"{command} {word}"


def test_every_option_has_a_meaning() -> None:
    rows = [line for line in PAGES["options.md"].splitlines() if line.startswith("| `-")]
    assert rows and [row for row in rows if row.endswith("|  |")] == []


def test_every_variable_is_on_the_page_of_configuration() -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "s3amfs").rglob("*.py"))
    names = set(re.findall(r"environ(?:\.get\(|\[)\s*\"(\w+)\"", code)) | set(CA_VARIABLES)
    assert {"S3AM_STATE_DIR", "CURL_CA_BUNDLE"} <= names
    assert [name for name in names - {"PATH"} if f"`{name}`" not in PAGES["configuration.md"]] == []


def test_every_event_is_on_the_page_of_json() -> None:
    """Events that commands print as they are: their line of the table, and their name in the schema."""
    code = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "s3amfs").rglob("*.py"))
    names = set(re.findall(r'"event": "(\w+)"', code))
    assert {"result", "status", "split"} <= names
    assert [name for name in names if not re.search(rf"^\| [^|]*`{name}`", PAGES["json.md"], re.MULTILINE)] == []
    assert [name for name in names if f'"{name}"' not in PAGES["json.md"]] == []


def test_every_exit_code_is_on_its_page() -> None:
    codes = {one.exit_code for one in vars(errors).values() if isinstance(one, type) and hasattr(one, "exit_code")}
    assert [code for code in codes if f"| {code} |" not in PAGES["errors.md"]] == []


def test_every_cell_of_the_page_is_one_row() -> None:
    rows = [line for line in PAGES["options.md"].splitlines() if line.startswith("|")]
    assert [row for row in rows if len(re.findall(r"(?<!\\)\|", row)) != 3] == []


def test_navigation_lists_every_page_once() -> None:
    configuration = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    navigation = configuration[configuration.index("\nnav:") : configuration.index("\nvalidation:")]
    assert sorted(re.findall(r"[\w-]+\.md", navigation)) == sorted(PAGES)


@pytest.mark.parametrize("name", re.findall(r"^::: (\S+)", PAGES["api.md"], re.MULTILINE))
def test_names_of_the_python_api_exist(name: str) -> None:
    assert pkgutil.resolve_name(name).__doc__


def slug(heading: str) -> str:
    """The id that a heading gets: the rule of Python-Markdown's toc extension."""
    text = unicodedata.normalize("NFKD", heading).encode("ascii", "ignore").decode()
    return re.sub(r"[-\s]+", "-", re.sub(r"[^\w\s-]", "", text).strip().lower())


def anchors(text: str) -> set[str]:
    headings = re.findall(r"^#+ +(.+?) *$", re.sub(r"```.*?```", "", text, flags=re.DOTALL), re.MULTILINE)
    return {slug(re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)) for heading in headings}


@pytest.mark.parametrize("name", sorted(PAGES))
def test_links_resolve(name: str) -> None:
    for target in LINK.findall(re.sub(r"```.*?```", "", PAGES[name], flags=re.DOTALL)):
        if "://" in target:
            continue
        page, _, anchor = unquote(target).partition("#")
        assert not page or page in PAGES or (DOCS / page).suffix == ".svg", f"{name}: {target}"
        assert (DOCS / page).suffix != ".svg" or (DOCS / page).exists(), f"{name}: {target}"
        assert not anchor or anchor in anchors(PAGES[page or name]), f"{name}: {target}"


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"])
def test_links_of_the_root_resolve(name: str) -> None:
    for target in LINK.findall((ROOT / name).read_text(encoding="utf-8")):
        assert "://" in target or (ROOT / target.partition("#")[0]).exists(), target


def helps() -> str:
    """The help of every command, as it is printed."""
    return "\n".join(parser.format_help() for parser in parsers(build_parser(), "s3am").values())


PROSE = {**PAGES, "README.md": (ROOT / "README.md").read_text(encoding="utf-8"), "--help": helps()}
SENTENCE_OF_WHAT = re.compile(r"(?:^(?:[-|] )?(?:\*\*)?|[.:] |\| )(?:Who|What) (?![^.|]*\?)", re.MULTILINE)
"""A sentence with 'what …' or 'who …' as its subject; questions are none."""


@pytest.mark.parametrize("name", sorted(set(PROSE) - {"glossary.md"}))
def test_words_of_the_field(name: str) -> None:
    """Words that tests/test_words.py refuses in code are refused in the manual; the glossary quotes some."""
    prose = re.sub(r"```.*?```|`[^`\n]*`", "", PROSE[name], flags=re.DOTALL)
    assert [line for line in prose.splitlines() if WORD.search(line)] == []
    assert SENTENCE_OF_WHAT.findall(prose) == [], [m.group() for m in SENTENCE_OF_WHAT.finditer(prose)]
