# what: fs.cat of a small object through a proxy that sends answers in chunks (no Content-Length): the content, or an error, within 25 s.
# kind: waits-for-ever
# source: none
# limit: 40
from kit import *

b = bucket()
put(b, "k", data := b"hello" * 100)
p = proxy(
    after=lambda r, s, h, body: (s, [*h, ("x-chunked", "1")], body) if r.method == "GET" and key_of(r) else (s, h, body)
)
value, e = within(25, lambda: filesystem(p.url).cat_file(f"{b}/k"))
need(e != "hung", "no answer after 25 s")
need(e is not None or value == data, "other content")
