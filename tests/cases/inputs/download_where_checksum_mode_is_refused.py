# what: A server that refuses a request with x-amz-checksum-mode (400): the object is downloaded without it.
# kind: optional-header
# source: diced/zipline#746
from kit import *

s = Fake(
    refuse=lambda r: (
        s3_error(400, "InvalidArgument", "Unsupported header 'x-amz-checksum-mode' received for this API call.")
        if r.headers.get("x-amz-checksum-mode")
        else None
    )
)
s.put("a", data := os.urandom(MIB))
r = s3am("download", "s3://bkt/a", TMP / "o", env=s.env)
need(r.rc == 0 and (TMP / "o").read_bytes() == data, r.last)
