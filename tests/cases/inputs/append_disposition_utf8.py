# what: fs.open(…, "ab") of an object with a raw UTF-8 Content-Disposition works.
# kind: others-values-as-usage-error
# source: windmill-labs/windmill#7456
from kit import *

b, fs = bucket(), filesystem()
put(b, "a", b"x" * 100, ContentDisposition='attachment; filename="résumé.pdf"')


def append():
    with fs.open(f"{b}/a", "ab") as f:
        f.write(b"more")


value, e = within(40, append)
need(e is None and get(b, "a") == b"x" * 100 + b"more", repr(e))
