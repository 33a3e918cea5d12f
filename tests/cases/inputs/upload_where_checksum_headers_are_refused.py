# what: A server that refuses every checksum header (400, as Backblaze B2 did): a file is uploaded without them.
# kind: optional-header
# source: vatesfr/xen-orchestra#8358
from kit import *


def refuse(r):
    for name in r.headers.keys():
        if name.lower().startswith(("x-amz-checksum", "x-amz-sdk-checksum", "x-amz-trailer")):
            return s3_error(400, "InvalidArgument", f"Unsupported header '{name.lower()}' received for this API call.")


s = Fake(refuse=refuse)
r = s3am("upload", file("f", data := os.urandom(MIB)), "s3://bkt/z", env=s.env)
need(r.rc == 0 and s.get("z") == data, r.last)
