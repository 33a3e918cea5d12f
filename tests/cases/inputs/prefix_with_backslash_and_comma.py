# what: s3am mount 's3://bucket/c\,allow_other' does not hand allow_other to the kernel.
# kind: hostile-values
# source: none
from kit import *

b = bucket()
m = Mount(f"s3://{b}/c\\,allow_other")
if m.result.rc == 0:
    line = next(line for line in open("/proc/self/mountinfo") if f" {m.directory} " in line)
    need(
        "allow_other" not in line.split(" - ")[1].split()[2].split(","),
        f"mounted with {line.split(' - ')[1].split()[2]}",
    )
    m.done()
