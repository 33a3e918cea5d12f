"""The probes of `s3am doctor`, in groups: each method sends a few requests and yields what they showed.

Every probe that must be refused has its counterpart that must be accepted, and what was to stay is looked at
afterwards: a service that answers 412 and stores all the same, or 200 and stores nothing, is found out.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator
from typing import TypeVar

from ..core.checksums import multipart_etag
from ..core.expected import NOTHING, this_etag
from ..core.findings import Answer, Finding, refuses, supported
from ..core.parts import MIN_PART
from ..core.ssec import CustomerKey
from ..errors import S3AMError
from ..wire.messages import Reply
from ..wire.s3 import api as s3api
from ..wire.s3 import bucket as bucketapi
from .probe import Probe, crc64

T = TypeVar("T")

CONTENT = b"s3am doctor: a few bytes that prove what this service does\n"
OTHER = b"s3am doctor: these bytes must never replace the others\n"
WRONG_ETAG = "0" * 32
_ABOUT_SIZES = ("InvalidPart", "EntityTooSmall", "InvalidPartSize")
_TAGS = {"s3am": "doctor"}
_METADATA = {"s3am-doctor": "kept"}


def bucket_keeps(probe: Probe) -> tuple[tuple[Finding, ...], bool]:
    """(versioning and object lock, whether a default retention would keep the probes from being removed)."""
    answer, reply = probe.ask(bucketapi.get_bucket_versioning(probe.bucket))
    status = _read(bucketapi.parse_versioning, reply) if answer.ok else None
    if answer.ok and status is None:
        answer = Answer(0, "an answer that makes no sense", odd=True)
    enabled = status == "Enabled"
    probe.versioned = bool(status) or answer.denied or answer.odd
    if not answer.ok or not enabled:
        versioning = supported("versioning", answer, shown=enabled, but="versioning is not enabled")
        lock = Finding("object-lock", "no", "a bucket without versioning has none")
        return (versioning, lock if answer.ok else Finding("object-lock", "unknown", str(answer))), False
    versioning = Finding("versioning", "yes", "Enabled: each probe makes a version, which is removed by its id")
    answer, reply = probe.ask(bucketapi.get_object_lock(probe.bucket))
    retention = answer.ok and bool(_read(bucketapi.has_default_retention, reply))
    lock = Finding("object-lock", "yes" if retention else "no", str(answer))
    if answer.denied or answer.odd:
        lock = Finding("object-lock", "unknown", str(answer))
    return (versioning, lock), retention


def listing(probe: Probe) -> tuple[Finding, set[str]]:
    """ListObjectsV2, and the names of the probes' objects that are there."""
    answer, reply = probe.ask(s3api.list_objects(probe.bucket, prefix=probe.prefix, max_keys=100))
    page = _read(s3api.parse_objects, reply) if answer.ok else None
    found = supported("list", answer, shown=page is not None, but="the answer is no listing")
    return found, {entry.key.removeprefix(probe.prefix) for entry in page.objects} if page is not None else set()


def writing(probe: Probe) -> Iterator[Finding]:
    """PutObject, its ETag and its checksums; and a listing of what was stored."""
    options = s3api.ObjectOptions(metadata=_METADATA)
    answer, reply = probe.put("object", CONTENT, options, checksum=crc64(CONTENT))
    with_checksum = answer
    if not answer.ok and not answer.denied:
        answer, reply = probe.put("object", CONTENT, options)
    yield supported("put", answer)
    if not answer.ok:
        yield listing(probe)[0]
        return
    etag = reply.headers.get("etag", "")
    probe.etag = s3api.bare_etag(etag)
    yield Finding("etag-quoted", "no" if s3api.has_bare_etag(reply) else "yes", f"ETag: {etag}")
    yield Finding("etag-strong", "no" if etag.startswith("W/") else "yes", f"ETag: {etag}")
    md5 = hashlib.md5(CONTENT, usedforsecurity=False)
    same = probe.etag == md5.hexdigest()
    yield supported("etag-is-md5", answer, shown=same, but=f"the ETag is {etag}")
    right, _ = probe.put_with_trailer("trailer", CONTENT, crc64(CONTENT))
    yield supported("checksum-trailer", right)
    in_header, _ = probe.put("wrong-header", OTHER, checksum=crc64(CONTENT))
    in_trailer, _ = probe.put_with_trailer("wrong-trailer", OTHER, crc64(CONTENT))
    digest, _ = probe.put("wrong-digest", OTHER, md5=base64.b64encode(md5.digest()).decode())
    listed, stored = listing(probe)
    yield listed
    yield refuses("checksum-header", in_header, kept="wrong-header" not in stored, without=with_checksum)
    yield refuses("checksum-trailer-checked", in_trailer, kept="wrong-trailer" not in stored, without=right)
    yield refuses("content-md5", digest, kept="wrong-digest" not in stored)


