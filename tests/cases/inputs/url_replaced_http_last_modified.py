# what: A web file without ETag is replaced (same size, newer Last-Modified) while it is uploaded in ranges: the object is one version, or there is none.
# kind: source-identity
# source: halilozercan/pget#10
from kit import *

A, B, n = os.urandom(32 * MIB), os.urandom(32 * MIB), itertools.count()


def source(r):
    new = next(n) > 2
    return ranged(r, B if new else A, etag=None, modified=JANUARY[new])


b = bucket()
r = s3am("upload", "--download-slots", "1", Web(source).url + "/f.bam", f"s3://{b}/k")
got = get(b, "k")
need(got is None or not mixture(got, A, B), lambda: f"{r.last}; the object is a mixture: {pieces(got, A, B)}")
need(r.rc != 0 or got is not None, "exit 0 and no object")
