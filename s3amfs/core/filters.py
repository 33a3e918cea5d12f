"""Which keys of a tree take part: one ordered list of patterns, and globs in S3 URLs. Pure.

`*` and `?` stop at a slash, `**` does not; `[…]` is one character that is no slash. A pattern without a slash matches a
name at any depth, one with a slash is anchored at the root of the tree. It matches an entry if it matches the entry or
a folder above it; of a list of rules the last that matches decides, and what none matches takes part.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from ..errors import UsageError
from .define import define

_GLOB = re.compile(r"[*?\[]")
_BLANKS = " \t\r"


@define(frozen=True, slots=True)
class Rule:
    """One `--include` or `--exclude`."""

    include: bool
    pattern: str


class Filters:
    """An ordered list of rules."""

    def __init__(self, rules: Iterable[Rule] = ()) -> None:
        self.rules = tuple(rules)
        self._compiled = [(rule.include, _Pattern(rule.pattern)) for rule in self.rules]

    def __bool__(self) -> bool:
        return bool(self._compiled)

    def includes(self, key: str) -> bool:
        """Whether `key` takes part; a folder's key ends in '/'."""
        return self._decide(key)[0]

    def may_include_below(self, folder: str) -> bool:
        """Whether any key below `folder` (ends in '/') may take part; False: it need not be read at all."""
        included, position = self._decide(folder)
        if included:
            return True
        later = self._compiled[position + 1 :]
        return any(include and pattern.may_match_below(folder) for include, pattern in later)

    def _decide(self, key: str) -> tuple[bool, int]:
        for position in range(len(self._compiled) - 1, -1, -1):
            include, pattern = self._compiled[position]
            if pattern.matches(key):
                return include, position
        return True, -1


NO_FILTERS = Filters()


def parse_rules(text: str, what: str) -> list[Rule]:
    """The rules of a filter file: `+ GLOB` or `- GLOB` a line; `#` and blank lines are skipped. Raises UsageError.

    Lines end with a line feed only: names may contain what else Unicode calls a line break or a blank.
    """
    rules = []
    for number, line in enumerate(text.split("\n"), start=1):
        stripped = line.strip(_BLANKS)
        if not stripped or stripped.startswith("#"):
            continue
        sign, pattern = stripped[0], stripped[1:].strip(_BLANKS)
        if sign not in "+-" or not pattern or stripped[1] not in _BLANKS:
            raise UsageError(f"{what}, line {number}: {stripped!r} is not a filter: write '+ GLOB' or '- GLOB'")
        rules.append(Rule(sign == "+", pattern))
    return rules


class _Pattern:
    def __init__(self, text: str) -> None:
        self._folders_only = text.endswith("/") and text.strip("/") != ""
        self._anchored = "/" in text
        bare = text.removeprefix("/").removesuffix("/") if self._anchored else text
        self._regex = compile_glob(bare)
        self._start = bare[: match.start()] if (match := _GLOB.search(bare)) is not None else bare
        self._deep = "**" in bare
        self._depth = bare.count("/")

    def matches(self, key: str) -> bool:
        pieces = key.split("/")
        is_folder = key.endswith("/") and len(pieces) > 1
        if is_folder:
            pieces.pop()
        last = len(pieces) - 1
        full = self._regex.fullmatch
        for index in range(len(pieces)):
            if self._folders_only and index == last and not is_folder:
                return False
            tried = "/".join(pieces[: index + 1]) if self._anchored else pieces[index]
            if full(tried):
                return True
        return False

    def may_match_below(self, folder: str) -> bool:
        """Whether some key below `folder`, or the folder above it, could match; may say yes in vain."""
        if not self._anchored or self._deep:
            return not self._anchored or folder.startswith(self._start) or self._start.startswith(folder)
        return folder.startswith(self._start[: len(folder)]) and folder.count("/") <= self._depth


@lru_cache(maxsize=256)
def compile_glob(pattern: str) -> re.Pattern[str]:
    """A regular expression that matches a whole key as `pattern` does."""
    out: list[str] = []
    at = 0
    while at < len(pattern):
        character = pattern[at]
        if pattern.startswith("**/", at) and (at == 0 or pattern[at - 1] == "/"):
            out.append("(?:.*/)?")
            at += 3
            continue
        if pattern.startswith("**", at):
            out.append(".*")
            at += 2
            continue
        piece, width = _piece(pattern, at, character)
        out.append(piece)
        at += width
    return re.compile("".join(out), re.DOTALL)


def _piece(pattern: str, at: int, character: str) -> tuple[str, int]:
    if character == "*":
        return "[^/]*", 1
    if character == "?":
        return "[^/]", 1
    if character == "[":
        end = pattern.find("]", at + 3 if pattern.startswith(("[!]", "[^]"), at) else at + 2)
        if end > 0:
            return _class(pattern[at + 1 : end]), end + 1 - at
    return re.escape(character), 1


def _class(inside: str) -> str:
    negated = inside.startswith(("!", "^"))
    body = inside[1:] if negated else inside
    out: list[str] = []
    at = 0
    while at < len(body):
        if at + 2 < len(body) and body[at + 1] == "-":
            low, high = body[at], body[at + 2]
            if low <= high:
                out.append(f"{re.escape(low)}-{re.escape(high)}")
            at += 3
            continue
        out.append(re.escape(body[at]))
        at += 1
    if not out:
        return "[^/]" if negated else r"(?!)"
    return f"[^/{''.join(out)}]" if negated else f"(?!/)[{''.join(out)}]"


@define(frozen=True, slots=True)
class KeyGlob:
    """Keys that an S3 URL with a glob matches."""

    prefix: str
    """Common prefix of all of them, for the listing."""
    root: str
    """The folder, '' or ending in '/', that their names are relative to."""
    pattern: str

    def matches(self, key: str) -> bool:
        return compile_glob(self.pattern).fullmatch(key) is not None


def glob_of(key: str) -> KeyGlob | None:
    """What the key of an S3 URL means as a glob; None if it has none of `*`, `?`, `[`."""
    match = _GLOB.search(key)
    if match is None:
        return None
    prefix = key[: match.start()]
    return KeyGlob(prefix, prefix[: prefix.rfind("/") + 1], key)
