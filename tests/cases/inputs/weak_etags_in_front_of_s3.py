# what: A proxy in front of S3 weakens ETags (W/) and then never meets a strong If-Match: an object is downloaded all the same.
# kind: first-contact
# source: none
# marks: judgement
from kit import *

s = Fake()
s.put("a", data := os.urandom(MIB))


def weak(r):
    if (r.headers.get("If-Match") or "").startswith('"'):
        return s3_error(412, "PreconditionFailed")
    status, headers, body = s.handle(r)
    return status, [(n, "W/" + v if n == "ETag" else v) for n, v in headers], body


r = s3am("download", "s3://bkt/a", TMP / "o", env={"AWS_ENDPOINT_URL": Web(weak).url})
need(r.rc == 0 and (TMP / "o").read_bytes() == data, r.last)
