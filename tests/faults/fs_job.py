"""One put or get of S3AMFileSystem as a process of its own, so that it can be killed.

    python -m tests.faults.fs_job put FILE s3am://BUCKET/KEY
    python -m tests.faults.fs_job get s3am://BUCKET/KEY FILE

Credentials and endpoint come from the environment. An error is one line on stderr and exit code 1, as with `s3am`.
"""

from __future__ import annotations

import sys

from s3amfs import S3AMFileSystem

PART = 5 * 1024 * 1024


def main() -> int:
    verb, source, target = sys.argv[1:]
    fs = S3AMFileSystem(multipart_threshold=PART, part_size=PART, skip_instance_cache=True)
    try:
        if verb == "put":
            fs.put_file(source, target)
        else:
            fs.get_file(source, target)
    except Exception as error:  # noqa: BLE001 - whatever it is, the user is told
        print("error:", " ".join(f"{type(error).__name__} {error}".split()), file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
