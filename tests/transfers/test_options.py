"""What options imply."""

from __future__ import annotations

import pytest

from s3amfs.core.expected import NOTHING, WHATEVER, this_etag
from s3amfs.core.ssec import CustomerKey
from s3amfs.transfers.options import DownloadOptions, UploadOptions


def test_what_stands_under_the_name() -> None:
    assert UploadOptions().expects == NOTHING
    assert UploadOptions(exists="skip").expects == NOTHING
    assert UploadOptions(exists="overwrite").expects == WHATEVER
    assert UploadOptions(exists="overwrite", expected=this_etag("e")).expects == this_etag("e")


@pytest.mark.parametrize(
    ("down", "up", "slots"), [(None, None, None), (3, None, 3), (None, 4, 4), (3, 4, 3), (5, 4, 4)]
)
def test_slots_of_a_relay_are_the_fewer(down: int | None, up: int | None, slots: int | None) -> None:
    assert UploadOptions(download_slots=down, upload_slots=up).slots == slots


def test_keys_are_not_shown() -> None:
    key = CustomerKey(b"k" * 32)
    assert "source_key" not in repr(UploadOptions(source_key=key))
    assert "customer_key" not in repr(DownloadOptions(customer_key=key))


def test_nothing_is_replaced_or_resumed_unless_it_is_said() -> None:
    up, down = UploadOptions(), DownloadOptions()
    assert (up.unfinished, up.exists, up.dry_run, up.bwlimit) == ("refuse", "refuse", False, 0)
    assert (down.file_exists, down.download_exists, down.wait, down.sparse, down.follow_link) == (
        ("refuse", "refuse", False, False, True)
    )
    assert (down.dry_run, down.bwlimit) == (False, 0)
