"""Objects of archive classes: listed as any other; reading them is EIO, and the log says what to do."""

from __future__ import annotations

import errno

import pytest

from tests.mount.conftest import Stored
from tests.support.faults import Rule, error
from tests.support.mounts import Mount
from tests.support.proxy import FaultProxy


def test_reading_an_archived_object_names_restore_in_the_log(watched: Mount, proxy: FaultProxy, stored: Stored) -> None:
    stored.put("cold", b"in the archive")
    proxy.rules.append(Rule(("Get", "GetRange"), error(403, "InvalidObjectState"), times=None))
    assert (watched / "cold").stat().st_size == 14
    with pytest.raises(OSError) as found:
        (watched / "cold").read_bytes()
    assert found.value.errno == errno.EIO
    assert "restore" in watched.log.read_text()
