# what: A program that fails while an object is open for writing (20 MiB written) ends.
# kind: waits-for-ever
# source: fsspec/filesystem_spec#1685
# limit: 40
from kit import *

r = program(
    "f = S3AMFileSystem().open(sys.argv[1], 'wb')\nf.write(b'x' * (20 << 20))\n1 / 0", f"{bucket()}/k", timeout=20
)
need(not r.hung, "it has not ended 20 s later")
