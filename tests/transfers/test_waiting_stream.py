"""A pipe that is non-blocking is read to its end."""

from __future__ import annotations

import io
import os
import threading

from s3amfs.transfers.waiting_stream import WaitingStream


def test_what_comes_late_is_waited_for() -> None:
    receive, send = os.pipe()
    os.set_blocking(receive, False)
    asked = threading.Event()

    def feed() -> None:
        for _ in range(5):
            assert asked.wait(30)
            asked.clear()
            os.write(send, b"x" * 1000)
        assert asked.wait(30)
        os.close(send)

    thread = threading.Thread(target=feed)
    thread.start()
    got = b""
    with open(receive, "rb") as stream:
        waiting = WaitingStream(stream)
        while True:
            asked.set()  # nothing is there yet, as far as we know
            data = waiting.read(700)
            if not data:
                break
            got += data
    thread.join()
    assert got == b"x" * 5000


def test_what_has_no_descriptor_is_read_as_it_is() -> None:
    waiting = WaitingStream(io.BytesIO(b"abc"))
    assert [waiting.read(2), waiting.read(2), waiting.read(2)] == [b"ab", b"c", b""]
