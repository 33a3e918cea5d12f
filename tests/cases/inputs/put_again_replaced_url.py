# what: fs.put of a URL without validators fails half-way, the file there is replaced (same size), the same put again: the object is what is there now.
# kind: source-identity
# source: xroche/httrack#823
from kit import *

A, B = os.urandom(32 * MIB), os.urandom(32 * MIB)
st = {"stop": True, "data": A}


def source(r):
    if st["stop"] and span(r) and span(r)[0] >= 16 * MIB:
        return 403, [], b""
    return ranged(r, st["data"], etag=None, modified=None)


url, b, fs = Web(source).url + "/f.bam", bucket(), filesystem(slots=1)
with contextlib.suppress(OSError):
    fs.put(url, f"s3am://{b}/k")
    wrong("the first put did not fail")
st.update(stop=False, data=B)
try:
    fs.put(url, f"s3am://{b}/k")
except OSError:
    pass
got = get(b, "k")
need(got in (None, B), lambda: f"the object is a mixture: {pieces(got, A, B)}")
