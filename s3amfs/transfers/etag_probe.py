"""Whether a server's ETags are the MD5s of what was sent: found out with a part of one byte, before it matters.

Only where ETags are all that content can be checked with. The part has a number that a real part gets afterwards, and
S3 keeps the last of what is sent under a number (S3 API, UploadPart).
"""

from __future__ import annotations

import base64
import hashlib

from ..engine.client import S3Client
from ..engine.uploads import PROBE
from ..errors import S3AMError
from ..wire.s3 import api as s3api

TRIES = 3
"""A wire that damages one byte three times in a row carries no part either."""


def etags_are_md5(client: S3Client, upload: s3api.MultipartUpload, number: int) -> bool | None:
    """Whether the ETag of a part of `upload` is its MD5; None where that can't be said.

    number: of a part that is still to be sent.
    """
    digest = hashlib.md5(PROBE, usedforsecurity=False)
    body = s3api.Body(PROBE, md5=base64.b64encode(digest.digest()).decode())
    answered = False
    for _ in range(TRIES):
        reply, failure = client.attempt(s3api.upload_part(upload, number, body))
        if failure is not None:
            continue
        try:
            etag = s3api.parse_stored(reply).etag
        except S3AMError:
            return False  # there is none
        if etag == digest.hexdigest():
            return True
        answered = True
    return False if answered else None
