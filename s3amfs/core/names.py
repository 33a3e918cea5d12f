"""S3 keys as path names and back, by one reversible rule.

A key is cut at its slashes; each piece is a name, and a directory is whatever lies before a slash. Most pieces are fit
names and stay as they are. The others, which would crash a program or hide a sibling, are shown like this:

- a piece that is empty, `.` or `..`, has a NUL, or has the text `@s3am.` in it: percent-quoted, with `@s3am.quoted`
  behind (`a//b` is `a/@s3am.quoted/b`, `..` is `%2E%2E@s3am.quoted`);
- an object `a` beside keys that begin with `a/`: the directory is `a`, the object `a@s3am.object`;
- a piece of more than 255 bytes: directories of 200 bytes each that end in `@s3am.more`, then the rest; all of it
  percent-quoted where there is a `%`.

Names of files are bytes; here they are text decoded with surrogateescape. A key is UTF-8, so a name that is not can't
become one (`to_key` raises EILSEQ). Pure.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator, Sequence
from functools import lru_cache

from ..errors import UsageError
from .define import define

MARK = "@s3am."
QUOTED = "@s3am.quoted"
OBJECT = "@s3am.object"
_UNFIT = frozenset({".", ".."})
MORE = "@s3am.more"
MOST_BYTES = 255
"""NAME_MAX of Linux file systems."""
CHUNK_BYTES = 200
MOST_KEY_BYTES = 1024
"""S3 User Guide, "Naming Amazon S3 objects": a key is at most 1,024 bytes of UTF-8."""


@define(frozen=True, slots=True)
class Place:
    """Meaning of a path in the bucket."""

    key: str
    """For a file: its key. For a directory: `key + '/'` is the prefix of what is in it."""
    shadowed: bool = False
    """The path names an object that has a directory of the same name beside it (`…@s3am.object`)."""
    partial: bool = False
    """The path is a `…@s3am.more` directory: its entries have keys that begin with `key`, without a slash after it."""

    @property
    def prefix(self) -> str:
        """Prefix of all keys below this directory; '' for the root."""
        return self.key if self.partial or not self.key else self.key + "/"


def names_of(piece: str, *, shadowed: bool = False) -> tuple[str, ...]:
    """The path names of one piece of a key: one, or several where it is too long. Reversed by `place_of`."""
    plain = _fit(piece)
    name = piece if plain else _quote(piece) + QUOTED
    whole = name + OBJECT if shadowed else name
    if _bytes(whole) <= MOST_BYTES:
        return (whole,)
    chunks = list(_chunks(_quote(piece, dots=False)))
    last = chunks[-1].replace(".", "%2E") if chunks[-1] in (".", "..") else chunks[-1]
    return (*(chunk + MORE for chunk in chunks[:-1]), last + OBJECT if shadowed else last)


def path_of(key: str, *, shadowed: bool = False) -> str:
    """The path of an object below the mount's root, without a leading slash. Reversed by `place_of`."""
    pieces = key.split("/")
    names = [name for piece in pieces[:-1] for name in names_of(piece)]
    return "/".join([*names, *names_of(pieces[-1], shadowed=shadowed)])


@lru_cache(maxsize=4096)
def place_of(path: str) -> Place:
    """Meaning of `path` (slashes between names, a leading one is ignored) means.

    Raises `UsageError` with ENOENT for a path that the rule never makes, so that no key has two names, and with
    ENAMETOOLONG.
    """
    names = [name for name in path.split("/") if name]
    if any(_bytes(name) > MOST_BYTES for name in names):
        raise UsageError("a name of more than 255 bytes", errno=errno.ENAMETOOLONG)
    if MARK not in path and not _UNFIT.intersection(names) and "\0" not in path:
        return Place("/".join(names))  # the rule leaves each as it is
    pieces: list[str] = []
    shadowed, run = False, None
    for position, name in enumerate(names):
        last = position == len(names) - 1
        if name.endswith(MORE):
            run = (run or "") + name[: -len(MORE)]
            continue
        if last and name.endswith(OBJECT):
            shadowed, name = True, name[: -len(OBJECT)]
        pieces.append(_piece(name, run))
        expected = names_of(pieces[-1], shadowed=shadowed and last)
        if expected[-1] != names[position] or (len(expected) > 1) != (run is not None):
            raise UsageError(f"no key has the name {names[position]!r}", errno=errno.ENOENT)
        run = None
    if run is None:
        return Place("/".join(pieces), shadowed=shadowed)
    return Place("/".join([*pieces, _unquote(run)]), partial=True)


def to_key(place: Place) -> str:
    """The key for writing to `place`. Raises `UsageError` (EILSEQ, ENAMETOOLONG, EINVAL) where S3 has no such key."""
    try:
        length = len(place.key.encode())
    except UnicodeEncodeError:
        raise UsageError("the name is not UTF-8, and S3's keys are", errno=errno.EILSEQ) from None
    if length > MOST_KEY_BYTES:
        raise UsageError("the path is longer than an S3 key may be (1,024 bytes)", errno=errno.ENAMETOOLONG)
    return place.key


def child_of(directory: Place, piece: str, *, shadowed: bool = False) -> str | None:
    """The name in `directory` of a piece of a key listed below its prefix; None if it is not shown here.

    For an ordinary directory `piece` is what follows the prefix up to the next slash. In a `…@s3am.more` one it is
    what follows the cut.
    """
    if not directory.partial:
        return names_of(piece, shadowed=shadowed)[0]
    start = directory.key.rpartition("/")[2]
    names = names_of(start + piece, shadowed=shadowed)
    text = ""
    for index, name in enumerate(names[:-1]):
        text += name[: -len(MORE)]
        if _unquote(text) == start:
            return names[index + 1]
    return None


def _fit(piece: str) -> bool:
    return piece not in ("", ".", "..") and "\0" not in piece and MARK not in piece


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogateescape"))


def _quote(piece: str, *, dots: bool = True) -> str:
    text = piece.replace("%", "%25").replace("\0", "%00").replace(MARK, "%40s3am.")
    return text.replace(".", "%2E") if dots and text in (".", "..") else text


_ESCAPE = re.compile("%(25|00|40|2E)")


def _unquote(text: str) -> str:
    return _ESCAPE.sub(lambda match: chr(int(match[1], 16)), text)


def _piece(name: str, run: str | None) -> str:
    if run is not None:
        return _unquote(run + name)
    return _unquote(name[: -len(QUOTED)]) if name.endswith(QUOTED) else name


def _chunks(text: str) -> Iterator[str]:
    """Pieces of at most 200 bytes, none cut inside a character or an escape."""
    tokens: Sequence[str] = re.findall("%(?:25|00|40|2E)|.", text, re.DOTALL)
    chunk, size = "", 0
    for token in tokens:
        width = _bytes(token)
        if size + width > CHUNK_BYTES:
            yield chunk
            chunk, size = "", 0
        chunk, size = chunk + token, size + width
    yield chunk
