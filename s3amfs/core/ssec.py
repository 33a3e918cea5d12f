"""Customer keys (SSE-C): their forms, headers, fingerprint, and S3AM 2's derivation from a master key.

The key never leaves through `repr`, `str`, an exception or pickle; only `headers()` and `copy_source_headers()` hold
it, for the wire. Reading key files is the command line's job. Pure and immutable.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac

from ..errors import EncryptionKeyError

KEY_SIZE = 32
"""Bytes: SSE-C is AES-256 (S3 User Guide, "Using server-side encryption with customer-provided keys")."""

_HEADER = "x-amz-server-side-encryption-customer-"
_COPY_HEADER = "x-amz-copy-source-server-side-encryption-customer-"


class CustomerKey:
    """A key of 32 bytes, for an object or (`--sse-key-is-master`) to derive those of objects from."""

    __slots__ = ("_raw",)

    def __init__(self, raw: bytes) -> None:
        """`raw`: the 32 bytes. Raises `EncryptionKeyError` for any other number of them."""
        if len(raw) != KEY_SIZE:
            raise EncryptionKeyError(f"the encryption key has {len(raw)} bytes instead of {KEY_SIZE}{_hint(raw)}")
        self._raw = bytes(raw)

    @classmethod
    def from_text(cls, text: str) -> CustomerKey:
        """The key of `--sse-key KEY`: the 32 bytes themselves, as text."""
        # Arguments that are not UTF-8 reach Python with surrogates; these are the bytes the user typed.
        return cls(text.encode("utf-8", "surrogateescape"))

    @classmethod
    def from_base64(cls, text: str) -> CustomerKey:
        """The key of `--sse-key-base64 KEY`."""
        try:
            raw = base64.b64decode(text.strip().encode("ascii"), validate=True)
        except (binascii.Error, UnicodeEncodeError):
            # `from None`: the original error holds the text, that is, the key.
            raise EncryptionKeyError("the encryption key is not valid base64: 44 characters are expected") from None
        return cls(raw)

    @classmethod
    def from_file_content(cls, content: bytes) -> CustomerKey:
        """The key of `--sse-key-file PATH`: exactly 32 bytes, as `generate-sse-key` writes them."""
        return cls(content)

    def derive(self, bucket: str, key: str, location: str | None) -> CustomerKey:
        """This master key's key for one object, see `derive_master`."""
        return CustomerKey(derive_master(self._raw, bucket, key, location))

    def headers(self) -> tuple[tuple[str, str], ...]:
        """Headers of a request that reads or writes an object with this key. They hold the key: never log them."""
        return self._headers(_HEADER)

    def copy_source_headers(self) -> tuple[tuple[str, str], ...]:
        """Headers of CopyObject or UploadPartCopy for a source with this key. They hold the key."""
        return self._headers(_COPY_HEADER)

    def fingerprint(self, salt: bytes) -> str:
        """Salted SHA-256 in hex: shows whether a resumed transfer has the same key, and nothing else about it."""
        return hashlib.sha256(salt + self._raw).hexdigest()

    def _headers(self, prefix: str) -> tuple[tuple[str, str], ...]:
        digest = hashlib.md5(self._raw, usedforsecurity=False).digest()
        return (
            (prefix + "algorithm", "AES256"),
            (prefix + "key", base64.b64encode(self._raw).decode("ascii")),
            (prefix + "key-md5", base64.b64encode(digest).decode("ascii")),
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, CustomerKey) and hmac.compare_digest(self._raw, other._raw)

    def __hash__(self) -> int:
        return hash((CustomerKey, self._raw))

    def __repr__(self) -> str:
        return "CustomerKey(hidden)"

    def __reduce__(self) -> tuple[object, ...]:
        # A pickle is a file or a log sooner or later. Whoever must send a key to another process does so knowingly.
        raise TypeError("a CustomerKey is not pickled: it is a secret")


def derive_master(master: bytes, bucket: str, key: str, location: str | None) -> bytes:
    """An object's 32-byte key: SHA-256(master key bytes + URL of the object), S3AM 2's derivation (contract).

    `location` is the LocationConstraint as GetBucketLocation says it, None or '' for the classic region. The URL is
    a name and not a request: bucket and key stand in it as they are, unescaped, in UTF-8.
    """
    host = f"s3-{location}.amazonaws.com" if location else "s3.amazonaws.com"
    return hashlib.sha256(master + f"https://{host}/{bucket}/{key}".encode("utf-8", "surrogateescape")).digest()


def _hint(raw: bytes) -> str:
    """The probable mistake, judged by the number of bytes alone."""
    if len(raw) == 33 and raw.endswith(b"\n"):
        return ": remove the line break at its end"
    if len(raw) in (43, 44, 45):
        return ": if this is its base64 form, use --sse-key-base64"
    return "; generate-sse-key makes a good one"
