# what: A tagged object is copied without s3:GetObjectTagging, or the error says that tags are the trouble.
# kind: who-is-blamed
# source: generalui/s3p#29
# marks: judgement
from kit import *

b = bucket()
put(b, "a", b"x" * 1000, Tagging="a=b")
p = proxy(
    lambda r: s3_error(403, "AccessDenied") if kind(r) == "Tagging" and r.method == "GET" else None,
    lambda r, s, h, body: (
        s,
        [*[x for x in h if x[0].lower() != "x-amz-tagging-count"], ("x-amz-tagging-count", "1")]
        if kind(r) == "Head"
        else h,
        body,
    ),
)
r = s3am("upload", f"s3://{b}/a", f"s3://{b}/c", env={"AWS_ENDPOINT_URL": p.url})
need(r.rc == 0 or re.search("[Tt]ag", r.err), r.last)
