# what: touch on a mount keeps the object's SSE-KMS encryption and key (s3fs-fuse does), or fails.
# kind: metadata-carried
# source: none
from kit import *

use_moto()
b, key = bucket(), "arn:aws:kms:us-east-1:123456789012:key/k1"
put(b, "k", b"body" * 3000, ServerSideEncryption="aws:kms", SSEKMSKeyId=key)
with Mount(b) as m:
    with contextlib.suppress(OSError):
        os.utime(m / "k", (1e9, 1e9))
    time.sleep(2)
    m.umount()
h = head(b, "k") or head(b, "k")
need(
    h and h.get("ServerSideEncryption") == "aws:kms" and h.get("SSEKMSKeyId") == key,
    lambda: f"now {h.get('ServerSideEncryption')}, key {h.get('SSEKMSKeyId')}",
)
