"""Findings of `s3am doctor` about services, kept from one run to the next. Pure.

JSON text: for each endpoint, bucket and identity (a digest, so that nothing secret is in it) the findings and their
time. They are a prior for the judge of capabilities: a server's later answers override them. Findings that are older
than 30 days, of another version, or malformed are ignored.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from .expected import ExpectedKind, Operation
from .findings import Finding

VERSION = 1
KEPT_SECONDS = 30 * 86400.0
MOST = 200

CONDITIONS: dict[str, tuple[Operation, ExpectedKind]] = {
    "put-if-none-match": ("put", "nothing"),
    "put-if-match": ("put", "etag"),
    "complete-if-none-match": ("complete", "nothing"),
    "copy-if-none-match": ("copy", "nothing"),
    "delete-if-match": ("delete", "etag"),
}
"""Capability -> which condition it is about."""
FEATURES = {
    "checksum-trailer": "trailers",
    "etag-is-md5": "etag_md5",
    "list-uploads": "list_uploads",
    "etag-quoted": "quoted_etags",
    "parts-of-any-size": "unequal_parts",
}
"""Capability -> the field of wire/aws/capabilities.Capabilities that it is about."""

ENCRYPTION = {"sse-c": "sse-c", "sse-s3": "AES256"}
"""Capability -> which encryption it is about."""


def name_of(endpoint: str, bucket: str | None, identity: str) -> str:
    """Under which name findings are kept. endpoint: 'https://host'. identity: an access key id, or ''."""
    return hashlib.sha256(f"{endpoint}\n{bucket or ''}\n{identity}".encode()).hexdigest()[:32]


def parse(text: str, name: str, now: float) -> dict[str, bool]:
    """Capability -> whether the service has it, of those that were not 'unknown'. now: seconds since the epoch."""
    entry = _entries(text).get(name)
    try:
        if entry is None or not 0 <= now - float(entry["at"]) < KEPT_SECONDS:
            return {}
        return {str(capability): bool(has) for capability, has in entry["has"].items()}
    except (TypeError, KeyError, ValueError, AttributeError):
        return {}


def with_findings(text: str, name: str, findings: Iterable[Finding], now: float) -> str:
    """`text` with these findings in place of older ones of the same name."""
    has = {found.capability: found.result == "yes" for found in findings if found.result != "unknown"}
    entries = {**_entries(text), name: {"at": int(now), "has": has}}
    newest = sorted(entries.items(), key=lambda item: _time(item[1]), reverse=True)[:MOST]
    return json.dumps({"version": VERSION, "services": dict(newest)}, indent=1)


def conditions_of(has: Mapping[str, bool]) -> dict[tuple[Operation, ExpectedKind], bool]:
    """Which conditions a service obeys."""
    return {CONDITIONS[name]: value for name, value in has.items() if name in CONDITIONS}


def encryption_of(has: Mapping[str, bool]) -> dict[str, bool]:
    """Whether a service encrypts as it is asked to."""
    return {ENCRYPTION[name]: value for name, value in has.items() if name in ENCRYPTION}


def features_of(has: Mapping[str, bool]) -> dict[str, bool]:
    """Fields of `Capabilities` and their values."""
    return {FEATURES[name]: value for name, value in has.items() if name in FEATURES}


def _entries(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError:
        return {}
    if not isinstance(found, dict) or found.get("version") != VERSION or not isinstance(found.get("services"), dict):
        return {}
    return dict(found["services"])


def _time(entry: object) -> float:
    at = entry.get("at") if isinstance(entry, dict) else None
    return float(at) if isinstance(at, int | float) else 0.0
