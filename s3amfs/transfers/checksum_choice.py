"""Which checks a transfer makes: chosen from the user's wish and what the endpoint was seen to be able to do."""

from __future__ import annotations

from dataclasses import dataclass

from ..core.checksums import combine, encode, multipart_etag
from ..core.failures import Failure
from ..core.manifest import PartRecord
from ..engine.upload_body import PartChecks
from ..errors import Unsupported
from ..wire.aws.capabilities import Capabilities
from ..wire.failures import may_lack_trailers
from ..wire.s3.api import ObjectOptions
from .options import ChecksumChoice

NOT_CHECKED = "length only"
"""The proof where no content was compared."""


@dataclass(frozen=True, slots=True)
class Checking:
    """How an upload is checked: the algorithm that the server is told, and what is done with each part."""

    algorithm: str | None
    """Of CreateMultipartUpload; None: none is declared."""
    parts: PartChecks

    @property
    def proof(self) -> str:
        """What has been proven once every part was accepted."""
        if self.algorithm is not None:
            return f"{self.algorithm} of every part, checked by the server"
        if self.parts.compare_etag:
            return "MD5 of every part, compared with its ETag"
        return NOT_CHECKED

    @property
    def proof_of_whole(self) -> str:
        """The same for an object that is stored in one piece."""
        return self.proof.replace("every part", "the whole object")


def choose(
    choice: ChecksumChoice | None, can: Capabilities, options: ObjectOptions, *, copies: bool = False
) -> Checking:
    """The checks for new objects with `options`, of which parts may be copies.

    Raises Unsupported where a forced way is known not to work.
    """
    if choice == "none":
        return Checking(None, PartChecks(trailer=None, compare_etag=False, crc=None))
    if choice == "md5":
        return by_etag(options, can)
    lacking = can.trailers is False or (choice != "crc32c" and can.crc64nvme is False)
    lacking = lacking or (copies and can.copied_checksums is False)
    if lacking and choice is not None:
        raise Unsupported(f"the server does not take {choice} checksums: leave --checksum out, or use --checksum md5")
    if lacking:
        return by_etag(options, can)
    algorithm = choice or "crc64nvme"
    return Checking(algorithm, PartChecks(trailer=algorithm, compare_etag=False, crc=algorithm))


def by_etag(options: ObjectOptions, can: Capabilities) -> Checking:
    """For servers without trailers, and uploads begun without a checksum algorithm."""
    compare = etag_is_md5(options) and can.etag_md5 is not False
    return Checking(None, PartChecks(None, compare_etag=compare, etag_known=can.etag_md5 is True, crc="crc64nvme"))


def etag_is_md5(options: ObjectOptions) -> bool:
    """Whether parts and simple objects stored with `options` get their MD5 as ETag (S3 API, "Object")."""
    return options.customer_key is None and not (options.sse or "").startswith("aws:kms")


def should_fall_back(failure: Failure | None, choice: ChecksumChoice | None, can: Capabilities) -> bool:
    """Whether `failure` may mean that this server knows no trailers, and nobody forced them; noticed once."""
    if failure is None or choice is not None or can.trailers is not None:
        return False
    return failure.code == "Trailer" or may_lack_trailers(failure)


def refuses_copied_checksums(failure: Failure, checks: Checking, can: Capabilities) -> bool:
    """Whether `failure` of a copied part may be due to the declared algorithm; noticed once."""
    if checks.algorithm is None or can.copied_checksums is not None:
        return False
    if failure.status == 400 and failure.code in ("InvalidArgument", "InvalidRequest"):
        can.copied_checksums = False
        return True
    return False


def whole_crc(records: list[PartRecord], algorithm: str | None) -> str:
    """Base64 CRC of the whole from those of its parts, in order; '' where one is missing."""
    if algorithm is None:
        return ""
    pairs = [(record.crc, record.length) for record in records]
    known = [(crc, length) for crc, length in pairs if crc is not None]
    return encode(algorithm, combine(algorithm, known)) if known and len(known) == len(pairs) else ""


def whole_etag(etags: list[str]) -> str:
    """The ETag that S3 gives to these parts, '' where theirs are no MD5s."""
    try:
        digests = [bytes.fromhex(etag) for etag in etags]
    except ValueError:
        return ""
    return multipart_etag(digests) if all(len(digest) == 16 for digest in digests) else ""
