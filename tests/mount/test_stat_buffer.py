"""struct stat as mfusepy writes it."""

from __future__ import annotations

import ctypes
import stat

import mfusepy
import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3amfs.mount.stat_buffer import StatWriter

WRITER = StatWriter(mfusepy.c_stat, mfusepy.c_timespec)

TIMES = st.integers(-(2**62), 2**62)


@given(
    mode=st.integers(0, 0o7777),
    size=st.integers(0, 2**62),
    ids=st.integers(0, 2**32 - 1),
    times=st.tuples(TIMES, TIMES, TIMES),
)
def test_it_is_what_mfusepy_writes(mode: int, size: int, ids: int, times: tuple[int, int, int]) -> None:
    attributes = {
        "st_mode": stat.S_IFREG | mode,
        "st_size": size,
        "st_mtime": times[0],
        "st_ctime": times[1],
        "st_atime": times[2],
        "st_nlink": 1,
        "st_uid": ids,
        "st_gid": ids // 2,
        "st_blocks": -(-size // 512),
        "st_blksize": 4096,
    }
    theirs, ours = mfusepy.c_stat(), mfusepy.c_stat()
    ctypes.memset(ctypes.addressof(ours), 0xAB, ctypes.sizeof(ours))
    mfusepy.set_st_attrs(theirs, attributes, use_ns=True)
    WRITER.write(ctypes.pointer(ours), attributes)
    assert bytes(ours) == bytes(theirs)


def test_what_is_left_out_is_an_error() -> None:
    with pytest.raises(KeyError):
        WRITER.write(ctypes.pointer(mfusepy.c_stat()), {"st_mode": 0})
