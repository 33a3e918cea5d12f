"""An S3 object as a source of ranges, pinned to its ETag."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ..core.failures import Failure
from ..core.locations import S3Location
from ..core.manifest import SourceIdentity
from ..core.parts import Part
from ..engine.client import S3Client
from ..engine.sources import range_judge
from ..errors import SourceChanged
from ..wire.messages import HttpRequest, Reply
from ..wire.s3 import api as s3api
from .options import UploadOptions


class S3Source:
    """Ranges of an S3 object, pinned to its ETag; implements engine.sources.RangedSource."""

    def __init__(self, client: S3Client, location: S3Location, info: s3api.ObjectInfo, options: UploadOptions) -> None:
        self._client = client
        self._location = location
        self._info = info
        self._key = options.source_key
        self.identity = identity_of(location, info)

    @property
    def is_ready(self) -> bool:
        return self._client.session.credentials_fresh()

    def request(self, part: Part) -> HttpRequest:
        return self._client.session.prepare(
            s3api.get_object(
                self._location.bucket,
                self._location.key,
                offset=part.offset,
                length=part.length,
                version_id=self._location.version_id,
                if_match=self._info.strong_etag,
                customer_key=self._key,
            )
        )

    def accept(self, part: Part) -> Callable[[Reply], None]:
        return range_judge(part, self.identity)

    def explain(self, failure: Failure) -> Failure:
        return replace(failure, of_source=True, source=self._location.url)


def look_at_source(client: S3Client, location: S3Location, options: UploadOptions) -> s3api.ObjectInfo:
    """Looks at an object that is to be read or copied; each request for its bytes is then pinned to what this returns.

    Raises SourceChanged if it is not the one that `options` name, NotFound, AccessDenied, TransferError.
    """
    info = client.head(location.bucket, location.key, version_id=location.version_id, customer_key=options.source_key)
    if options.source_etag not in ("", info.etag):
        raise SourceChanged(f"{location.url} was replaced by somebody else since it was looked at: try again")
    return info


def identity_of(location: S3Location, info: s3api.ObjectInfo) -> SourceIdentity:
    """Returns the identity of an object as a source: URL, size, ETag and time."""
    return SourceIdentity(url=location.url, size=info.size, etag=info.etag, last_modified=info.last_modified)
