"""Wrong bytes are found either way, and weak servers are served correctly."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from s3amfs.core.checksums import crc, encode, multipart_etag
from s3amfs.core.events import TransferResult
from s3amfs.core.locations import LocalPath, S3Location, Stdin
from s3amfs.core.parts import Part
from s3amfs.engine.connect import S3Client
from s3amfs.errors import ChecksumMismatch, Unsupported
from s3amfs.transfers.options import ChecksumChoice, DownloadOptions, ObjectInfo, UploadOptions
from s3amfs.transfers.proof import (
    BY_VERSION,
    RANGES_KEPT,
    FileProof,
    ReadProof,
    Stored,
    chosen,
    matching_etag,
    part_sizes,
    parts_of,
    stored_of,
)
from s3amfs.transfers.report import Report, ignore
from s3amfs.verbs.download import download
from s3amfs.verbs.upload import upload
from s3amfs.wire.messages import Reply
from tests.support import faults
from tests.support.clients import PART, Events
from tests.support.faults import Rule
from tests.support.files import digest, make_file, object_digest
from tests.support.proxy import FaultProxy, Recorded
from tests.support.scripted import Asked, refusal, reply, scripted

OPTIONS = UploadOptions(part_size=PART)
DOWN = DownloadOptions(part_size=PART)
KINDS = ["parts", "one put", "stream", "short stream"]
Headers = list[tuple[str, str]]
pytestmark = pytest.mark.usefixtures("state")


def send(kind: str, file: Path, client: S3Client, target: S3Location, events: Events) -> TransferResult:
    """Uploads `file`, which it makes short where the kind is; every way an object can be stored."""
    if kind in ("one put", "short stream"):
        make_file(file, PART - 5, 1)
    if "stream" in kind:
        return upload(Stdin(), target, client, OPTIONS, stdin=io.BytesIO(file.read_bytes()), on_event=events)
    return upload(LocalPath(str(file)), target, client, OPTIONS, on_event=events)


def has_body(request: Recorded) -> bool:
    return request.kind in ("UploadPart", "Put")


def has_trailer(request: Recorded) -> bool:
    return "x-amz-trailer" in request.headers


def without_checksums(line: str, headers: Headers) -> tuple[str, Headers]:
    return line, [(name, value) for name, value in headers if "checksum" not in name.lower()]


@pytest.mark.parametrize("kind", KINDS)
def test_a_flipped_bit_of_an_upload_is_sent_right_again(
    through: S3Client, proxy: FaultProxy, boto: Any, bucket: str, file: Path, events: Events, kind: str
) -> None:
    rule = Rule(has_body, faults.flip("request", 4711), nth=1)
    proxy.rules.append(rule)
    result = send(kind, file, through, S3Location(bucket, "k"), events)
    assert rule.fired == 1
    assert result.retries == 1
    assert object_digest(boto, bucket, "k") == digest(file)


@pytest.mark.parametrize("kind", KINDS)
def test_a_flipped_bit_is_found_without_trailers_too(
    through: S3Client, proxy: FaultProxy, boto: Any, bucket: str, file: Path, events: Events, kind: str
) -> None:
    """What the server has then differs: the ETag tells."""
    through.session.capabilities(bucket).trailers = False
    rule = Rule(has_body, faults.flip("request", 4711), nth=1)
    proxy.rules.append(rule)
    result = send(kind, file, through, S3Location(bucket, "k"), events)
    assert rule.fired == 1
    assert "MD5" in result.proof
    assert object_digest(boto, bucket, "k") == digest(file)


def test_a_flipped_bit_of_a_download_is_found(
    through: S3Client, proxy: FaultProxy, boto: Any, bucket: str, file: Path, tmp_path: Path, events: Events
) -> None:
    boto.upload_file(str(file), bucket, "k")
    proxy.rules.append(Rule("GetRange", faults.flip("response", 100_000), nth=2))
    result = download(S3Location(bucket, "k"), LocalPath(str(tmp_path / "out")), through, DOWN, on_event=events)
    assert "fetching everything again" in " ".join(events.warnings)
    assert digest(tmp_path / "out") == digest(file)
    assert "checked" in result.proof or "stores" in result.proof or "MD5" in result.proof


def test_a_wire_that_always_damages_publishes_nothing(
    through: S3Client, proxy: FaultProxy, boto: Any, bucket: str, file: Path, tmp_path: Path
) -> None:
    boto.upload_file(str(file), bucket, "k")
    proxy.rules.append(Rule(("GetRange", "Get"), faults.flip("response")))
    with pytest.raises(ChecksumMismatch):
        download(S3Location(bucket, "k"), LocalPath(str(tmp_path / "out")), through, DOWN)
    assert list(tmp_path.glob("*out*")) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_without_trailers_is_noticed_once(
    through: S3Client, proxy: FaultProxy, boto: Any, bucket: str, file: Path, events: Events, kind: str
) -> None:
    """Once per endpoint: the second transfer does not even try, nor warn."""
    proxy.rules.append(Rule(has_trailer, faults.error(501, "NotImplemented")))
    for key in ("k", "k2"):
        result = send(kind, file, through, S3Location(bucket, key), events)
        assert object_digest(boto, bucket, key) == digest(file)
        assert "MD5" in result.proof or result.proof == "crc64nvme of the whole object, checked by the server"
    assert len([warning for warning in events.warnings if "trailers" in warning]) == 1
    refused = [request for request in proxy.of() if has_trailer(request)]
    assert {request.key for request in refused} == {"k"}
    assert boto.list_multipart_uploads(Bucket=bucket).get("Uploads", []) == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_that_tells_no_checksums(
    through: S3Client, proxy: FaultProxy, boto: Any, bucket: str, file: Path, tmp_path: Path, events: Events, kind: str
) -> None:
    proxy.rules.append(Rule("*", faults.edit_response(without_checksums)))
    send(kind, file, through, S3Location(bucket, "k"), events)
    assert object_digest(boto, bucket, "k") == digest(file)
    back = download(S3Location(bucket, "k"), LocalPath(str(tmp_path / "out")), through, DOWN)
    assert "ETag" in back.proof
    assert digest(tmp_path / "out") == digest(file)


@pytest.mark.parametrize("kind", ["parts", "one put"])
def test_an_expected_digest_that_differs_publishes_nothing(
    client: S3Client, boto: Any, bucket: str, file: Path, kind: str
) -> None:
    if kind == "one put":
        make_file(file, PART - 5, 1)
    wrong = replace(OPTIONS, expect=(("sha256", "0" * 64),))
    with pytest.raises(ChecksumMismatch):
        upload(LocalPath(str(file)), S3Location(bucket, "k"), client, wrong)
    assert boto.list_objects_v2(Bucket=bucket).get("Contents", []) == []
    right = replace(OPTIONS, expect=(("sha256", digest(file)),), unfinished="restart")
    upload(LocalPath(str(file)), S3Location(bucket, "k"), client, right)
    assert object_digest(boto, bucket, "k") == digest(file)


def test_one_put_that_is_always_damaged_is_an_error_and_deletes_nothing(
    through: S3Client, proxy: FaultProxy, boto: Any, bucket: str, file: Path, events: Events
) -> None:
    through.session.capabilities(bucket).trailers = False
    proxy.rules.append(Rule(has_body, faults.flip("request")))
    with pytest.raises(ChecksumMismatch):
        send("one put", file, through, S3Location(bucket, "k"), events)
    assert proxy.count("Delete") == 0


# -- without a server ------------------------------------------------------------------------------------------------

DIGESTS = [hashlib.md5(data).digest() for data in (b"hello", b"world", b"!")]
WHOLE = b"helloworld!"
MD5, PARTS_MD5 = hashlib.md5(WHOLE).hexdigest(), multipart_etag(DIGESTS)
CRC64, CRC32C, CRC32 = (crc(name, WHOLE) for name in ("crc64nvme", "crc32c", "crc32"))


def info(etag: str = MD5, size: int = len(WHOLE), **more: Any) -> ObjectInfo:
    return ObjectInfo(size, etag, **more)


def with_crc(name: str, value: int, kind: str | None = "FULL_OBJECT", etag: str = MD5) -> ObjectInfo:
    return info(etag, checksums={name: encode(name, value)}, checksum_type=kind)


@pytest.mark.parametrize(
    ("found", "stored", "text"),
    [
        (with_crc("crc64nvme", CRC64), Stored("crc64nvme", CRC64, ""), "crc64nvme of the whole object, as S3 stores"),
        (with_crc("crc32c", CRC32C, None), Stored("crc32c", CRC32C, ""), "crc32c of the whole object, as S3 stores it"),
        (with_crc("crc32c", CRC32C, "COMPOSITE"), Stored(None, None, MD5), "ETag, which is the MD5"),
        (info(checksums={"crc32": "not base64"}), Stored(None, None, MD5), "ETag, which is the MD5"),
        (info(PARTS_MD5), Stored(None, None, PARTS_MD5), "ETag, recomputed from the MD5 of its parts"),
        (info(sse="AES256"), Stored(None, None, MD5), "ETag, which is the MD5"),
        (info(sse="aws:kms"), Stored(None, None, ""), "ETag"),
        (info(sse="aws:kms:dsse"), Stored(None, None, ""), "ETag"),
        (info(PARTS_MD5, customer_key_md5="k"), Stored(None, None, ""), "ETag"),
        (info("opaque"), Stored(None, None, ""), "ETag"),
    ],
)
def test_what_is_stored_of_an_object(found: ObjectInfo, stored: Stored, text: str) -> None:
    assert stored_of(found) == stored
    assert stored.text.startswith(text)


BOTH = info(checksums={"crc64nvme": encode("crc64nvme", CRC64), "crc32c": encode("crc32c", CRC32C)})


@pytest.mark.parametrize(
    ("found", "choice", "stored"),
    [
        (BOTH, None, stored_of(BOTH)),
        (BOTH, "none", Stored(None, None, "")),
        (BOTH, "md5", Stored(None, None, MD5)),
        (BOTH, "crc64nvme", Stored("crc64nvme", CRC64, "")),
        (BOTH, "crc32c", Stored("crc32c", CRC32C, "")),
        (replace(BOTH, checksum_type="COMPOSITE"), "crc32c", None),
        (info(), "crc32c", None),
        (replace(BOTH, etag="opaque"), "md5", None),
    ],
)
def test_the_checksum_that_the_user_has_chosen(
    found: ObjectInfo, choice: ChecksumChoice | None, stored: Stored | None
) -> None:
    if stored is not None:
        assert chosen(found, choice, "s3://b/k") == stored
    else:
        with pytest.raises(Unsupported, match=f"s3://b/k: S3 stores no {choice}"):
            chosen(found, choice, "s3://b/k")


def sized(*lengths: int | None) -> Callable[[Asked], Reply]:
    """A service that says how long parts are; None: it does not."""

    def answer(asked: Asked) -> Reply:
        length = lengths[int(asked.query["partNumber"]) - 1]
        return reply(206, content_length=str(length)) if length is not None else reply(200, content_length="5")

    return answer


@pytest.mark.parametrize(
    ("etag", "lengths", "sizes", "asked"),
    [
        (MD5, (), None, 0),
        (f"{MD5}-1", (), [11], 0),
        (f"{MD5}-3", (5,), [5, 5, 1], 1),
        (f"{MD5}-2", (6,), [6, 5], 1),
        (f"{MD5}-3", (2, 4, 5), [2, 4, 5], 4),
        (f"{MD5}-2", (1, 10), [1, 10], 3),
        (f"{MD5}-3", (2, 4, 4), None, 4),
        (f"{MD5}-3", (2, 4, None), None, 4),
        (f"{MD5}-3", (None,), None, 1),
        (f"{MD5}-2", (11, 0), None, 1),
        (f"{MD5}-2", (12, 0), None, 1),
    ],
)
def test_the_sizes_of_the_parts_are_asked_for_as_seldom_as_can_be(
    etag: str, lengths: tuple[int | None, ...], sizes: list[int] | None, asked: int
) -> None:
    """One question where all but the last are alike; None where the service's words do not make up the object."""
    client, engine = scripted(sized(*lengths))
    assert part_sizes(client, "b", "k", info(etag, version_id="v")) == sizes
    assert len(engine.asked) == asked
    assert {(request.method, request.query["versionId"]) for request in engine.asked} <= {("HEAD", "v")}


