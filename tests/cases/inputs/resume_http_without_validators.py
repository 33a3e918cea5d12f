# what: An upload of a web file that gives neither ETag nor Last-Modified stops half-way, the file is replaced (same size), --resume: never a mixture.
# kind: source-identity
# source: cavaliergopher/grab#18
from kit import *

A, B = os.urandom(32 * MIB), os.urandom(32 * MIB)
st = {"stop": True, "data": A}


def source(r):
    if st["stop"] and span(r) and span(r)[0] >= 16 * MIB:
        return 403, [], b""
    return ranged(r, st["data"], etag=None, modified=None)


url, b = Web(source).url + "/f.bam", bucket()
s3am("upload", "--download-slots", "1", "--retry-budget", "3", url, f"s3://{b}/k")
need(any(n for _, _, n in unfinished(b)), "nothing is left to resume")
st.update(stop=False, data=B)
r = s3am("upload", "--resume", url, f"s3://{b}/k")
got = get(b, "k")
need(got is None or not mixture(got, A, B), lambda: f"{r.last}; the object is a mixture: {pieces(got, A, B)}")
need(r.rc != 0 or got == B, "exit 0, but not the file that is there")