def reading(probe: Probe) -> Iterator[Finding]:
    """GetObject of a range, and with a condition."""
    key = probe.key("object")
    answer, reply = probe.ask(s3api.get_object(probe.bucket, key, offset=5, length=6, if_match=probe.etag))
    shown = reply.status == 206 and reply.body == CONTENT[5:11]
    yield supported("range", answer, shown=shown, but="other bytes came than those of the range")
    wrong, _ = probe.ask(s3api.get_object(probe.bucket, key, if_match=WRONG_ETAG))
    yield refuses("get-if-match", wrong, without=answer)


def conditions(probe: Probe) -> Iterator[Finding]:
    """Conditional writes over an object, and a look at what is there afterwards."""
    create, _ = probe.put("object", OTHER, expected=NOTHING)
    after_create = _content(probe) if create.ok else None
    match, _ = probe.put("object", OTHER, expected=this_etag(WRONG_ETAG))
    answer, reply = probe.ask(s3api.get_object(probe.bucket, probe.key("object")))
    here = reply.body if answer.ok else None
    kept = here == CONTENT if answer.ok or answer.status == 404 else None  # a refused look shows nothing
    yield refuses("put-if-none-match", create, kept=kept if after_create is None else after_create == CONTENT)
    yield refuses("put-if-match", match, kept=kept)
    delete, _ = probe.ask(s3api.delete_object(probe.bucket, probe.key("object"), expected=this_etag(WRONG_ETAG)))
    yield refuses("delete-if-match", delete, kept=not delete.ok)
    if delete.ok or here not in (None, CONTENT):  # the following probes need the object as it was
        probe.put("object", CONTENT, s3api.ObjectOptions(metadata=_METADATA))
    if here != CONTENT:
        return
    stored = s3api.parse_object(reply)
    yield supported("metadata", answer, shown=_METADATA.items() <= stored.metadata.items(), but="they are not there")
    said = stored.checksums.get("crc64nvme", "")
    yield supported("checksum-stored", answer, shown=said == crc64(CONTENT), but=f"it is {said or 'not there'}")
    if stored.etag != probe.etag:
        yield Finding("etag-strong", "no", "the ETag changed between two answers")


def copying(probe: Probe) -> Iterator[Finding]:
    """CopyObject, and its conditions on source and target."""
    bucket, source = probe.bucket, s3api.CopySource(probe.bucket, probe.key("object"))
    right, _ = probe.ask(s3api.copy_object(bucket, probe.key("copy"), source))
    yield supported("copy", right)
    bound = s3api.CopySource(bucket, source.key, if_match=WRONG_ETAG)
    wrong, _ = probe.ask(s3api.copy_object(bucket, probe.key("other-copy"), bound))
    yield refuses("copy-source-if-match", wrong, without=right)
    wrong, _ = probe.ask(s3api.copy_object(bucket, probe.key("copy"), source, expected=NOTHING))
    yield refuses("copy-if-none-match", wrong, without=right)


