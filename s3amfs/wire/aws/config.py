"""Choices of the user about S3: profile, endpoint, keys, limits. Plain data; nothing is read or connected here.

A field left at its default comes from where every AWS tool looks (`session.py` asks botocore). Immutable, any thread.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import field
from typing import Literal

from ...core.define import define
from ...errors import UsageError

AddressingStyle = Literal["auto", "path", "virtual"]


@define(frozen=True)
class S3Config:
    """Choices for one S3 service and account; `repr` shows no key."""

    profile: str | None = None
    region: str | None = None
    endpoint_url: str | None = None
    """`http(s)://HOST[:PORT][/PATH]`; None: from the environment, the configuration, or AWS."""
    anonymous: bool = False
    """Sign nothing (public buckets)."""
    requester_pays: bool = False
    addressing_style: AddressingStyle = "auto"
    """'auto' takes the configured style, and without one botocore's default: virtual on AWS, path elsewhere."""
    verify_tls: bool | str = True
    """True: the system's CAs (or AWS_CA_BUNDLE); a path: this CA bundle; False: no verification."""
    access_key: str | None = field(default=None, repr=False)
    secret_key: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    use_dualstack: bool | None = None
    """None: as configured (`use_dualstack_endpoint`, AWS_USE_DUALSTACK_ENDPOINT)."""
    use_fips: bool | None = None
    use_accelerate: bool | None = None
    connect_timeout: float = 10.0
    """Seconds until a connection must stand."""
    stall_timeout: float = 60.0
    """Seconds without a byte after which a request is given up and tried again."""
    retry_budget: float | None = None
    """Seconds without progress until a transfer gives up; None: 300, or 30 where the server never answered."""
    max_attempts: int | None = None
    """Tries of one request in all; None: as many as the budget holds."""
    session: object | None = field(default=None, repr=False, compare=False)
    """A botocore or aiobotocore session whose profile and credentials are to be used; None: a new one."""

    @property
    def timeouts(self) -> tuple[float, float]:
        """Connect and stall time-out in seconds."""
        return self.connect_timeout, self.stall_timeout


def only_when_required(name: str, value_of: Callable[[str], object]) -> bool:
    """Whether checksums are wanted only where S3 requires them (AWS SDKs and Tools Reference Guide, "Data integrity").

    name: of the setting. value_of: looks it up, as botocore does. Raises UsageError for another value.
    """
    text = str(value_of(name) or "when_supported").lower()
    if text not in ("when_supported", "when_required"):
        raise UsageError(f"{name} is {text!r}: set it to when_supported or when_required")
    return text == "when_required"
