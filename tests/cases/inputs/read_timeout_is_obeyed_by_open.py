# what: config_kwargs={"read_timeout": 2, "connect_timeout": 2, "retries": 0}: fs.open from a server that never answers fails within 30 s (s3fs: 3 s).
# kind: waits-for-ever
# source: fsspec/s3fs#318
from kit import *

listener, kept = socket.create_server(("127.0.0.1", 0), backlog=64), []


def silent():
    while True:
        kept.append(listener.accept())


threading.Thread(target=silent, daemon=True).start()
r = program(
    """
    fs = S3AMFileSystem(endpoint_url=sys.argv[1], config_kwargs={"read_timeout": 2, "connect_timeout": 2, "retries": {"max_attempts": 0}})
    fs.retries = 1
    fs.open('b/k').read()
""",
    f"http://127.0.0.1:{listener.getsockname()[1]}",
    timeout=30,
)
need(not r.hung, "no error after 30 s")
need(r.rc != 0, "no error")
