# what: --metadata with CR LF in the name puts no header of its own onto the wire (a usage error is right).
# kind: hostile-values
# source: none
from kit import *

w = Web(lambda r: (403, [], b""))
r = s3am(
    "upload",
    "--exists",
    "overwrite",
    "--no-sign-request",
    "--metadata",
    "a: 1\r\nX-Injected: yes\r\nx=1",
    file("f", b"x" * 10),
    "s3://bkt/k",
    env={"AWS_ENDPOINT_URL": w.url},
)
need(not any("X-Injected" in x.headers for x in w.log), "X-Injected: yes is a header of the request")
need(r.rc not in (0, None), r.last)
