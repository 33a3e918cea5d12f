# what: A Python process that has imported from a folder on a mount can import a module written there two seconds later.
# kind: times
# source: kahing/goofys#219
from kit import *

b = bucket()
with Mount(b) as m:
    (m / "mods").mkdir()
    (m / "mods/a1.py").write_text("x = 1\n")
    r = run(
        [
            PY,
            "-c",
            "import sys,time\nd=sys.argv[1]; sys.path.insert(0,d)\nimport a1\ntime.sleep(1.5)\nopen(d+'/b2.py','w').write('y=2\\n')\ntime.sleep(1.5)\nimport b2\nprint(b2.y)",
            m / "mods",
        ]
    )
    m.done()
need(r.out.strip() == "2", r.last)