def storing(probe: Probe) -> Iterator[Finding]:
    """Tags and encryption."""
    answer, _ = probe.put("tagged", CONTENT, s3api.ObjectOptions(tags=_TAGS))
    if answer.ok:
        answer, reply = probe.ask(s3api.get_object_tagging(probe.bucket, probe.key("tagged")))
        yield supported("tagging", answer, shown=_read(s3api.parse_tags, reply) == _TAGS, but="they are not there")
    else:
        yield supported("tagging", answer)
    key = CustomerKey(hashlib.sha256(b"s3am doctor").digest())
    answer, _ = probe.put("sse-c", CONTENT, s3api.ObjectOptions(customer_key=key))
    if answer.ok:
        without, _ = probe.ask(s3api.get_object(probe.bucket, probe.key("sse-c")))
        if without.odd:
            answer = without
        yield supported("sse-c", answer, shown=not without.ok, but="the object is readable without the key")
    else:
        yield supported("sse-c", answer)
    answer, reply = probe.put("sse-s3", CONTENT, s3api.ObjectOptions(sse="AES256"))
    said = reply.headers.get("x-amz-server-side-encryption")
    yield supported("sse-s3", answer, shown=said == "AES256", but="the answer names no encryption")


def multipart(probe: Probe) -> Iterator[Finding]:
    """One upload of three parts of unequal size, the last of them a copy."""
    first, second = bytes(MIN_PART + 1024), bytes(MIN_PART)
    upload, declared, answer = _create(probe, "multipart")
    yield supported("multipart", answer)
    if upload is None:
        return
    first_answer, first_reply = _part(probe, upload, 1, first, first, declared)
    wrong, _ = _part(probe, upload, 2, OTHER, CONTENT, declared=True)
    yield refuses("part-checksum", wrong, without=first_answer)
    sent = [first_reply, _part(probe, upload, 2, second, second, declared)[1]]
    source = s3api.CopySource(probe.bucket, probe.key("object"))
    copied, copy_reply = probe.ask(s3api.upload_part_copy(upload, 3, source, offset=5, length=6))
    last = copy = _read(s3api.parse_copied, copy_reply) if copied.ok else None
    if last is None:
        last = s3api.parse_stored(_part(probe, upload, 3, CONTENT[5:11], CONTENT[5:11], declared)[1])
    contents = (first, second, CONTENT[5:11])
    etags = [*(s3api.bare_etag(reply.headers.get("etag", "")) for reply in sent), last.etag]
    made = [s3api.PartInfo(n, len(data), etag) for n, (data, etag) in enumerate(zip(contents, etags, strict=True), 1)]
    answer, reply = probe.ask(s3api.list_parts(upload))
    page = _read(s3api.parse_parts, reply) if answer.ok else None
    parts = list(page.parts) if page is not None else []
    sizes = {part.number: part.size for part in parts}
    but = f"it lists {sizes}" if sizes else "the answer lists no part"
    if parts and not all(part.etag for part in parts):
        but = "it lists no ETags"
    shown = sizes.get(1) == len(first) and all(part.etag for part in parts)
    if first_answer.ok:  # else there is nothing that must be listed
        yield supported("list-parts", answer, shown=shown, but=but)
    but = f"{sizes.get(3)} bytes instead of 6" if copy is not None else "the answer makes no sense"
    copied_whole = copy is not None and (not parts or sizes.get(3) == 6)
    yield supported("part-copy", copied, shown=copied_whole, but=but)
    answer, reply = probe.ask(s3api.list_multipart_uploads(probe.bucket, prefix=probe.prefix))
    uploads = _read(s3api.parse_uploads, reply) if answer.ok else None
    there = uploads is not None and upload.upload_id in {found.upload_id for found in uploads.uploads}
    yield supported("list-uploads", answer, shown=there, but="the upload is not listed")
    yield from _completing(probe, upload, declared, made, contents)


