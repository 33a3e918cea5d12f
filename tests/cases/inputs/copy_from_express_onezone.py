# what: An object of class EXPRESS_ONEZONE, which other buckets refuse, is copied into one, or at least not refused as a usage error of --storage-class, which nobody gave.
# kind: others-values-as-usage-error
# source: awslabs/mountpoint-s3#667
from kit import *

b = bucket()
put(b, "a", b"x" * 1000)
p = proxy(
    lambda r: (
        s3_error(400, "InvalidStorageClass", "The storage class you specified is not valid")
        if r.headers.get("x-amz-storage-class") == "EXPRESS_ONEZONE"
        else None
    ),
    lambda r, s, h, body: (
        s,
        [*h, ("x-amz-storage-class", "EXPRESS_ONEZONE")] if kind(r) == "Head" and key_of(r) == "a" else h,
        body,
    ),
)
r = s3am("upload", f"s3://{b}/a", f"s3://{b}/c", env={"AWS_ENDPOINT_URL": p.url})
need(r.rc != 2, r.last)
need(r.rc != 0 or get(b, "c") == b"x" * 1000, "exit 0, no copy")
