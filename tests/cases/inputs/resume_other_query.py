# what: An upload of …/download.php?id=1 stops half-way; --resume with …/download.php?id=2 (same size, no validators): never a mixture of the two files.
# kind: source-identity
# source: kevva/download#91
from kit import *

A, B, st = os.urandom(32 * MIB), os.urandom(32 * MIB), {"stop": True}


def source(r):
    if st["stop"] and span(r) and span(r)[0] >= 16 * MIB:
        return 403, [], b""
    return ranged(r, B if "id=2" in r.path else A, etag=None, modified=None)


url, b = Web(source).url + "/download.php", bucket()
s3am("upload", "--download-slots", "1", "--retry-budget", "3", url + "?id=1", f"s3://{b}/k")
need(any(n for _, _, n in unfinished(b)), "nothing is left to resume")
st["stop"] = False
r = s3am("upload", "--resume", url + "?id=2", f"s3://{b}/k")
got = get(b, "k")
need(got is None or not mixture(got, A, B), lambda: f"{r.last}; the object is a mixture: {pieces(got, A, B)}")
