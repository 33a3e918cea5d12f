"""Trees as dictionaries, and what a job over them did."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from s3amfs.core.locations import LocalPath, S3Location, parse_s3_url
from s3amfs.core.tree_events import EntryDone, Totals
from s3amfs.jobs.sides import folder_of

LONG_AGO = 1_600_000_000
FILES = {"a b": b"1", "a/b": b"22", "a/c/d": b"333", "f.txt": b"4444", "big": bytes(9 * 1024 * 1024)}
"""A tree whose folders and files have names that sort differently as keys and as paths."""


@dataclass(frozen=True)
class Ran:
    """A finished job."""

    totals: Totals
    entries: list[EntryDone]
    notes: list[str]

    @property
    def rc(self) -> int:
        return self.totals.exit_code

    def did(self, *actions: str) -> dict[str, str]:
        """Key -> action of all entries but those left alone; with `actions`, of these."""
        return {
            entry.key: entry.action
            for entry in self.entries
            if (entry.action in actions if actions else entry.action not in ("same", "skip"))
        }

    def reason(self, key: str) -> str:
        return next(entry.reason for entry in self.entries if entry.key == key)


def tree_of(where: Any) -> LocalPath | S3Location:
    text = str(where)
    return folder_of(parse_s3_url(text)) if text.startswith("s3://") else LocalPath(text)


def make_tree(root: Path, files: Mapping[str, bytes], *, mtime: float | None = LONG_AGO) -> Path:
    """Files below `root`; names with bytes that are no UTF-8 by surrogateescape."""
    root.mkdir(parents=True, exist_ok=True)
    for name, data in files.items():
        path = os.path.join(root, name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as file:
            file.write(data)
        if mtime is not None:
            os.utime(path, (mtime, mtime))
    return root


def read_tree(root: Path) -> dict[str, bytes]:
    """Relative name -> content of every file; of a link b'-> ' and where it leads."""
    found = {}
    for folder, folders, names in os.walk(root):
        for name in [*names, *(each for each in folders if os.path.islink(os.path.join(folder, each)))]:
            path = os.path.join(folder, name)
            key = os.path.relpath(path, root)
            if os.path.islink(path):
                found[key] = b"-> " + os.fsencode(os.readlink(path))
            else:
                with open(path, "rb") as file:
                    found[key] = file.read()
    return found


def read_prefix(boto: Any, bucket: str, prefix: str = "") -> dict[str, bytes]:
    """Relative key -> content of every object below a prefix."""
    found = {}
    for page in boto.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix):
        for item in page.get("Contents", ()):
            body = boto.get_object(Bucket=bucket, Key=item["Key"])["Body"].read()
            found[item["Key"][len(prefix) :]] = body
    return found
