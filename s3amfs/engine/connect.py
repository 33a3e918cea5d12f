"""Makes the client of the front ends from a configuration."""

from __future__ import annotations

from ..wire.aws.config import S3Config
from ..wire.aws.session import S3Session
from .client import OnNotice, OnRetry, S3Client
from .memory import recall_service

__all__ = ["S3Client", "S3Config", "connect"]


def connect(
    config: S3Config | None = None, *, on_retry: OnRetry | None = None, on_notice: OnNotice | None = None
) -> S3Client:
    """A client for one service and account. Nothing is connected yet; any thread may use it.

    Raises UsageError (no such profile, bad endpoint) and AccessDenied (no usable credentials).
    """
    return S3Client(S3Session(config, recall_service), on_retry=on_retry, on_notice=on_notice)
