# what: The first request of a process is a small fs.open(…, "wb") to a bucket of another region (301 + x-amz-bucket-region): it is stored.
# kind: first-contact
# source: none
from kit import *


def before(r):
    if "/eu-west-1/" not in r.headers.get("Authorization", "") and r.path.partition("?")[0].strip("/"):
        return s3_error(301, "PermanentRedirect", headers=[("x-amz-bucket-region", "eu-west-1")])


b, p = bucket(), proxy(before)
fs = filesystem(p.url)


def go():
    with fs.open(b + "/k", "wb") as f:
        f.write(b"x")


value, e = within(45, go)
need(e is None or isinstance(e, SystemExit) and not e.code, repr(e))
need((get(b, "k") or b"")[:1] == b"x", "it is not stored")
