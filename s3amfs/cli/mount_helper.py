"""`mount.s3am`, which mount(8) and /etc/fstab call. Translates their options into those of `s3am mount`.

s3://bucket/prefix  /mnt/data  s3am  _netdev,allow_other,profile=data  0 0
"""

from __future__ import annotations

import sys

OURS = {
    "uid",
    "gid",
    "umask",
    "part_size",
    "cache_size",
    "cache_dir",
    "cache_disk",
    "spool_dir",
    "spool_keep",
    "write_back",
    "metadata_ttl",
    "log_file",
}
GENERAL = {"profile", "region", "endpoint_url", "ca_bundle", "timeout", "retry_budget"}
SWITCHES = {"ro": "--read-only", "read_only": "--read-only", "allow_other": "--allow-other"}
GENERAL_SWITCHES = {"no_sign_request": "--no-sign-request", "requester_pays": "--requester-pays"}
IGNORED = {"rw", "defaults", "auto", "noauto", "user", "users", "nouser", "owner", "group", "_netdev", "nofail"}
"""For mount(8) alone, or the default."""


def translate(arguments: list[str]) -> list[str]:
    """The arguments of `s3am` for those of `mount.s3am`: SPEC DIR [-sfnv] [-t TYPE] [-o OPTIONS] (mount(8))."""
    given = iter(arguments)
    places: list[str] = []
    options: list[str] = []
    for word in given:
        if word == "-o":
            options += next(given, "").split(",")
        elif word in ("-t", "-N"):
            next(given, None)
        elif not word.startswith("-"):
            places.append(word)
    general: list[str] = []
    own: list[str] = []
    for option in filter(None, options):
        words, is_general = _option(option)
        (general if is_general else own).extend(words)
    return [*general, "mount", *own, *places]


def _option(option: str) -> tuple[list[str], bool]:
    """The words for one option, and whether they come before the command."""
    name, _, value = option.partition("=")
    flag = "--" + name.replace("_", "-")
    if name in IGNORED or name.startswith(("x-", "comment")):
        return [], False
    if name in GENERAL_SWITCHES or name in SWITCHES:
        return [(GENERAL_SWITCHES | SWITCHES)[name]], name in GENERAL_SWITCHES
    if name in GENERAL or name in OURS:
        return [flag, value], name in GENERAL
    return ["-o", option], False


def main(arguments: list[str] | None = None) -> int:
    """Runs mount(8)'s helper. Returns the exit code. arguments: without the program's name; None: sys.argv's."""
    from .main import main as s3am

    return s3am(translate(sys.argv[1:] if arguments is None else arguments))
