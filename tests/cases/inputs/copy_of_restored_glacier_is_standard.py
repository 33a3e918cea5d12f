# what: The copy of a restored GLACIER object is not put into GLACIER (that is how a lasting STANDARD copy is made).
# kind: metadata-carried
# source: aws/aws-cli#6660
# marks: judgement
from kit import *

b = bucket()
put(b, "a", b"x" * 1000)
p = proxy(
    after=lambda r, s, h, body: (
        s,
        [
            *h,
            ("x-amz-storage-class", "GLACIER"),
            ("x-amz-restore", 'ongoing-request="false", expiry-date="Fri, 21 Dec 2029 00:00:00 GMT"'),
        ]
        if kind(r) == "Head" and key_of(r) == "a"
        else h,
        body,
    )
)
r = s3am("upload", f"s3://{b}/a", f"s3://{b}/c", env={"AWS_ENDPOINT_URL": p.url})
need(r.rc == 0, r.last)
sent = [x.headers.get("x-amz-storage-class") for x in p.of("Copy", "Create")]
need("GLACIER" not in sent, f"asked for: {sent}")
