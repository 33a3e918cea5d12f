"""An S3 service in memory, for scripted clients: it does all that `s3am doctor` looks at, or lies.

`lies` are names of capabilities: what that capability forbids is done, or what it promises is not.
"""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import dataclass, field
from urllib.parse import unquote

from s3amfs.core.checksums import multipart_etag
from s3amfs.transfers.probe import crc64
from s3amfs.wire.messages import Reply
from tests.support.scripted import Asked, refusal, reply

_CHECKSUM = "x-amz-checksum-crc64nvme"
_KEY = "x-amz-server-side-encryption-customer-key"


def md5(data: bytes) -> bytes:
    return hashlib.md5(data, usedforsecurity=False).digest()


@dataclass
class Stored:
    """An object or a part."""

    data: bytes
    etag: str
    headers: dict[str, str] = field(default_factory=dict)
    tags: str = ""
    encrypted: bool = False


@dataclass
class HonestS3:
    """`answer` is what a scripted client asks."""

    lies: set[str] = field(default_factory=set)
    objects: dict[str, Stored] = field(default_factory=dict)
    uploads: dict[str, tuple[str, dict[int, Stored]]] = field(default_factory=dict)
    refused: dict[str, Reply] = field(default_factory=dict)
    """'METHOD what' -> the answer to such requests; what: the query's first name, or ''."""
    begun: int = 0
    """Uploads so far, of which no two have one id."""

    def answer(self, asked: Asked) -> Reply:
        key = unquote(asked.path).partition("/")[2].partition("/")[2]
        what = next(iter(asked.query), "")
        if "x-amz-copy-source" in asked.headers:
            what = f"{what} copy".strip()
        found = self.refused.get(f"{asked.method} {what}".strip())
        return found if found is not None else self._answer(asked, key, what)

    def _answer(self, asked: Asked, key: str, what: str) -> Reply:
        if "uploadId" in asked.query and asked.query["uploadId"] not in self.uploads:
            return refusal(404, "NoSuchUpload")
        if asked.method == "PUT":
            return self._put(asked, key, what)
        if asked.method == "DELETE":
            return self._delete(asked, key, what)
        if asked.method == "POST":
            return self._post(asked, key, what)
        if what in ("versioning", "object-lock", "list-type", "uploads", "tagging", "attributes", "uploadId"):
            return self._look(key, what, asked)
        return self._get(asked, key)

    # -- objects ----------------------------------------------------------------------------------------------------

    def _honest(self, name: str) -> bool:
        return name not in self.lies

    def _precondition(self, asked: Asked, key: str, none: str, match: str) -> bool:
        """Whether the conditions of a change hold."""
        there, wanted = self.objects.get(key), asked.headers.get("if-match")
        if self._honest(none) and asked.headers.get("if-none-match") == "*" and there is not None:
            return False
        return wanted is None or not self._honest(match) or (there is not None and wanted == f'"{there.etag}"')

    def _bytes_of(self, asked: Asked, header: str) -> bytes | None:
        """The body's data; None where its checksum is wrong."""
        data, said = asked.body, asked.headers.get(_CHECKSUM)
        if "x-amz-trailer" in asked.headers:
            size, _, rest = data.partition(b"\r\n")
            data = rest[: int(size, 16)]
            header = "checksum-trailer-checked"
            found = re.search(rb"x-amz-checksum-crc64nvme:(\S+)\r\n", rest[len(data) :])
            said = found[1].decode() if found else "none"
        if said is not None and self._honest(header) and said != crc64(data):
            return None
        digest = asked.headers.get("content-md5")
        wrong = digest is not None and base64.b64decode(digest) != md5(data)
        return None if wrong and self._honest("content-md5") else data

    def _put(self, asked: Asked, key: str, what: str) -> Reply:
        if what.endswith("copy"):
            return self._copy(asked, key, what)
        data = self._bytes_of(asked, "part-checksum" if what else "checksum-header")
        if data is None:
            return refusal(400, "BadDigest")
        stored = Stored(data, md5(data).hex())
        if what:
            self.uploads[asked.query["uploadId"]][1][int(asked.query["partNumber"])] = stored
            return reply(etag=f'"{stored.etag}"')
        if not self._precondition(asked, key, "put-if-none-match", "put-if-match"):
            return refusal(412, "PreconditionFailed")
        kept = {name: value for name, value in asked.headers.items() if name.startswith("x-amz-meta-")}
        stored.headers = (kept if self._honest("metadata") else {}) | (
            {_CHECKSUM: crc64(data), "x-amz-checksum-type": "FULL_OBJECT"} if self._honest("checksum-stored") else {}
        )
        stored.tags = asked.headers.get("x-amz-tagging", "") if self._honest("tagging") else ""
        stored.encrypted = _KEY in asked.headers and self._honest("sse-c")
        if not self._honest("etag-is-md5"):
            stored.etag = "f" * 32
        self.objects[key] = stored
        etag = stored.etag if "etag-quoted" in self.lies else f'"{stored.etag}"'
        answered = reply(etag=etag if "etag-strong" not in self.lies else f"W/{etag}")
        if "x-amz-server-side-encryption" in asked.headers and self._honest("sse-s3"):
            answered.headers["x-amz-server-side-encryption"] = "AES256"
        return answered

    def _copy(self, asked: Asked, key: str, what: str) -> Reply:
        source = self.objects.get(unquote(asked.headers["x-amz-copy-source"]).lstrip("/").partition("/")[2])
        if source is None:
            return refusal(404, "NoSuchKey")
        wanted = asked.headers.get("x-amz-copy-source-if-match")
        if self._honest("copy-source-if-match") and wanted not in (None, f'"{source.etag}"'):
            return refusal(412, "PreconditionFailed")
        if not self._precondition(asked, key, "copy-if-none-match", ""):
            return refusal(412, "PreconditionFailed")
        if what == "copy":
            self.objects[key] = Stored(source.data, source.etag, dict(source.headers))
            return reply(body=f"<CopyObjectResult><ETag>&quot;{source.etag}&quot;</ETag></CopyObjectResult>")
        first, last = map(int, asked.headers["x-amz-copy-source-range"].removeprefix("bytes=").split("-"))
        data = source.data[first : last + 1] if self._honest("part-copy") else source.data
        stored = Stored(data, md5(data).hex())
        self.uploads[asked.query["uploadId"]][1][int(asked.query["partNumber"])] = stored
        return reply(body=f"<CopyPartResult><ETag>&quot;{stored.etag}&quot;</ETag></CopyPartResult>")

    def _get(self, asked: Asked, key: str) -> Reply:
        if not key:
            return reply()
        stored = self.objects.get(key)
        if stored is None:
            return refusal(404, "NoSuchKey")
        if self._honest("get-if-match") and asked.headers.get("if-match") not in (None, f'"{stored.etag}"'):
            return refusal(412, "PreconditionFailed")
        if stored.encrypted and _KEY not in asked.headers:
            return refusal(400, "InvalidRequest")
        found = Reply(200, {**stored.headers, "etag": f'"{stored.etag}"'}, stored.data, is_http=True)
        ranged = re.fullmatch(r"bytes=(\d+)-(\d+)", asked.headers.get("range", ""))
        if ranged is not None and self._honest("range"):
            first, last = int(ranged[1]), int(ranged[2])
            found.status, found.body = 206, stored.data[first : last + 1]
            found.headers["content-range"] = f"bytes {first}-{last}/{len(stored.data)}"
        found.headers["content-length"] = str(len(found.body))
        return found

    def _delete(self, asked: Asked, key: str, what: str) -> Reply:
        if what == "uploadId":
            self.uploads.pop(asked.query["uploadId"], None)
        elif not self._precondition(asked, key, "", "delete-if-match"):
            return refusal(412, "PreconditionFailed")
        else:
            self.objects.pop(key, None)
        return reply(204)

    # -- uploads ----------------------------------------------------------------------------------------------------

    def _post(self, asked: Asked, key: str, what: str) -> Reply:
        if what == "delete":
            for found in re.findall(rb"<Key>([^<]*)</Key>", asked.body):
                self.objects.pop(found.decode(), None)
            return reply(body="<DeleteResult/>")
        if what == "uploads":
            self.begun += 1
            number = f"u{self.begun}"
            self.uploads[number] = (key, {})
            algorithm = asked.headers.get("x-amz-checksum-algorithm", "") if self._honest("multipart-crc64nvme") else ""
            return reply(
                body=f"<InitiateMultipartUploadResult><UploadId>{number}</UploadId>"
                f"<ChecksumAlgorithm>{algorithm}</ChecksumAlgorithm></InitiateMultipartUploadResult>"
            )
        return self._complete(asked, key)

    def _complete(self, asked: Asked, key: str) -> Reply:
        there = self.uploads[asked.query["uploadId"]][1]
        listed = r'<ETag>"(\w+)"</ETag>(?:<Checksum\w+>[^<]*</Checksum\w+>)?<PartNumber>(\d+)</PartNumber>'
        named = re.findall(listed, asked.body.decode())
        if not named or any(number not in map(str, there) or there[int(number)].etag != etag for etag, number in named):
            return refusal(400, "InvalidPart")
        parts = [there[int(number)] for _, number in named]
        data = b"".join(part.data for part in parts)
        if self._honest("object-size") and asked.headers.get("x-amz-mp-object-size", str(len(data))) != str(len(data)):
            return refusal(400, "InvalidRequest")
        if not self._honest("parts-of-any-size") and len({len(part.data) for part in parts[:-1]}) > 1:
            return refusal(400, "InvalidPart")
        if not self._precondition(asked, key, "complete-if-none-match", ""):
            return refusal(412, "PreconditionFailed")
        etag = multipart_etag([bytes.fromhex(part.etag) for part in parts])
        if not self._honest("etag-of-parts"):
            etag = md5(data).hex()
        headers = {_CHECKSUM: crc64(data)} if self._honest("multipart-crc64nvme") else {}
        self.objects[key] = Stored(data, etag, headers)
        del self.uploads[asked.query["uploadId"]]
        return reply(
            body=f"<CompleteMultipartUploadResult><ETag>&quot;{etag}&quot;</ETag></CompleteMultipartUploadResult>"
        )

    def _look(self, key: str, what: str, asked: Asked) -> Reply:
        if what == "versioning":
            return reply(body="<VersioningConfiguration/>")
        if what == "list-type":
            inner = "".join(f"<Contents><Key>{name}</Key><Size>1</Size></Contents>" for name in sorted(self.objects))
            return reply(body=f"<ListBucketResult>{inner}</ListBucketResult>")
        if what == "uploads":
            found = self.uploads.items() if self._honest("list-uploads") else ()
            inner = "".join(f"<Upload><Key>{k}</Key><UploadId>{n}</UploadId></Upload>" for n, (k, _) in found)
            return reply(body=f"<ListMultipartUploadsResult>{inner}</ListMultipartUploadsResult>")
        if what == "uploadId":
            parts = self.uploads[asked.query["uploadId"]][1] if self._honest("list-parts") else {}
            inner = "".join(
                f"<Part><PartNumber>{n}</PartNumber><Size>{len(part.data)}</Size><ETag>{part.etag}</ETag></Part>"
                for n, part in parts.items()
            )
            return reply(body=f"<ListPartsResult>{inner}</ListPartsResult>")
        stored = self.objects[key]
        if what == "attributes":
            root = "GetObjectAttributesResponse" if self._honest("attributes") else "Other"
            return reply(body=f"<{root}><ObjectSize>{len(stored.data)}</ObjectSize></{root}>")
        tags = "".join(
            "<Tag><Key>{}</Key><Value>{}</Value></Tag>".format(*pair.split("="))
            for pair in stored.tags.split("&")
            if pair
        )
        return reply(body=f"<Tagging><TagSet>{tags}</TagSet></Tagging>")
