# what: fs.open(…, "ab") of a small object, somebody else replaces it before the PUT: theirs is still in it, or close fails and theirs stays.
# kind: lost-update
# source: none
from kit import *

b, p = bucket(), slow(["Put", "Complete"])
put(b, "k", b"o" * 100)
fs, box = filesystem(p.url), []


def append():
    try:
        with fs.open(f"{b}/k", "ab") as f:
            f.write(b"more")
        box.append("close succeeded")
    except OSError as e:
        box.append(repr(e))


t = threading.Thread(target=append)
t.start()
need(p.held.wait(30), "no PUT or Complete")
put(b, "k", b"THEIRS")
t.join()
need(b"THEIRS" in get(b, "k"), f"{box}; theirs is lost")
