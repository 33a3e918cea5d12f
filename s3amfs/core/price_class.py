"""The price class of a request, as Amazon S3 and most other services bill them. Pure.

Source: the Amazon S3 pricing page, *Requests & data retrievals*: PUT, COPY, POST and LIST cost about twelve times what
GET and all others cost; DELETE and CANCEL are free. Other services have the same classes, named A and B.
"""

from __future__ import annotations

import enum
import re

_LIST = re.compile(r"[?&](?:list-type|uploads|versions|uploadId)(?:=|&|$)")


class PriceClass(enum.Enum):
    """The class of one request."""

    WRITE = "PUT, COPY, POST, LIST"
    READ = "GET, HEAD"
    FREE = "DELETE"
    FOREIGN = "other servers"
    """No S3 request: a source by http(s), ftp(s) or sftp."""


def price_class(method: str, url: str, *, is_s3: bool = True) -> PriceClass:
    """The class of a request to S3. is_s3: False for a source that is no S3 service.

    A GET that lists objects, versions, uploads or parts is a LIST.
    """
    if not is_s3:
        return PriceClass.FOREIGN
    if method in ("PUT", "POST"):
        return PriceClass.WRITE
    if method == "DELETE":
        return PriceClass.FREE
    return PriceClass.WRITE if method == "GET" and _LIST.search(url) else PriceClass.READ
