# what: An object has rclone's md5chksum in its metadata, fs.open(…, "ab"): the metadata does not keep the MD5 of the old content.
# kind: metadata-carried
# source: rclone/rclone#523
from kit import *

import base64

b, data = bucket(), os.urandom(6 * MIB)
put(b, "k", data, Metadata={"md5chksum": (old := base64.b64encode(hashlib.md5(data).digest()).decode())})
with filesystem().open(f"{b}/k", "ab") as f:
    f.write(b"more")
need(get(b, "k") == data + b"more", "content")
need(head(b, "k")["Metadata"].get("md5chksum") != old, "md5chksum is still that of the old content")
