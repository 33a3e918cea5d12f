"""Extended attributes: facts of an object."""

from __future__ import annotations

from s3amfs.mount.xattrs import NAMESPACE_XATTR, PID_XATTR, STATUS_XATTR, SYNC_XATTR, XATTRS
from s3amfs.transfers.options import ObjectInfo


def test_facts_of_an_object() -> None:
    info = ObjectInfo(size=1, etag="e", content_type="text/plain", checksums={"crc32c": "AAAAAA=="})
    assert {name: fact(info) for name, fact in XATTRS.items()} == {
        "user.s3am.etag": "e",
        "user.s3am.content-type": "text/plain",
        "user.s3am.checksum": "crc32c:AAAAAA==",
    }
    assert [fact(ObjectInfo(size=1, etag="")) for fact in XATTRS.values()] == ["", "", ""]


def test_those_of_the_root_are_no_objects_facts() -> None:
    assert not XATTRS.keys() & {PID_XATTR, NAMESPACE_XATTR, STATUS_XATTR, SYNC_XATTR}
