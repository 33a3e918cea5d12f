# what: --expect-sha256 deadbeef (too short for one) is a usage error before anything is stored.
# kind: usage-noticed-late
# source: none
from kit import *

b = bucket()
p = proxy()
r = s3am(
    "upload", "--expect-sha256", "deadbeef", file("f", os.urandom(MIB)), f"s3://{b}/k", env={"AWS_ENDPOINT_URL": p.url}
)
need(r.rc == 2 and not p.of("Put", "UploadPart"), r.last)
