"""Makes the pages of the manual that come from elsewhere: every option of every command, and three files of the root.

Used by mkdocs (`hooks` in mkdocs.yml) and by tests/docs. `python tools/reference.py` writes the page of options to
stdout. It reads the parser that `s3am` itself uses, so that no option can be missing.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
OPTIONS = "options.md"
ROOT_PAGES = {"changelog.md": "CHANGELOG.md", "contributing.md": "CONTRIBUTING.md", "security-policy.md": "SECURITY.md"}
"""Page of the manual -> file of the root that it shows."""
INTRODUCTION = """\
# Every option of every command

This page is made from the parser of `s3am` when the manual is built; `s3am COMMAND --help` prints the same, with
examples. [General options](#general-options) belong to every command and may stand before or after its name.
"""


def commands(parser: argparse.ArgumentParser, name: str) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """(name, parser) of the parser itself and of all commands below it: 's3am', 's3am upload', 's3am split start'."""
    yield name, parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            helps = {choice.dest: choice.help for choice in action._choices_actions}
            for word, below in action.choices.items():
                below.description = below.description or helps.get(word)
                yield from commands(below, f"{name} {word}")


def arguments(parser: argparse.ArgumentParser) -> list[argparse.Action]:
    """Options and positional arguments, in the order of the parser; without --help, commands and hidden options."""
    left_out = (argparse._HelpAction, argparse._SubParsersAction)
    return [a for a in parser._actions if not isinstance(a, left_out) and a.help != argparse.SUPPRESS]


def spelling(action: argparse.Action) -> str:
    """`--sse AES256|aws:kms`, `--part-size SIZE`, `SRC`."""
    value = str(action.metavar or "").strip()
    if not value and action.nargs != 0:
        value = "|".join(map(str, action.choices)) if action.choices else action.dest.upper()
    if not action.option_strings:
        return f"`{value or action.dest}`"
    return ", ".join(f"`{word} {value}`" if value else f"`{word}`" for word in action.option_strings)


def meaning(action: argparse.Action, prog: str) -> str:
    """The help text in one line, with its default; empty where the name says it all."""
    default = action.default
    text = (action.help or "") % {**vars(action), "prog": prog}
    shown = isinstance(default, (int, float, str)) and not isinstance(default, bool) and default != argparse.SUPPRESS
    if shown and default and "default" not in text:
        text += f" (default: {default})" if text else f"default: {default}"
    return " ".join(text.split())


def cell(text: str) -> str:
    return text.replace("|", "\\|")


def table(actions: list[argparse.Action], prog: str) -> str:
    rows = [f"| {cell(spelling(a))} | {cell(meaning(a, prog)).replace('<', '&lt;')} |" for a in actions]
    return "\n".join(["| option | meaning |", "|---|---|", *rows])


def prose(description: str) -> str:
    """The description of a command as Markdown: its paragraphs, and indented lines as they are."""
    paragraphs = []
    for paragraph in description.strip("\n").split("\n\n"):
        if paragraph.startswith("  "):
            paragraphs.append(f"```text\n{paragraph}\n```")
        else:
            paragraphs.append(" ".join(paragraph.split()).replace("<", "&lt;").replace("*", "\\*"))
    return "\n\n".join(paragraphs)


def options_page() -> str:
    """Markdown: a section for each command, a table of its own options; general options once."""
    from s3amfs.cli.main import build_parser

    top = build_parser()
    general = {word for action in arguments(top) for word in action.option_strings}
    sections = [INTRODUCTION, "## General options\n\n" + table(arguments(top), "s3am")]
    for name, parser in list(commands(top, "s3am"))[1:]:
        own = [a for a in arguments(parser) if not a.option_strings or not general.issuperset(a.option_strings)]
        parts = [f"## {name}" if name.count(" ") == 1 else f"### {name}"]
        if parser.description:
            parts.append(prose(parser.description))
        if own:
            parts.append(table(own, parser.prog))
        sections.append("\n\n".join(parts))
    return "\n\n".join(sections) + "\n"


def root_page(source: str) -> str:
    """A file of the root as a page of the manual: its links into docs/ stay inside, those to other root files too."""
    text = (ROOT / source).read_text(encoding="utf-8").replace("](docs/", "](")
    for page, name in ROOT_PAGES.items():
        text = text.replace(f"]({name}", f"]({page}")
    return text.replace("[Apache-2.0](LICENSE)", "Apache-2.0")


def pages() -> dict[str, str]:
    """Name of each made page -> its Markdown."""
    return {OPTIONS: options_page(), **{page: root_page(name) for page, name in ROOT_PAGES.items()}}


def on_files(files: Any, config: Any) -> Any:
    """mkdocs asks which files there are: the made pages are added."""
    from mkdocs.structure.files import File

    for name, text in pages().items():
        files.append(File.generated(config, name, content=text))
    return files


if __name__ == "__main__":
    sys.stdout.write(options_page())
