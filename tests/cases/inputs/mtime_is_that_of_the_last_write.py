# what: A file is written to twice, 1.5 s apart, and closed: its time is that of the last write (find -newer and make go by it).
# kind: times
# source: s3fs-fuse/s3fs-fuse#299
from kit import *

b = bucket()
with Mount(b) as m:
    f = open(m / "k", "wb", buffering=0)
    f.write(b"a")
    time.sleep(1.5)
    between = time.time() - 0.5
    f.write(b"b")
    f.close()
    need(
        os.stat(m / "k").st_mtime > between,
        f"the time is {time.time() - os.stat(m / 'k').st_mtime:.1f} s ago, the last write less than 1 s",
    )
    m.done()
