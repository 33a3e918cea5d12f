# what: A pipe of 4,200 MiB to a server that wants all parts equal (Cloudflare R2): stored, or the error says which option does it (--part-size).
# kind: server-lacks-a-feature
# source: apache/opendal#2904
# limit: 400
# marks: slow
from kit import *

s = Fake(equal_parts=True, keep=False)
p = subprocess.Popen(
    f"head -c {4200 << 20} /dev/zero | {S3AM} upload --checksum none - s3://bkt/y",
    shell=True,
    env={**os.environ, **s.env},
    stdout=subprocess.PIPE,
    stderr=subprocess.PIPE,
)
r = finish(p, 380)
need(r.rc == 0 or "--part-size" in r.err, r.last)
