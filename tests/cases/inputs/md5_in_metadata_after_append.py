# what: An object has rclone's md5chksum in its metadata, >> on a mount: the metadata does not keep the MD5 of the old content (rclone would call it corrupted).
# kind: metadata-carried
# source: rclone/rclone#4855
from kit import *

import base64

b, data = bucket(), os.urandom(6 * MIB)
put(b, "k", data, Metadata={"md5chksum": (old := base64.b64encode(hashlib.md5(data).digest()).decode())})
with Mount(b) as m:
    e = edit(m / "k", "ab", b"more")
    need(e is None, f"close: {e}")
    m.done()
need(get(b, "k") != data, "the content is still the old one")
need(head(b, "k")["Metadata"].get("md5chksum") != old, "md5chksum is still that of the old content")
