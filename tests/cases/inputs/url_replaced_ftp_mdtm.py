# what: A file on an FTP server is replaced (same size, newer MDTM) while it is uploaded in ranges: the object is one version, or there is none.
# kind: source-identity
# source: xroche/httrack#830
from kit import *

A, B, n = os.urandom(32 * MIB), os.urandom(32 * MIB), itertools.count()
f = Ftp(A)
f.answers["MDTM"] = lambda _: "213 20260105100000" if f.data is A else "213 20260106100000"


def retr(_):
    if next(n) > 2:
        f.data = B


f.answers["RETR"] = retr
b = bucket()
r = s3am("upload", "--download-slots", "1", f.url, f"s3://{b}/k")
got = get(b, "k")
need(got is None or not mixture(got, A, B), lambda: f"{r.last}; the object is a mixture: {pieces(got, A, B)}")
need(r.rc != 0 or got is not None, "exit 0 and no object")
