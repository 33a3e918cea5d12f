"""`--track-renames`: what has moved at the source is moved at the target, and not sent again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.support.trees import make_tree, read_prefix, read_tree


def test_renames_are_made_at_the_target(run: Any, tmp_path: Path, new_bucket: Any, boto: Any) -> None:
    one, other = new_bucket(), new_bucket()
    src = make_tree(tmp_path / "src", {"old/f": b"content", "stays": b"s", "new": b"n"})
    options = {"delete": True, "track_renames": True}
    for source, target in ((src, f"s3://{one}"), (f"s3://{one}", f"s3://{other}"), (f"s3://{one}", tmp_path / "dst")):
        assert run(source, target, **options).rc == 0
    (src / "old/f").rename(src / "moved")
    make_tree(src, {"fresh": b"another"})
    foretold = run(src, f"s3://{one}", dry_run=True, **options)
    up = run(src, f"s3://{one}", **options)
    assert (up.rc, up.did()) == (0, {"moved": "rename", "fresh": "upload", "old/f": "delete"})
    assert (foretold.rc, foretold.did()) == (0, up.did())
    across = run(f"s3://{one}", f"s3://{other}", **options)
    assert (across.rc, across.did()) == (0, {"moved": "rename", "fresh": "copy", "old/f": "delete"})
    foretold = run(f"s3://{one}", tmp_path / "dst", dry_run=True, **options)
    down = run(f"s3://{one}", tmp_path / "dst", **options)
    assert (down.rc, down.did()) == (0, {"moved": "rename", "fresh": "download"})
    assert (foretold.rc, foretold.did()) == (0, down.did())
    wanted = {"moved": b"content", "stays": b"s", "new": b"n", "fresh": b"another"}
    assert read_prefix(boto, one) == read_prefix(boto, other) == read_tree(tmp_path / "dst") == wanted
    assert run(f"s3://{one}", tmp_path / "dst", **options).did() == {}
