# what: A program saves a file by rename while a local process has it open: another client finds the object at every moment.
# kind: mount-rename
# source: s3fs-fuse/s3fs-fuse#1453
from kit import *

b = bucket()
put(b, "conf", b"v0" * 100_000)
gone, looks, stop = [], [0], threading.Event()


def look():
    other = client()
    while not stop.is_set():
        looks[0] += 1
        try:
            other.head_object(Bucket=b, Key="conf")
        except ClientError:
            gone.append(1)


with Mount(b) as m:
    t = threading.Thread(target=look)
    t.start()
    for i in range(12):
        with open(m / "conf", "rb") as f:
            f.read(10)
            (m / "conf.new").write_bytes(b"v%d" % i * 100_000)
            os.rename(m / "conf.new", m / "conf")
    stop.set()
    t.join()
    m.done()
need(not gone, f"{len(gone)} of {looks[0]} looks found no object")