@pytest.mark.parametrize("answer", [refusal(500), reply(206), reply(206, content_length="many")])
def test_a_size_that_is_no_number_is_unknown(answer: Reply) -> None:
    client, _ = scripted(lambda asked: answer)
    assert part_sizes(client, "b", "k", info(f"{MD5}-2")) is None


def test_parts_of_sizes_are_adjacent_and_an_etag_is_that_of_their_digests() -> None:
    assert parts_of([5, 5, 1]) == [Part(1, 0, 5), Part(2, 5, 5), Part(3, 10, 1)]
    assert parts_of([]) == []
    assert matching_etag(PARTS_MD5, [5, 5, 1], lambda parts: DIGESTS)
    assert not matching_etag(PARTS_MD5, [5, 5, 1], lambda parts: DIGESTS[::-1])
    assert matching_etag(MD5, [11], lambda parts: [bytes.fromhex(MD5)])
    assert not matching_etag(MD5, [11], lambda parts: DIGESTS[:1])


class File:
    """A file with WHOLE, and the proof that it is an object of which `found` is known."""

    def __init__(self, path: Path, found: ObjectInfo, *lengths: int | None) -> None:
        path.write_bytes(WHOLE)
        self.path = path
        self.client, self.engine = scripted(sized(*lengths))
        self.can = self.client.session.capabilities("b")
        self.proof = FileProof(self.client, S3Location("b", "k"), found, stored_of(found), threads=2)

    def prove(self, whole: int = CRC64) -> str | None:
        with self.path.open("rb") as file:
            return self.proof.prove(file.fileno(), len(WHOLE), lambda: whole)


