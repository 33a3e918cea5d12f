"""Options that commands over trees share: filters in the order of the command line, limits of deletions."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..core.deletions import parse_max_delete
from ..core.filters import Filters, Rule, parse_rules
from ..errors import UsageError
from .options import checked

if TYPE_CHECKING:
    from collections.abc import Callable

max_delete = checked(parse_max_delete)


class _AddRule(argparse.Action):
    """Appends to one list, so that the order of the command line is kept over all filter options."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option: str | None = None
    ) -> None:
        rules = list(getattr(namespace, "rules", None) or ())
        if self.const == "file":
            rules += _rules_of(values)
        else:
            if not values:
                raise argparse.ArgumentError(self, "the pattern is empty")
            rules.append(Rule(self.const == "include", values))
        namespace.rules = rules


def _rules_of(path: str) -> Sequence[Rule]:
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as file:
            return parse_rules(file.read(), path)
    except OSError as error:
        raise UsageError(f"the filter file {path} can't be read: {error.strerror}") from None


def add_filters(parser: argparse.ArgumentParser) -> None:
    """--exclude, --include, --filter-from."""
    group = parser.add_argument_group(
        "filters", "In the order given, the last that matches decides. A pattern without / matches a name at any depth."
    )
    _add(group.add_argument, "--exclude", "exclude", "GLOB", "leave out what matches, and all below it")
    _add(group.add_argument, "--include", "include", "GLOB", "take what matches in again")
    _add(group.add_argument, "--filter-from", "file", "FILE", "lines of '+ GLOB' and '- GLOB'")


def _add(add: Callable[..., object], option: str, const: str, metavar: str, text: str) -> None:
    add(option, metavar=metavar, action=_AddRule, const=const, dest="rules", default=None, help=text)


def filters_of(args: argparse.Namespace) -> Filters:
    """The filters in their order."""
    return Filters(args.rules or ())
