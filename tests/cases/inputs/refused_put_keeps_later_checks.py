# what: One PUT is refused by 400 for a reason of its own (an invalid storage class): later uploads of the process are checked as before.
# kind: one-odd-answer
# source: none
from kit import *

b = bucket()
p = proxy(lambda r: s3_error(400, "InvalidStorageClass") if kind(r) == "Put" and key_of(r) == "bad" else None)
r = program(
    """
    fs = S3AMFileSystem(endpoint_url=sys.argv[1])
    try:
        fs.open(sys.argv[2] + "/bad", "wb").close()
    except OSError as e:
        pass
    with fs.open(sys.argv[2] + "/good", "wb") as f:
        f.write(b"x" * (20 << 20))
""",
    p.url,
    b,
)
need(r.rc == 0, r.last)
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
need(parts and not bare, f"{len(bare)} of {len(parts)} later parts went without a checksum")
