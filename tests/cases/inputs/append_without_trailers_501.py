# what: fs.open(…, "ab") of a large object on a server that takes no checksum trailers (501) works, as a put does.
# kind: server-lacks-a-feature
# source: none
from kit import *

b = bucket()
put(b, "k", data := os.urandom(12 * MIB))
p = proxy(no_trailers())


def append():
    with filesystem(p.url).open(f"{b}/k", "ab") as f:
        f.write(b"more")


value, e = within(45, append)
need(e is None and get(b, "k") == data + b"more", repr(e))
