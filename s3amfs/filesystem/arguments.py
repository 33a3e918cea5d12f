"""s3fs's arguments, translated for the engine: a service (S3Config) and options of new objects.

None where the engine can't do what the arguments ask for: then s3fs does all of it. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from ..core.parts import MAX_PART, MIN_PART
from ..errors import EncryptionKeyError

if TYPE_CHECKING:
    from ..core.ssec import CustomerKey
    from ..wire.aws.config import S3Config
    from ..wire.s3.api import ObjectOptions

_TEXTS = {
    "ContentType": "content_type",
    "ContentEncoding": "content_encoding",
    "CacheControl": "cache_control",
    "ContentDisposition": "content_disposition",
    "ContentLanguage": "content_language",
    "StorageClass": "storage_class",
    "ACL": "acl",
    "ServerSideEncryption": "sse",
    "SSEKMSKeyId": "sse_kms_key_id",
    "BucketKeyEnabled": "bucket_key",
    "WebsiteRedirectLocation": "website_redirect",
}
_HARMLESS = {"RequestPayer", "SSECustomerKeyMD5", "SSECustomerAlgorithm"}
_CLIENT = {
    "aws_access_key_id",
    "aws_secret_access_key",
    "aws_session_token",
    "region_name",
    "endpoint_url",
    "verify",
    "use_ssl",
}
_CONFIG = {
    "s3",
    "region_name",
    "signature_version",
    "connect_timeout",
    "read_timeout",
    "retries",
    "max_pool_connections",
    "user_agent",
    "user_agent_extra",
    "tcp_keepalive",
}


def customer_key(given: Mapping[str, Any], prefix: str = "") -> CustomerKey | None:
    """The SSE-C key among s3fs's keyword arguments; bytes or text, as boto3 takes it. Raises EncryptionKeyError."""
    from ..core.ssec import KEY_SIZE, CustomerKey

    key = given.get(f"{prefix}SSECustomerKey")
    if key is None:
        return None
    if not isinstance(key, str | bytes | bytearray | memoryview):
        raise EncryptionKeyError(f"SSECustomerKey is {type(key).__name__}: give the key's {KEY_SIZE} bytes, or base64")
    raw = key.encode() if isinstance(key, str) else bytes(key)
    return CustomerKey(raw) if len(raw) == KEY_SIZE else CustomerKey.from_base64(raw.decode("latin-1"))


def object_options(given: Mapping[str, Any]) -> ObjectOptions | None:
    """Options of a new object from s3fs's keyword arguments; None if one of them is beyond the engine."""
    from ..wire.s3.api import ObjectOptions

    fields: dict[str, Any] = {}
    for name, value in given.items():
        if value is None or value is False or name in _HARMLESS:
            continue
        if name in _TEXTS:
            fields[_TEXTS[name]] = value
        elif name == "acl":
            fields["acl"] = value
        elif name == "Metadata":
            fields["metadata"] = dict(value)
        elif name == "Tagging":
            fields["tags"] = dict(parse_qsl(value, keep_blank_values=True))
        elif name == "SSECustomerKey":
            fields["customer_key"] = customer_key(given)
        elif name in ("CopySourceSSECustomerKey", "CopySourceSSECustomerAlgorithm"):
            continue
        else:
            return None
    return ObjectOptions(**fields)


def part_size_of(chunksize: int | None) -> int | None:
    """s3fs's `chunksize` as a part size, where S3 takes parts of that size."""
    return chunksize if chunksize is not None and MIN_PART <= chunksize <= MAX_PART else None


def service(fs: Any) -> S3Config | None:
    """The service that an s3fs instance talks to; None if it is configured in a way the engine does not know."""
    from ..wire.aws.config import S3Config

    client: dict[str, Any] = dict(fs.client_kwargs)
    config: dict[str, Any] = dict(fs.config_kwargs)
    s3: dict[str, Any] = dict(config.get("s3") or {})
    if set(client) - _CLIENT or set(config) - _CONFIG or set(s3) - {"addressing_style", "use_accelerate_endpoint"}:
        return None
    if config.get("signature_version") not in (None, "s3v4") or (set(fs.kwargs) - {"profile"}):
        return None
    session = fs.session if not fs._session_is_owned else None
    use_ssl = client.get("use_ssl", fs.use_ssl)
    endpoint = fs.endpoint_url or client.get("endpoint_url")
    if (not use_ssl and endpoint is None) or "ExpectedBucketOwner" in fs.s3_additional_kwargs:
        return None
    return S3Config(
        profile=fs.kwargs.get("profile"),
        region=client.get("region_name") or config.get("region_name"),
        endpoint_url=endpoint,
        anonymous=bool(fs.anon),
        requester_pays=bool(fs.requester_pays) or fs.s3_additional_kwargs.get("RequestPayer") == "requester",
        addressing_style=s3.get("addressing_style") or "auto",
        verify_tls=client.get("verify", True) if client.get("verify") is not None else True,
        access_key=fs.key or client.get("aws_access_key_id"),
        secret_key=fs.secret or client.get("aws_secret_access_key"),
        token=fs.token or client.get("aws_session_token"),
        use_accelerate=s3.get("use_accelerate_endpoint"),
        session=session,
        **_patience(config),
    )


def _patience(config: Mapping[str, Any]) -> dict[str, Any]:
    """The time-outs (seconds) and retries that botocore's configuration names."""
    retries = config.get("retries") or {}
    total, more = retries.get("total_max_attempts"), retries.get("max_attempts")  # the latter beside the first one
    found = {
        "connect_timeout": config.get("connect_timeout"),
        "stall_timeout": config.get("read_timeout"),
        "max_attempts": total if total is not None else more + 1 if more is not None else None,
    }
    return {name: value for name, value in found.items() if value is not None}
