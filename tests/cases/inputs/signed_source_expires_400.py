# what: A signed source URL expires half-way (400 ExpiredToken): the error names the source, whose URL has to be renewed.
# kind: who-is-blamed
# source: common-voice/common-voice#3325
from kit import *

n, s, data = itertools.count(), Fake(), os.urandom(32 * MIB)
w = Web(lambda r: s3_error(400, "ExpiredToken", "The provided token has expired.") if next(n) > 2 else ranged(r, data))
r = s3am(
    "upload",
    "--retry-budget",
    "5",
    "--download-slots",
    "1",
    w.url + "/file.bam?X-Amz-Signature=1",
    "s3://bkt/x",
    env=s.env,
)
need(r.rc not in (0, None), r.last)
need(f":{w.port}/" in r.err or "source" in r.err, r.last)
