"""A body from memory, and a short reply as it comes."""

from __future__ import annotations

from s3amfs.wire.curl.streams import BytesReader, Chunks


def test_a_body_is_read_in_pieces_to_its_end() -> None:
    reader = BytesReader(b"abcde")
    assert [reader.read(2), reader.read(2), reader.read(2), reader.read(2)] == [b"ab", b"cd", b"e", b""]


def test_a_body_can_be_read_again() -> None:
    reader = BytesReader(memoryview(b"abc"))
    assert reader.read(2) == b"ab"
    assert reader.rewind() is True
    assert reader.read(10) == b"abc"


def test_chunks_are_a_list_with_a_limit() -> None:
    chunks = Chunks(7)
    chunks.append(b"a")
    assert (chunks, chunks.most) == ([b"a"], 7)
