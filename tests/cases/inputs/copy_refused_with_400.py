# what: A server that refuses UploadPartCopy of a range with 400: the copy is relayed, as after 501, or the message names the way (--src-endpoint-url).
# kind: server-lacks-a-feature
# source: storj/roadmap#76
from kit import *

s = Fake(
    refuse=lambda r: (
        s3_error(400, "InvalidRequest", "Invalid argument") if r.headers.get("x-amz-copy-source-range") else None
    )
)
s.put("a", data := os.urandom(32 * MIB))
r = s3am("upload", "--part-size", "8MiB", "s3://bkt/a", "s3://bkt/c", env=s.env)
need(r.rc == 0 and s.get("c") == data or "--src-endpoint-url" in r.err, r.last)
