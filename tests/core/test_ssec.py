"""core/ssec.py: forms of keys, headers, S3AM 2's derivation, and that a key shows nowhere."""

from __future__ import annotations

import base64
import copy
import hashlib
import pickle
import traceback

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3amfs.core.ssec import CustomerKey, derive_master
from s3amfs.errors import EncryptionKeyError

RAW = bytes(range(32))
TEXT = "0123456789abcdef0123456789ABCDEF"


def test_three_forms_of_one_key() -> None:
    key = CustomerKey(TEXT.encode())
    assert CustomerKey.from_text(TEXT) == key
    assert CustomerKey.from_file_content(TEXT.encode()) == key
    assert CustomerKey.from_base64(base64.b64encode(TEXT.encode()).decode() + "\n") == key
    assert CustomerKey(RAW) != key
    assert len({key, CustomerKey.from_text(TEXT), CustomerKey(RAW)}) == 2


def test_headers_are_those_of_s3() -> None:
    assert CustomerKey(RAW).headers() == (
        ("x-amz-server-side-encryption-customer-algorithm", "AES256"),
        ("x-amz-server-side-encryption-customer-key", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="),
        ("x-amz-server-side-encryption-customer-key-md5", "tP/LI3N87DFaSk0aoqYgzg=="),
    )
    assert [name for name, _ in CustomerKey(RAW).copy_source_headers()] == [
        "x-amz-copy-source-server-side-encryption-customer-algorithm",
        "x-amz-copy-source-server-side-encryption-customer-key",
        "x-amz-copy-source-server-side-encryption-customer-key-md5",
    ]
    assert [value for _, value in CustomerKey(RAW).copy_source_headers()] == [
        value for _, value in CustomerKey(RAW).headers()
    ]


@given(st.binary(max_size=100).filter(lambda raw: len(raw) != 32))
def test_wrong_lengths(raw: bytes) -> None:
    with pytest.raises(EncryptionKeyError, match=f"{len(raw)} bytes instead of 32") as caught:
        CustomerKey(raw)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 10


def test_hints() -> None:
    for raw, hint in ((b"k" * 32 + b"\n", "line break"), (b"k" * 44, "--sse-key-base64"), (b"", "generate-sse-key")):
        with pytest.raises(EncryptionKeyError, match=hint):
            CustomerKey(raw)


@pytest.mark.parametrize("text", ["not base64!", "Schlüssel", "AAEC", "", "!" + base64.b64encode(b"k" * 32).decode()])
def test_bad_base64(text: str) -> None:
    with pytest.raises(EncryptionKeyError):
        CustomerKey.from_base64(text)


def test_keys_in_other_encodings_are_their_bytes() -> None:
    assert CustomerKey.from_text(RAW.replace(b"\0", b"\xff").decode("utf-8", "surrogateescape")) == CustomerKey(
        RAW.replace(b"\0", b"\xff")
    )
    with pytest.raises(EncryptionKeyError, match="33 bytes"):
        CustomerKey.from_text("ü" + "x" * 31)


def test_a_key_shows_nowhere() -> None:
    secret = "planted-secret-planted-secret-32"
    key = CustomerKey.from_text(secret)
    encoded = base64.b64encode(secret.encode()).decode()
    shown = [repr(key), str(key), f"{key}", "{!r:>5}".format(key), repr([key]), key.fingerprint(b"")]  # noqa: UP032
    for form, wrong in ((CustomerKey.from_text, secret + "x"), (CustomerKey.from_base64, encoded + "é")):
        with pytest.raises(EncryptionKeyError) as caught:
            form(wrong)
        assert caught.value.__suppress_context__ or caught.value.__context__ is None
        shown += [str(caught.value), repr(caught.value)]
        shown += traceback.format_exception_only(type(caught.value), caught.value)
    with pytest.raises(TypeError, match="secret") as refused:
        pickle.dumps(key)
    shown.append(str(refused.value))
    with pytest.raises(TypeError, match="secret"):
        copy.copy(key)
    for text in shown:
        assert "planted" not in text
        assert encoded[:12] not in text
        assert secret.encode().hex()[:12] not in text


def test_fingerprints_tell_keys_apart_and_depend_on_the_salt() -> None:
    key = CustomerKey(RAW)
    assert key.fingerprint(b"salt") == CustomerKey(RAW).fingerprint(b"salt")
    assert key.fingerprint(b"salt") == hashlib.sha256(b"salt" + RAW).hexdigest()
    assert key.fingerprint(b"salt") != key.fingerprint(b"pepper")
    assert key.fingerprint(b"salt") != CustomerKey.from_text(TEXT).fingerprint(b"salt")


# Fixed vectors: printf '%s%s' KEY URL | sha256sum
VECTORS = [
    (None, "bucket", "key", "f3b2f7515793224eb09ee6d2bfdf41d4fbb3a7d18e81e60cf173b259a573cea9"),
    ("", "bucket", "key", "f3b2f7515793224eb09ee6d2bfdf41d4fbb3a7d18e81e60cf173b259a573cea9"),
    ("eu-west-1", "my.bucket", "dir/a b+c%20", "648edc780a7c401653f37b9322290cb149af8a3cadc0f9065eb189fe0b9749f2"),
    ("EU", "bucket", "key", "fb6c46826c8fdf70f70482ea2271775134698b7a0fc3d7d02d10ea68a0409d9d"),
]


@pytest.mark.parametrize(("location", "bucket", "key", "digest"), VECTORS)
def test_derivation_vectors(location: str | None, bucket: str, key: str, digest: str) -> None:
    derived = derive_master(TEXT.encode(), bucket, key, location)
    assert derived.hex() == digest
    assert CustomerKey.from_text(TEXT).derive(bucket, key, location) == CustomerKey(derived)


@given(
    st.binary(min_size=32, max_size=32),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
    st.sampled_from([None, "", "EU", "us-west-2"]),
)
def test_derivation_formula(master: bytes, key: str, location: str | None) -> None:
    digest = hashlib.sha256(master)
    digest.update(b"https://s3" + (b"-" + location.encode() if location else b"") + b".amazonaws.com/b/")
    digest.update(key.encode())
    assert derive_master(master, "b", key, location) == digest.digest()


@pytest.mark.parametrize(
    ("raw", "hint"),
    [
        (b"x" * 32 + b"\n", "remove the line break"),
        (b"x" * 42, "generate-sse-key"),
        (b"x" * 43, "--sse-key-base64"),
        (b"x" * 44, "--sse-key-base64"),
        (b"x" * 45, "--sse-key-base64"),
        (b"x" * 46, "generate-sse-key"),
        (b"x" * 33, "generate-sse-key"),
        (b"x" * 31 + b"\n\n\n", "generate-sse-key"),
    ],
)
def test_the_probable_mistake_is_named(raw: bytes, hint: str) -> None:
    with pytest.raises(EncryptionKeyError, match=hint):
        CustomerKey(raw)
