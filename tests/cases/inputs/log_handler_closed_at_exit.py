# what: A logging handler that writes more than one part to s3am:// is closed by logging's own exit hook: the process ends.
# kind: waits-for-ever
# source: fsspec/s3fs#543
# limit: 40
from kit import *

r = program(
    """
    import logging
    class Handler(logging.StreamHandler):
        def close(self):
            self.stream.close()
            super().close()
    logging.getLogger().addHandler(Handler(S3AMFileSystem().open(sys.argv[1], "w")))
    logging.getLogger().warning("x" * (9 << 20))
""",
    f"{bucket()}/log",
    timeout=25,
)
need(not r.hung, "it has not ended 25 s later")