def test_a_file_is_compared_with_the_checksum_that_is_stored(tmp_path: Path) -> None:
    file = File(tmp_path / "f", with_crc("crc64nvme", CRC64))
    assert file.prove() == "crc64nvme of the whole object, as S3 stores it"
    assert file.prove(CRC64 ^ 1) is None
    assert file.proof.came_alike(Report("download", "", "", ignore)) is None, "a checksum speaks against it"


@pytest.mark.parametrize("found", [info(), info(PARTS_MD5)], ids=["MD5", "MD5 of parts"])
def test_a_file_is_compared_with_an_etag_that_is_made_of_md5s(tmp_path: Path, found: ObjectInfo) -> None:
    file = File(tmp_path / "f", found, 5)
    assert file.can.etag_md5 is None
    assert file.prove() == file.proof.stored.text
    assert file.can.etag_md5 is True
    file.path.write_bytes(WHOLE[::-1])
    with file.path.open("rb") as damaged:
        assert file.proof.prove(damaged.fileno(), len(WHOLE), lambda: 0) is None
    assert file.proof.came_alike(Report("download", "", "", ignore)) is None, "this server's ETags are MD5s"


@pytest.mark.parametrize(
    ("found", "is_md5", "lengths"),
    [(info("opaque"), None, ()), (info(), False, ()), (info(f"{MD5}-3"), None, (None,))],
    ids=["no MD5", "none of this server's", "of unknown parts"],
)
def test_where_nothing_is_to_compare_with_the_version_is_the_proof(
    tmp_path: Path, found: ObjectInfo, is_md5: bool | None, lengths: tuple[int | None, ...]
) -> None:
    file = File(tmp_path / "f", found, *lengths)
    file.can.etag_md5 = is_md5
    assert file.prove() == BY_VERSION
    assert file.can.etag_md5 is is_md5, "nothing was learned"


