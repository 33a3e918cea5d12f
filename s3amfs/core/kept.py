"""Attributes that a new object keeps of the one it is made from: a copy, or the same object with other content. Pure.

Metadata of the content (`md5chksum`, `sha256`, …) is valid for a copy and is dropped when the content changes.
Attributes of the object (headers, encryption, class, tags, times, owner) are kept.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

_DIGEST = r"md5|sha-?(1|2|3|224|256|384|512)|crc-?(32|32c|64|64nvme)|blake[23][bs]?|b[23]|xxh(3|32|64|128)?|quickxor"
_OF_CONTENT = (
    rf"(x-)?(s3am-|goog-|content-|file-?|object-?)?"
    rf"(({_DIGEST})(-?(chksum|checksum|sum|hash|hex|digest|base64|b64))*|checksum|chksum|digest|content-?hash|etag)"
)
_S3CMD = "s3cmd-attrs"
"""s3cmd keeps a file's attributes in one value: 'atime:1/ctime:2/gid:0/md5:…/mode:33188'."""

ARCHIVED = frozenset({"GLACIER", "DEEP_ARCHIVE"})
"""Classes that are read from after a restore only."""
NOT_FOR_COPIES = frozenset({"STANDARD", "EXPRESS_ONEZONE", "OUTPOSTS", "SNOW", "FSX_OPENZFS", "FSX_ONTAP"}) | ARCHIVED
"""Classes that a copy is not asked to have: the default, those of special buckets, which others refuse, and archives:
a restored object is copied to be read."""


@lru_cache(maxsize=256)
def describes_content(name: str) -> bool:
    """Whether user metadata called `name` (without x-amz-meta-) is about the bytes of an object.

    rclone writes md5chksum, s5cmd and others sha256, md5 or content-md5.
    """
    return re.fullmatch(_OF_CONTENT, name.replace("_", "-"), re.IGNORECASE) is not None


def of_other_content(metadata: Mapping[str, str]) -> dict[str, str]:
    """Returns user metadata without the entries that describe the old content."""
    left = {name: value for name, value in metadata.items() if not describes_content(name)}
    if _S3CMD in left:
        left[_S3CMD] = "/".join(item for item in left[_S3CMD].split("/") if not item.startswith("md5:"))
    return left


def class_of_copy(storage_class: str | None) -> str | None:
    """The storage class to ask for; None: the bucket's default."""
    return None if storage_class in NOT_FOR_COPIES else storage_class
