# what: truncate -s 100G of a new file on a mount ends within 12 s, or can be killed.
# kind: waits-for-ever
# source: s3fs-fuse/s3fs-fuse#1776
# limit: 50
from kit import *


def refuse(r):
    if kind(r) == "UploadPart" and "x-amz-trailer" not in r.headers:
        time.sleep(1)
    return no_trailers()(r)


s = Fake(refuse=refuse, keep=False)
with Mount("bkt", endpoint=s.url) as m:
    daemon = m.daemon
    q = subprocess.Popen(["truncate", "-s", "100G", m / "f"], stderr=subprocess.DEVNULL)
    try:
        q.wait(12)
    except subprocess.TimeoutExpired:
        q.kill()
        try:
            q.wait(8)
        except subprocess.TimeoutExpired:
            os.kill(daemon, 9)
            wrong("20 s later it still runs, 8 s after kill -9")
    os.kill(daemon, 9)