def test_an_etag_that_is_another_twice_is_no_md5(tmp_path: Path) -> None:
    events = Events()
    file = File(tmp_path / "f", info("0" * 32))
    assert file.prove() is None
    assert file.can.etag_md5 is None
    assert file.proof.came_alike(Report("download", "", "", events)) == BY_VERSION
    assert file.can.etag_md5 is False
    assert len(events.warnings) == 1
    assert "s3://b/k is not the MD5" in events.warnings[0]


def read_in(order: list[int], proof: ReadProof, data: bytes = WHOLE) -> None:
    """Ranges of three bytes, in this order."""
    for at in order:
        piece = data[at : at + 3]
        proof.add(at, len(piece), crc("crc64nvme", piece))


@pytest.mark.parametrize("order", [[0, 3, 6, 9], [9, 6, 3, 0], [3, 0, 9, 6], [0, 0, 3, 3, 9, 6]])
def test_ranges_in_any_order_are_compared_once_they_are_the_whole(order: list[int]) -> None:
    proof = ReadProof(with_crc("crc64nvme", CRC64), "s3://b/k")
    assert proof.crc_name == "crc64nvme"
    read_in(order, proof)
    read_in(order, proof)
    damaged = WHOLE[:-1] + b"?"
    for _ in range(2):
        with pytest.raises(ChecksumMismatch, match=r"s3://b/k: .*crc64nvme differs"):
            read_in(order, proof, damaged)
    read_in(order[:-1], proof, damaged)


def test_ranges_of_an_object_without_a_checksum_prove_nothing() -> None:
    proof = ReadProof(info(), "s3://b/k")
    assert proof.crc_name is None
    proof.add(0, len(WHOLE), 1)


def test_so_many_ranges_are_kept_and_no_more() -> None:
    """One that is not kept leaves a gap, with which nothing is compared."""
    found = replace(with_crc("crc64nvme", 0), size=2 * RANGES_KEPT)
    fitting, crowded = ReadProof(found, ""), ReadProof(found, "")
    for at in range(1, RANGES_KEPT):
        fitting.add(at, 1, 1)
        crowded.add(at, 1, 1)
    crowded.add(RANGES_KEPT, 1, 1)
    for proof in (fitting, crowded):
        proof.add(0, 1, 1)
    with pytest.raises(ChecksumMismatch):
        fitting.add(RANGES_KEPT, RANGES_KEPT, 1)
    crowded.add(RANGES_KEPT + 1, RANGES_KEPT - 1, 1)
