"""Options of a job over a tree, as frozen data."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import field
from typing import Literal

from ..core.bandwidth import Bandwidth
from ..core.compare import Rules
from ..core.define import define
from ..core.deletions import MaxDelete
from ..core.filters import NO_FILTERS, Filters
from ..core.locations import LocalPath, S3Location
from ..core.ssec import CustomerKey
from ..engine.buckets import location_of
from ..engine.client import S3Client
from ..errors import EncryptionKeyError
from ..transfers.options import ChecksumChoice, ObjectOptions
from .walk import Links

KeyFor = Callable[[S3Location], "CustomerKey | None"]


def no_key(_location: S3Location) -> None:
    """No customer key."""


def keys_of_master(master: CustomerKey, client: S3Client) -> KeyFor:
    """The key of each object under a master key; each bucket's location is asked for once.

    The function raises EncryptionKeyError where the location may not be asked for.
    """
    found: dict[str, str] = {}

    def key_for(location: S3Location) -> CustomerKey:
        if location.bucket not in found:
            place = location_of(client, location.bucket)
            if place is None:
                raise EncryptionKeyError(
                    f"the location of bucket {location.bucket} cannot be read (s3:GetBucketLocation), but keys "
                    "are derived from it: get that permission"
                )
            found[location.bucket] = place
        return master.derive(location.bucket, location.key, found[location.bucket])

    return key_for


@define(frozen=True, slots=True)
class TreeOptions:
    """Choices for `sync`, `upload -r` and `download -r`."""

    rules: Rules
    filters: Filters = NO_FILTERS
    names: frozenset[str] | None = None
    """--files-from: only these keys exist, on both sides."""
    only: str | None = None
    """A glob that keys have to match, on both sides: of a SRC such as `s3://b/logs/*.gz`."""
    delete: bool = False
    delete_excluded: bool = False
    max_delete: MaxDelete | None = None
    backup_dir: S3Location | LocalPath | None = None
    track_renames: bool = False
    dry_run: bool = False
    resume: bool = False
    links: Links = "follow"
    exists: Literal["compare", "refuse", "skip", "overwrite"] = "compare"
    """'compare' is sync; the others are -r: what to do about entries that exist at the target."""
    object: ObjectOptions = field(default_factory=ObjectOptions)
    """How new objects are stored."""
    copy_metadata: bool = True
    """On copies: what the source has, except where `object` says something; False: only what `object` says."""
    checksum: ChecksumChoice | None = None
    download_checksum: ChecksumChoice | None = None
    """The checksum that downloads are compared with; None: the one that S3 stores."""
    sparse: bool = False
    """Downloads: zeros become holes."""
    part_size: int | None = None
    """Bytes of the parts of large objects; None: chosen."""
    bwlimit: Bandwidth | int = 0
    """Bytes per second; 0: no limit. With one, small objects take the same way as large ones."""
    key_for: KeyFor = field(default=no_key, repr=False)
    source_key_for: KeyFor = field(default=no_key, repr=False)
    state_dir: str | None = None
    """Folder of journals and manifests; None: S3AM_STATE_DIR, or the user's state folder."""

    @property
    def only_verbs(self) -> bool:
        """Small objects go through the verbs, too, which alone know about these options."""
        return bool(self.bwlimit) or self.sparse or self.download_checksum is not None


def digest_of(options: TreeOptions) -> str:
    """Changes with whatever decides which entries take part, and what becomes of them."""
    decides = (
        options.rules,
        options.filters.rules,
        None if options.names is None else sorted(options.names),
        options.only,
        options.delete,
        options.delete_excluded,
        options.links,
        options.exists,
    )
    return hashlib.sha256(repr(decides).encode("utf-8", "surrogatepass")).hexdigest()[:16]
