# what: Unpublished changes of a mount whose spool is not reachable just now (a disk that is not mounted) are still publishable after `s3am pending` of another bucket.
# kind: deletes-what-is-not-its-own
# source: none
from kit import *

b, other = bucket(), bucket()
put(b, "big", b"0" * (20 * MIB))
spool = TMP / "spool"
spool.mkdir()
with Mount(b, "--spool-dir", spool) as m:
    daemon = m.daemon
    g = open(m / "big", "r+b")
    g.seek(5 * MIB)
    g.write(b"CHANGED")
    g.flush()
    os.kill(daemon, 9)
    time.sleep(0.5)
    with contextlib.suppress(OSError):
        g.close()
    subprocess.run(["fusermount3", "-u", "-z", m.directory])
left = list(spool.iterdir())
if not left:
    cannot("nothing is kept in the spool folder: not the way this mount works")
away = spool.rename(TMP / "spool.away")
s3am("pending", f"s3://{other}")
away.rename(spool)
r = s3am("upload", "--resume", left[0], f"s3://{b}/big")
need(r.rc == 0 and get(b, "big")[5 * MIB : 5 * MIB + 7] == b"CHANGED", r.last)
