# what: A server whose ETags are empty: the result does not claim that MD5s or ETags were compared.
# kind: false-proof
# source: storj/storj#3761
from kit import *

s = Fake(etag=lambda h: "", part_etag=lambda h: "", refuse=no_trailers())
r = s3am("upload", "--json", file("f", data := os.urandom(20 * MIB)), "s3://bkt/k", env=s.env)
proofs = [json.loads(line).get("proof") or "" for line in r.out.splitlines() if line.startswith("{")]
need(
    r.rc != 0
    or not any(re.search("MD5|ETag", p) and not re.search(r"\b(no|not|none|empty|without)\b", p) for p in proofs),
    lambda: f"exit 0, proof: {proofs[-1]}",
)
