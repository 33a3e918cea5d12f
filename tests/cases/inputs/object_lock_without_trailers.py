# what: A bucket with Object Lock (a PUT needs Content-MD5 or a checksum header) on a server without trailers: a file can be stored, by default or with some --checksum.
# kind: optional-header
# source: s3tools/s3cmd#1436
from kit import *


def lock(r):
    if r.method == "PUT" and not r.headers.get("x-amz-copy-source"):
        if r.headers.get("x-amz-trailer"):
            return s3_error(501, "NotImplemented")
        if not r.headers.get("Content-MD5") and not any(
            n.lower().startswith("x-amz-checksum-") for n in r.headers.keys()
        ):
            return s3_error(
                400,
                "InvalidRequest",
                "Content-MD5 OR x-amz-checksum- HTTP header is required for Put Part requests with Object Lock parameters",
            )


s, f, said = Fake(refuse=lock), file("f", data := os.urandom(12 * MIB)), []
for more in ([], ["--checksum", "md5"], ["--checksum", "crc64nvme"]):
    r = s3am("upload", "--force", *more, f, "s3://bkt/k", env=s.env)
    said.append(r.last)
    if r.rc == 0:
        break
need(r.rc == 0 and s.get("k") == data, said[0])
