"""What probes leave behind: nothing, old versions included; and where nothing may be stored."""

from __future__ import annotations

from collections.abc import Callable

from s3amfs.demo.seaweed import SeaweedServer
from tests.conftest import boto_client
from tests.support.examined import examine, lax, lax_bucket
from tests.support.faults import Fault, Recorded, Rule, answer
from tests.support.proxy import FaultProxy

__all__ = ["lax", "lax_bucket"]


def _asks(what: str) -> Callable[[Recorded], bool]:
    return lambda request: what in request.query


def _xml(root: str, inner: str) -> Fault:
    return answer(200, f"<{root}>{inner}</{root}>".encode(), {"Content-Type": "application/xml"})


def test_old_versions_go_as_well(lax: str, lax_bucket: str) -> None:
    boto = boto_client(lax, "key", "secret")
    boto.put_bucket_versioning(Bucket=lax_bucket, VersioningConfiguration={"Status": "Enabled"})
    assert examine(lax, lax_bucket, "key", "secret")["versioning"] == "yes"
    left = boto.list_object_versions(Bucket=lax_bucket)
    assert "Versions" not in left
    assert "DeleteMarkers" not in left


def test_nothing_is_stored_where_it_would_be_locked(s3: SeaweedServer, bucket: str, proxy: FaultProxy) -> None:
    proxy.rules.append(Rule(_asks("versioning"), _xml("VersioningConfiguration", "<Status>Enabled</Status>")))
    lock = "<Rule><DefaultRetention><Mode>COMPLIANCE</Mode><Days>9</Days></DefaultRetention></Rule>"
    proxy.rules.append(Rule(_asks("object-lock"), _xml("ObjectLockConfiguration", lock)))
    found = examine(proxy.endpoint_url, bucket, s3.access_key, s3.secret_key)
    assert found["object-lock"] == "yes"
    assert found["put"] == "unknown"
    assert not [request for request in proxy.requests if request.method in ("PUT", "POST")]
