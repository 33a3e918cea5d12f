# what: A server stores a PUT without telling its checksum: no second PUT goes without If-None-Match (it would replace what somebody else stored meanwhile).
# kind: one-odd-answer
# source: none
from kit import *

b, f = bucket(), file("f", b"mine" * 100)
strip = lambda r, s, h, body: (
    s,
    [(n, v) for n, v in h if not n.lower().startswith("x-amz-checksum")] if kind(r) == "Put" else h,
    body,
)
p = proxy(after=strip)
r = s3am("upload", f, f"s3://{b}/k", env={"AWS_ENDPOINT_URL": p.url})
bare = [x for x in p.of("Put") if x.headers.get("If-None-Match") != "*"]
need(not bare, f"{r.last}; {len(bare)} of {p.count('Put')} PUTs without the condition")
