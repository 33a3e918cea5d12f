# what: A parent has an object open for writing; a forked child drops its copy: no half object appears, and what the parent closes is whole or an error.
# kind: fork
# source: none
from kit import *

b = bucket()
r = program(
    """
    import gc
    f = S3AMFileSystem().open(sys.argv[1], "wb")
    f.write(b"p" * 1000)
    pid = os.fork()
    if pid == 0:
        del f
        gc.collect()
        os._exit(0)
    os.waitpid(pid, 0)
    import boto3
    from botocore.config import Config
    c = boto3.client("s3", config=Config(s3={"addressing_style": "path"}))
    try:
        print("early:", c.head_object(Bucket=sys.argv[1].split("/")[0], Key="k")["ContentLength"])
    except Exception:
        print("nothing yet")
    f.write(b"q" * 1000)
    try:
        f.close()
        print("closed")
    except Exception as e:
        print("refused")
    sys.stdout.flush()
    os._exit(0)
""",
    f"{b}/k",
    timeout=40,
)
need(not r.hung, "the parent hangs")
need(
    "early" not in r.out,
    f"half an object is visible before the parent's close ({r.out.split()[1] if 'early' in r.out else ''} bytes)",
)
need("closed" not in r.out or get(b, "k") == b"p" * 1000 + b"q" * 1000, "closed, but not whole")
