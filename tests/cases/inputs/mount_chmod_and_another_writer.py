# what: chmod on a mount, another client replaces the object within the second until it is stored: their time and metadata stay.
# kind: lost-update
# source: none
from kit import *

b = bucket()
put(b, "k", b"v1", Metadata={"mtime": "1000000000", "owner": "v1"})
with Mount(b) as m:
    os.stat(m / "k")
    os.chmod(m / "k", 0o600)
    put(b, "k", b"v2", Metadata={"mtime": "2000000000", "owner": "v2"})
    time.sleep(3)
    told = head(b, "k")["Metadata"]
    need(get(b, "k") == b"v2", "their content is gone")
    need(
        told.get("owner") == "v2" and told.get("mtime", "2000000000").startswith("2000000000"),
        f"their object has the metadata {told}",
    )
