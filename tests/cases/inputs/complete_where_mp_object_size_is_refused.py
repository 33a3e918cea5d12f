# what: A server that refuses Complete with x-amz-mp-object-size (501): the upload is completed without it.
# kind: optional-header
# source: none
from kit import *

b = bucket()
p = proxy(
    lambda r: (
        s3_error(501, "NotImplemented", "A header you provided implies functionality that is not implemented")
        if r.headers.get("x-amz-mp-object-size")
        else None
    )
)
r = s3am("upload", file("f", data := os.urandom(20 * MIB)), f"s3://{b}/k", env={"AWS_ENDPOINT_URL": p.url})
need(r.rc == 0 and get(b, "k") == data, r.last)
