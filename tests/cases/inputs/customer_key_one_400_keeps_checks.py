# what: One 400 to the first part of an upload under a customer key: every part that is stored was checked all the same (or the upload fails).
# kind: one-odd-answer
# source: aws/aws-cli#986
from kit import *

once, b, f, key = [(400, [], b"")], bucket(), file("big", data := os.urandom(24 * MIB)), file("key", os.urandom(32))
p = proxy(lambda r: once.pop() if once and kind(r) == "UploadPart" else None)
r = s3am("upload", "--sse-key-file", key, f, f"s3://{b}/k", env={"AWS_ENDPOINT_URL": p.url})
parts = [x for x in p.of("UploadPart") if x.status == 200]
bare = [
    x
    for x in parts
    if not (
        "x-amz-trailer" in x.headers
        or "content-md5" in x.headers
        or any(h.lower().startswith("x-amz-checksum-") for h in x.headers.keys())
    )
]
need(r.rc != 0 or not bare, f"{r.last}; {len(bare)} of {len(parts)} parts were stored without any checksum")
