"""What a new object keeps: metadata about the bytes goes with the bytes, the rest stays."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3amfs.core.kept import class_of_copy, describes_content, of_other_content

NAMES = st.text("abcdefghijklmnopqrstuvwxyz0123456789-_", min_size=1, max_size=20)


@pytest.mark.parametrize(
    "name",
    [
        *("md5chksum", "md5", "content-md5", "Content_MD5", "sha256", "sha-256", "sha256sum", "x-sha1-hex", "crc32c"),
        *("etag", "blake3", "b3sum", "checksum", "content-hash", "goog-md5-hash", "xxh64", "quickxorhash"),
    ],
)
def test_names_about_the_bytes(name: str) -> None:
    assert describes_content(name)


@pytest.mark.parametrize(
    "name", ["mtime", "mode", "uid", "gid", "owner", "md5-author", "hashtag", "shade", "digestive", "title", "crcs"]
)
def test_names_about_the_object(name: str) -> None:
    assert not describes_content(name)


@given(st.dictionaries(NAMES, st.text("ab", max_size=3)))
def test_other_content_keeps_all_else_and_twice_is_once(metadata: dict[str, str]) -> None:
    left = of_other_content(metadata)
    assert left.items() <= metadata.items()
    assert all(describes_content(name) for name in metadata.keys() - left.keys())
    assert of_other_content(left) == left


def test_s3cmd_keeps_all_in_one_value() -> None:
    value = "atime:1/ctime:2/gid:0/md5:0cc175b9c0f1b6a831c399e269772661/mode:33188"
    assert of_other_content({"s3cmd-attrs": value}) == {"s3cmd-attrs": "atime:1/ctime:2/gid:0/mode:33188"}


@pytest.mark.parametrize("name", ["STANDARD", "GLACIER", "DEEP_ARCHIVE", "EXPRESS_ONEZONE", None])
def test_classes_that_a_copy_is_not_asked_to_have(name: str | None) -> None:
    assert class_of_copy(name) is None


@pytest.mark.parametrize("name", ["STANDARD_IA", "INTELLIGENT_TIERING", "GLACIER_IR", "REDUCED_REDUNDANCY"])
def test_classes_that_are_kept(name: str) -> None:
    assert class_of_copy(name) == name
