# what: root unmounts in an image without the program fusermount3, or is told to use umount.
# kind: mount-lifecycle
# source: none
# marks: judgement
from kit import *

if os.geteuid() != 0 or not shutil.which("unshare"):
    cannot("needs root and unshare")
b = bucket()
d = TMP / "m"
d.mkdir()
r = run(
    [
        "unshare",
        "-m",
        "bash",
        "-c",
        f"""
for f in $(command -v fusermount3) $(command -v fusermount); do mount --bind /dev/null $f; done
{S3AM} mount s3://{b} {d} || exit 77
{S3AM} umount {d}; rc=$?
mountpoint -q {d} && umount -l {d}
exit $rc""",
    ]
)
if r.rc == 77:
    cannot("it does not mount so")
if "cannot change root filesystem propagation" in r.err:
    cannot("the root here is no mount of its own (chroot): it can't have a mount namespace")
need(r.rc == 0 or re.search("umount", r.err), r.last)
