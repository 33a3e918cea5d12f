# what: A file gets another content of the same size and, as by cp -p, the same mtime: its ctime has changed (backup tools go by it).
# kind: times
# source: restic/restic#2179
from kit import *

b = bucket()
with Mount(b) as m:

    def write(data):
        (m / "f").write_bytes(data)
        os.utime(m / "f", (1_600_000_000, 1_600_000_000))
        time.sleep(1.6)
        return os.stat(m / "f")

    one, two = write(b"AAAA"), write(b"BBBB")
    m.done()
need(
    one.st_ctime != two.st_ctime or one.st_mtime != two.st_mtime or one.st_ino != two.st_ino,
    f"ctime {one.st_ctime} both times",
)
