# what: A server that refuses If-None-Match with 400 InvalidArgument instead of 501: a new object is stored all the same, or the message says how.
# kind: optional-header
# source: none
# marks: judgement
from kit import *

b = bucket()
p = proxy(
    lambda r: (
        s3_error(400, "InvalidArgument", "If-None-Match is not supported")
        if r.headers.get("If-None-Match") and kind(r) in ("Put", "Complete")
        else None
    )
)
r = s3am("upload", file("f", data := os.urandom(20 * MIB)), f"s3://{b}/k", env={"AWS_ENDPOINT_URL": p.url})
need(r.rc == 0 and get(b, "k") == data or "--exists" in r.err, r.last)
