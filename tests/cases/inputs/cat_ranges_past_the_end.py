# what: cat_ranges past the end gives the same for one range as for several.
# kind: fsspec-semantics
# source: fsspec/s3fs#487
from kit import *

b, fs = bucket(), filesystem()
put(b, "k", b"0123456789")


def ask(starts, ends):
    try:
        return fs.cat_ranges([f"{b}/k"] * len(starts), starts, ends)[-1]
    except Exception as e:
        return e


one, two = ask([20], [30]), ask([0, 20], [3, 30])
need(repr(one) == repr(two), f"one: {one!r}, of two: {two!r}")
