# what: A process changes a file on a mount through a memory map and closes it while another one has it open for reading: what close confirmed is in S3.
# kind: close-is-the-commit
# source: none
from kit import *

b = bucket()
put(b, "k", b"o" * MIB)
with Mount(b) as m:
    reader = subprocess.Popen(["sleep", "40"], stdin=open(m / "k", "rb"))
    r = run(
        [
            PY,
            "-c",
            "import mmap,sys\nf=open(sys.argv[1],'r+b'); a=mmap.mmap(f.fileno(),0); a[:7]=b'CHANGED'; a.close(); f.close()",
            m / "k",
        ]
    )
    need(r.rc == 0 or "Error" in r.err, r.last)
    time.sleep(1)
    got = get(b, "k")[:7]
    reader.kill()
    need(r.rc != 0 or got == b"CHANGED", f"close returned 0; S3 has {got}")
