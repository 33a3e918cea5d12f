# what: s3am umount ends where the daemon has a PID namespace of its own (a container beside).
# kind: waits-for-ever
# source: kubernetes/kubernetes#123934
# limit: 50
from kit import *

if os.geteuid() != 0 or not shutil.which("unshare"):
    cannot("needs root and unshare")
b, shared = bucket(), TMP / "shared"
shared.mkdir()
if run(["mount", "--bind", shared, shared]).rc or run(["mount", "--make-shared", shared]).rc:
    cannot("no bind mounts here")
d = shared / "m"
d.mkdir()
q = subprocess.Popen(
    [
        "unshare",
        "--pid",
        "--fork",
        "--mount-proc",
        "--propagation",
        "unchanged",
        S3AM,
        "mount",
        "--foreground",
        f"s3://{b}",
        d,
    ],
    stdout=subprocess.DEVNULL,
    stderr=subprocess.DEVNULL,
)
if not wait_for(lambda: mounted(d), 20):
    cannot("it does not mount in a PID namespace")
r = s3am("umount", d, timeout=20)
need(not r.hung, f"no answer after 20 s (still mounted: {mounted(d)})")
need(r.rc == 0 and not mounted(d) or r.rc != 0 and r.err.startswith("error: "), r.last)
