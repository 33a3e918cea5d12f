"""Options of a transfer, as frozen data. The three front ends fill them in; verbs read them."""

from __future__ import annotations

from dataclasses import field
from typing import Literal

from ..core.bandwidth import Bandwidth
from ..core.define import define
from ..core.expected import NOTHING, WHATEVER, Expected
from ..core.ssec import CustomerKey
from ..wire.s3.api import ListedObject, ListPage, ObjectInfo, ObjectOptions, StoredInfo

__all__ = ["DownloadOptions", "ListPage", "ListedObject", "ObjectInfo", "ObjectOptions", "StoredInfo", "UploadOptions"]

Unfinished = Literal["refuse", "resume", "restart", "continue"]
"""'continue' is for programs: go on with what the manifest knows, leave other uploads alone, never refuse."""
Exists = Literal["refuse", "overwrite", "skip"]
ChecksumChoice = Literal["crc64nvme", "crc32c", "md5", "none"]


@define(frozen=True, slots=True)
class UploadOptions:
    """Choices for `upload` and `copy`."""

    unfinished: Unfinished = "refuse"
    """The handling of an unfinished upload of the target: error, continue it (--resume), abort it (--force)."""
    exists: Exists = "refuse"
    """The handling of a target object that exists."""
    expected: Expected | None = None
    """The expected state of the target's name when it changes; None: as `exists` says it."""
    part_size: int | None = None
    """Bytes; None: chosen from the size, or taken up from the upload that is continued."""
    download_slots: int | None = None
    """Most requests at a time to a remote source; None: adapted."""
    upload_slots: int | None = None
    """Most requests at a time to S3; None: adapted."""
    object: ObjectOptions = field(default_factory=ObjectOptions)
    copy_metadata: bool = True
    """Where the source is an object: its content headers and user metadata are kept, except what `object` gives."""
    source_key: CustomerKey | None = field(default=None, repr=False)
    """Customer key (SSE-C) of an s3:// source."""
    source_etag: str = ""
    """ETag of the s3:// source that was compared with something before; '': whatever stands there."""
    checksum: ChecksumChoice | None = None
    """None: CRC64NVME where the server knows it, else the ETags of the parts."""
    expect: tuple[tuple[str, str], ...] = ()
    """(digest name, hex): what the whole source must have, compared before the object becomes visible."""
    bwlimit: Bandwidth | int = 0
    """Bytes per second over all transfers of this process that have the same limit; 0: no limit."""
    dry_run: bool = False
    verify_tls: bool | str = True
    """For URL sources, as in S3Config."""
    state_dir: str | None = None
    """Folder of the manifests; None: S3AM_STATE_DIR, or the user's state folder."""

    @property
    def expects(self) -> Expected:
        """The expected state of the target's name when it changes."""
        if self.expected is not None:
            return self.expected
        return WHATEVER if self.exists == "overwrite" else NOTHING

    @property
    def slots(self) -> int | None:
        """Slots of a relay: each one holds a request on either side."""
        given = [slots for slots in (self.download_slots, self.upload_slots) if slots is not None]
        return min(given) if given else None


@define(frozen=True, slots=True)
class DownloadOptions:
    """Choices for `download`."""

    file_exists: Exists = "refuse"
    download_exists: Literal["refuse", "resume", "discard"] = "refuse"
    """The handling of an earlier download's partial file."""
    wait: bool = False
    """If another transfer to the same file is at work: wait until it has ended, in place of an error."""
    part_size: int | None = None
    download_slots: int | None = None
    checksum_slots: int | None = None
    """Threads that check what is on disk; None: one per core, at most 4."""
    checksum: ChecksumChoice | None = None
    """The checksum that the bytes are compared with; None: the one that S3 stores; 'none': no comparison."""
    customer_key: CustomerKey | None = field(default=None, repr=False)
    sparse: bool = False
    """Zeros become holes of the file."""
    follow_link: bool = True
    """A target that is a symbolic link is written through; else it is replaced itself."""
    bwlimit: Bandwidth | int = 0
    dry_run: bool = False