def _completing(
    probe: Probe,
    upload: s3api.MultipartUpload,
    declared: bool,
    parts: list[s3api.PartInfo],
    contents: tuple[bytes, ...],
) -> Iterator[Finding]:
    if not all(part.etag for part in parts):
        return
    whole = b"".join(contents)
    wrong, _ = probe.ask(s3api.complete_multipart_upload(upload, parts, size=len(whole) + 1))
    answer = with_checksum = wrong
    if not wrong.ok:
        checksum = ("crc64nvme", crc64(whole)) if declared else None
        request = s3api.complete_multipart_upload(upload, parts, checksum=checksum, size=len(whole))
        answer, _ = probe.ask(request)
        with_checksum = answer
    if not answer.ok and declared:
        answer, _ = probe.ask(s3api.complete_multipart_upload(upload, parts, size=len(whole)))
    yield refuses("object-size", wrong, without=answer)
    if answer.ok or answer.code in _ABOUT_SIZES:
        yield supported("parts-of-any-size", answer)
    if not answer.ok:
        return
    answer, reply = probe.ask(s3api.get_object_attributes(probe.bucket, probe.key("multipart")))
    parsed = _read(s3api.parse_attributes, reply) if answer.ok else None
    yield supported("attributes", answer, shown=parsed is not None, but="the answer makes no sense")
    answer, reply = probe.ask(s3api.head_object(probe.bucket, probe.key("multipart")))
    info = _read(s3api.parse_object, reply) if answer.ok else None
    etag = multipart_etag([hashlib.md5(data, usedforsecurity=False).digest() for data in contents])
    here = info.etag if info is not None else ""
    yield supported("etag-of-parts", answer, shown=here == etag, but=f"the ETag is {here}")
    said = info.checksums.get("crc64nvme", "") if info is not None else ""
    if not with_checksum.ok and not with_checksum.odd:
        yield Finding("multipart-crc64nvme", "no", f"the right one is refused ({with_checksum})")
        return
    shown = declared and said == crc64(whole)
    yield supported("multipart-crc64nvme", answer, shown=shown, but=f"it is {said or 'not there'}")


def complete_over_an_object(probe: Probe) -> Iterator[Finding]:
    """Complete with If-None-Match: * where `multipart` has left an object."""
    upload, declared, _ = _create(probe, "object")
    if upload is None:
        return
    answer, reply = _part(probe, upload, 1, OTHER, OTHER, declared)
    if not answer.ok:
        return
    part = s3api.PartInfo(1, len(OTHER), s3api.bare_etag(reply.headers.get("etag", "")))
    checksum = ("crc64nvme", crc64(OTHER)) if declared else None
    request = s3api.complete_multipart_upload(upload, [part], checksum=checksum, expected=NOTHING)
    wrong, _ = probe.ask(request)
    yield refuses("complete-if-none-match", wrong, kept=_content(probe) != OTHER if probe.left > 0 else None)


def _create(probe: Probe, name: str) -> tuple[s3api.MultipartUpload | None, bool, Answer]:
    """(the upload, whether it declares CRC64NVME, the answer)."""
    key, declared = probe.key(name), True
    answer, reply = probe.ask(s3api.create_multipart_upload(probe.bucket, key, checksum_algorithm="crc64nvme"))
    if not answer.ok and not answer.denied:
        declared = False
        answer, reply = probe.ask(s3api.create_multipart_upload(probe.bucket, key))
    if not answer.ok:
        return None, False, answer
    upload = _read(lambda reply: s3api.parse_created(reply, probe.bucket, key), reply)
    if upload is None:
        return None, False, Answer(0, "an answer that makes no sense", odd=True)
    return upload, declared and upload.checksum_algorithm == "crc64nvme", answer


def _part(
    probe: Probe, upload: s3api.MultipartUpload, number: int, data: bytes, summed: bytes, declared: bool
) -> tuple[Answer, Reply]:
    """UploadPart of `data` with the checksum of `summed`."""
    body = s3api.Body(data, checksum=("crc64nvme", crc64(summed)) if declared else None)
    return probe.ask(s3api.upload_part(upload, number, body))


def _content(probe: Probe) -> bytes | None:
    """Returns the object's current content; None if there is no object, or no answer."""
    answer, reply = probe.ask(s3api.get_object(probe.bucket, probe.key("object")))
    return reply.body if answer.ok else None


def _read(parse: Callable[[Reply], T], reply: Reply) -> T | None:
    """Returns the parsed reply; None for an answer that makes no sense."""
    try:
        return parse(reply)
    except S3AMError:
        return None
