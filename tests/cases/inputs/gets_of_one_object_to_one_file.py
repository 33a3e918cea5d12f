# what: Four threads fs.get one object to one file at a time (caches and workers do): none fails (s3fs: none), the file is whole.
# kind: fsspec-semantics
# source: none
from kit import *

b, fs, errors = bucket(), filesystem(), []
put(b, "k", data := os.urandom(17 * MIB))


def go():
    try:
        fs.get(f"{b}/k", str(TMP / "same"))
    except Exception as e:
        errors.append(f"{type(e).__name__}: {e}")


threads = [threading.Thread(target=go) for _ in range(4)]
[t.start() for t in threads]
[t.join() for t in threads]
need(not errors, lambda: f"{len(errors)} of 4 fail: {errors[0]}")
need((TMP / "same").read_bytes() == data, "other content")
