"""One suite for every S3 server that runs here (`make servers` builds more).

Expectations depend on what a server was seen to have, never on its name: content is always right, and what it lacks is
said or gone round.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from s3amfs.core.findings import CAPABILITIES
from s3amfs.core.locations import LocalPath
from s3amfs.core.patch import Ranges, plan_patch
from s3amfs.core.ssec import CustomerKey
from s3amfs.errors import (
    AccessDenied,
    EncryptionKeyError,
    ObjectExists,
    S3AMError,
    SourceChanged,
    Unsupported,
    UploadGone,
)
from s3amfs.objects.appender import Appender
from s3amfs.objects.patch import patch
from s3amfs.objects.ranges import Pinned
from s3amfs.transfers.options import DownloadOptions, ObjectOptions, UploadOptions
from s3amfs.transfers.probe import MAX_REQUESTS
from s3amfs.verbs.cancel import cancel
from s3amfs.verbs.download import download
from s3amfs.verbs.pending import pending
from s3amfs.verbs.upload import upload
from s3amfs.verbs.verify import verify
from tests.servers.conftest import Service, examined
from tests.support.clients import PART
from tests.support.faults import Recorded, Rule, delay, error
from tests.support.files import content

LARGE = content(2 * PART + 1000, 1)
SMALL = content(1000, 2)
IN_PARTS = UploadOptions(part_size=PART, upload_slots=2)
KEPT = ObjectOptions(content_type="text/x-kept", metadata={"mine": "kept"})


def local(service: Service, name: str, data: bytes) -> LocalPath:
    path = service.folder / name
    path.write_bytes(data)
    return LocalPath(str(path))


@pytest.mark.parametrize("data", [b"", SMALL, LARGE], ids=["empty", "small", "parts"])
def test_upload_and_download(service: Service, data: bytes) -> None:
    source, where = local(service, "f", data), service.at("folder/k é+ %.bin")
    options = replace(IN_PARTS, object=KEPT)
    upload(source, where, service.client, options, on_event=service.events)
    assert service.stored(where.key) == data
    assert service.described(where.key) == ("text/x-kept", {"mine": "kept"})
    with pytest.raises(ObjectExists):
        upload(source, where, service.client, options)
    upload(source, where, service.client, replace(options, exists="overwrite"))
    out = service.folder / "out"
    download(where, LocalPath(str(out)), service.client, DownloadOptions(part_size=PART))
    assert out.read_bytes() == data
    assert service.unfinished() == []


def test_what_is_stored_is_verified(service: Service) -> None:
    upload(local(service, "f", LARGE), service.at("k"), service.client, IN_PARTS)
    assert verify(service.at("k"), service.client) == hashlib.md5(LARGE, usedforsecurity=False).hexdigest()


@pytest.mark.parametrize("data", [SMALL, LARGE], ids=["small", "parts"])
def test_copy(service: Service, data: bytes) -> None:
    service.put("a", data)
    upload(service.at("a"), service.at("b"), service.client, IN_PARTS, on_event=service.events)
    assert service.stored("b") == data
    assert service.described("b") == ("text/x-kept", {"mine": "kept"})
    if service.has["copy" if data is SMALL else "part-copy"]:
        assert not [warning for warning in service.events.warnings if "relayed" in warning]
    assert service.unfinished() == []


def test_resume(service: Service) -> None:
    source, where, one = local(service, "f", LARGE), service.at("k"), replace(IN_PARTS, upload_slots=1)
    service.proxy.rules.append(Rule(lambda request: request.part_number == 2, error(403, "AccessDenied")))
    with pytest.raises(AccessDenied):
        upload(source, where, service.client, one)
    assert service.keys() == []
    service.proxy.clear()
    result = upload(source, where, service.connect(), replace(one, unfinished="resume"), on_event=service.events)
    sent = {part.part_number for part in service.proxy.of("UploadPart") if part.body_length > 1}
    assert sent == ({2, 3} if service.has["list-parts"] else {1, 2, 3}), result
    assert service.stored("k") == LARGE
    assert service.unfinished() == []


@pytest.mark.parametrize("base", [b"", SMALL, LARGE], ids=["empty", "small", "parts"])
def test_append(service: Service, base: bytes) -> None:
    service.put("k", base)
    pinned = Pinned(service.client, service.at("k"), service.client.head(service.bucket, "k"))
    writer = Appender(pinned, replace(IN_PARTS, exists="overwrite"), on_event=service.events)
    writer.write(b"more")
    writer.close()
    assert service.stored("k") == base + b"more"
    assert service.described("k") == ("text/x-kept", {"mine": "kept"})
    assert service.unfinished() == []


def test_an_append_to_what_somebody_else_has_changed(service: Service) -> None:
    service.boto.put_object(Bucket=service.bucket, Key="k", Body=SMALL)
    pinned = Pinned(service.client, service.at("k"), service.client.head(service.bucket, "k"))
    writer = Appender(pinned, replace(IN_PARTS, exists="overwrite"))
    writer.write(b"more")
    service.boto.put_object(Bucket=service.bucket, Key="k", Body=b"theirs")
    with pytest.raises(SourceChanged):
        writer.close()
    assert service.stored("k") == b"theirs"


def test_patch(service: Service) -> None:
    """Seven bytes in the middle; where the server copies no parts this is said, and the object stays."""
    service.boto.put_object(Bucket=service.bucket, Key="k", Body=LARGE)
    pinned = Pinned(service.client, service.at("k"), service.client.head(service.bucket, "k"))
    at, spool = 2 * PART + 10, service.folder / "spool"
    plan = plan_patch(
        Ranges([(at, at + 7)]), base_size=len(LARGE), base_valid=len(LARGE), size=len(LARGE), part_size=PART
    )
    new = LARGE[:at] + b"changed" + LARGE[at + 7 :]
    spool.write_bytes(new)
    try:
        patch(pinned, str(spool), plan, replace(IN_PARTS, exists="overwrite"))
    except Unsupported:
        assert not service.has["part-copy"]
        new = LARGE
    assert service.stored("k") == new
    assert service.unfinished() == []


@pytest.mark.parametrize(("kind", "data"), [("Put", SMALL), ("Complete", LARGE)])
def test_a_second_writer_between_look_and_commit(service: Service, kind: str, data: bytes) -> None:
    """Where the server obeys conditions theirs stays; where it is known to ignore them a warning says so before."""
    examined(service.server, service.bucket, service.proxy.endpoint_url)
    waiting = [b"theirs"]

    def intervene(request: Recorded) -> bool:
        if request.kind == kind and waiting:
            service.boto.put_object(Bucket=service.bucket, Key="k", Body=waiting.pop())
        return False

    service.proxy.rules.append(Rule(intervene, delay(0.0)))
    obeys = service.has["put-if-none-match" if kind == "Put" else "complete-if-none-match"]
    source, client = local(service, "f", data), service.connect()
    if obeys:
        with pytest.raises(ObjectExists):
            upload(source, service.at("k"), client, IN_PARTS, on_event=service.events)
        assert service.stored("k") == b"theirs"
    else:
        stands = data
        try:
            upload(source, service.at("k"), client, IN_PARTS, on_event=service.events)
        except UploadGone:  # Garage: an upload that was begun before the object was stored ends with it
            stands = b"theirs"
        assert any("condition" in warning for warning in service.events.warnings), service.events.warnings
        assert service.stored("k") == stands
    assert waiting == []


@pytest.mark.parametrize("data", [SMALL, LARGE], ids=["small", "parts"])
def test_a_customer_key(service: Service, data: bytes) -> None:
    """Encrypted and read back with the key only, or refused: never stored in the clear with success."""
    key, other = CustomerKey(b"k" * 32), CustomerKey(b"o" * 32)
    options = replace(IN_PARTS, object=ObjectOptions(customer_key=key))
    source, where, out = local(service, "f", data), service.at("k"), service.folder / "out"
    if not service.has["sse-c"]:
        with pytest.raises(S3AMError) as refused:
            upload(source, where, service.client, options)
        assert not isinstance(refused.value, ObjectExists)
        return
    upload(source, where, service.client, options)
    download(where, LocalPath(str(out)), service.client, DownloadOptions(part_size=PART, customer_key=key))
    assert out.read_bytes() == data
    for wrong in (None, other):
        with pytest.raises(EncryptionKeyError):
            download(where, LocalPath(f"{out}2"), service.client, DownloadOptions(customer_key=wrong))


def test_pending_and_cancel(service: Service) -> None:
    service.boto.create_multipart_upload(Bucket=service.bucket, Key="k")
    if not service.has["list-uploads"]:
        return
    listed = [unfinished.key for unfinished in pending(service.client, service.bucket)]
    assert listed == ["k"]
    list(cancel(service.at("k"), service.client))
    assert service.unfinished() == []


def test_doctor(service: Service) -> None:
    """The whole table in at most 40 requests; nothing is left behind."""
    found = examined(service.server, service.bucket, service.proxy.endpoint_url)
    assert list(found) == list(CAPABILITIES)
    assert len(service.proxy.requests) <= MAX_REQUESTS or not service.has["delete-many"]
    assert {name for name in found if (found[name].result == "yes") is not service.has[name]} == set()
    assert service.keys() == []
    assert service.unfinished() == []
