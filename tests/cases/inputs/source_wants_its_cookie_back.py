# what: A site that redirects until it gets its cookie back: the file arrives, or the error speaks of a cookie.
# kind: first-contact
# source: OSGeo/gdal#1000
# marks: judgement
from kit import *

w, b, data = (
    Web(
        lambda r: (
            (302, [("Location", r.path), ("Set-Cookie", "seen=1; Path=/")], b"")
            if "seen=1" not in (r.headers.get("Cookie") or "")
            else ranged(r, data)
        )
    ),
    bucket(),
    os.urandom(MIB),
)
r = s3am("upload", "--retry-budget", "10", w.url + "/f.bam", f"s3://{b}/k")
need(r.rc == 0 and get(b, "k") == data or "cookie" in r.err.lower(), r.last)
