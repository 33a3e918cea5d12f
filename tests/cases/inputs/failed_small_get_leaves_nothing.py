# what: A progress callback raises while a small object is fetched: the error comes out, nothing is left under the target's name.
# kind: fsspec-semantics
# source: none
from kit import *

from fsspec.callbacks import Callback


class Bad(Callback):
    def relative_update(self, inc=1):
        raise RuntimeError("cancelled")

    def absolute_update(self, value):
        raise RuntimeError("cancelled")


b, fs = bucket(), filesystem()
put(b, "k", b"x" * 10)
try:
    fs.get_file(f"{b}/k", str(TMP / "o"), callback=Bad())
except RuntimeError:
    need(not (TMP / "o").exists(), "the error came out, the file is there")
