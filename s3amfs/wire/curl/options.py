"""Options of requests as curl's own numbers (part of its ABI), so that whoever plans a request need not load pycurl.

`tests/wire/curl/test_options.py` compares the numbers with pycurl's. No network, no state; any thread.
"""

from __future__ import annotations

import os
from importlib.util import find_spec

from .ssh import SCHEMES, ssh_options

Options = tuple[tuple[int, object], ...]

LOW_SPEED_LIMIT = 19
LOW_SPEED_TIME = 20
FOLLOWLOCATION = 52
FRESH_CONNECT = 74
SSL_VERIFYPEER = 64
MAXREDIRS = 68
FILETIME = 69
SSL_VERIFYHOST = 81
IGNORE_CONTENT_LENGTH = 136
"""For ftp: no SIZE before RETR."""
TIMEOUT_MS = 155
CONNECTTIMEOUT_MS = 156
REDIR_PROTOCOLS = 182
PATH_AS_IS = 234
RANGE = 10007
COOKIEFILE = 10031
CAINFO = 10065
COOKIELIST = 10135
PROXY_CAINFO = 10246

TIMEOUTS = (10.0, 60.0)
"""Seconds for a connection to stand, and without a byte until a request is given up."""

MIN_BYTES_PER_SECOND = 64
"""Bytes per second; a part that moves fewer for all of the stall time-out would never end. 8 MiB took 36 hours."""

CONTROL_PATIENCE = 10
"""Times the stall time-out that a request without data may take in all: a server that sends a byte now and then is no
stall to curl."""

CA_VARIABLES = ("CURL_CA_BUNDLE", "SSL_CERT_FILE")
CA_PLACES = (
    "/etc/ssl/certs/ca-certificates.crt",  # Debian, Ubuntu, Arch, Gentoo
    "/etc/pki/tls/certs/ca-bundle.crt",  # Fedora, RHEL; what libcurl in pycurl's wheels looks for
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",  # openSUSE
    "/etc/ssl/cert.pem",  # Alpine, BSD
    "/usr/local/share/certs/ca-root-nss.crt",
)


def ca_bundle() -> str | None:
    """The certificates to trust where the request says nothing: environment, system, certifi; None: libcurl's default.

    pycurl's wheels bring a libcurl that knows the place of one family of distributions only.
    """
    for name in CA_VARIABLES:
        if value := os.environ.get(name):
            return value  # also when it does not exist: to ignore it silently would trust others than was asked for
    for path in CA_PLACES:
        if os.access(path, os.R_OK):
            return path
    if find_spec("certifi") is None:
        return None
    import certifi

    return str(certifi.where())


def ranged(options: Options, offset: int, length: int) -> Options:
    """Adds the byte range to curl's options; for ftp and sftp too, which know no Range header."""
    return (*options, (RANGE, f"{offset}-{offset + length - 1}"))


def source_options(url: str, *, verify_tls: bool | str, timeouts: tuple[float, float] = TIMEOUTS) -> Options:
    """Options of a foreign source. Redirects lead to http(s) only; curl keeps credentials to their host."""
    options: Options = ((FILETIME, 1), *timeout_options(*timeouts))
    scheme = url.partition(":")[0].lower()
    if scheme in ("http", "https"):
        # '' switches the cookies on: some sites redirect until they get theirs back.
        options += ((FOLLOWLOCATION, 1), (MAXREDIRS, 10), (REDIR_PROTOCOLS, 0b11), (COOKIEFILE, ""))
    if scheme in SCHEMES:
        options += ssh_options(url, verify=verify_tls is not False)
    return options + tls_options(verify_tls)


def timeout_options(connect: float, stall: float) -> Options:
    """Both in seconds; curl counts stalls in whole ones."""
    return ((CONNECTTIMEOUT_MS, max(1, int(connect * 1000))), (LOW_SPEED_TIME, max(1, round(stall))))


def with_time_limits(options: Options, *, is_control: bool) -> Options:
    """`options` after the usual time-outs; a control call gets a limit on its whole time, too."""
    found = (*timeout_options(*TIMEOUTS), *options)
    if not is_control:
        return found
    stall = dict(found)[LOW_SPEED_TIME]
    assert isinstance(stall, int)
    return (*found, (TIMEOUT_MS, 1000 * stall * CONTROL_PATIENCE))


def with_low_speed_limit(options: Options, *, limit_rate: int) -> Options:
    """`options` with curl's low-speed limit, in bytes per second.

    limit_rate: what the user allows in all, in bytes per second; 0: no limit. A request that is slower than
    `MIN_BYTES_PER_SECOND`, or than a quarter of `limit_rate` where that is less, is given up.
    """
    least = max(1, min(MIN_BYTES_PER_SECOND, limit_rate // 4)) if limit_rate else MIN_BYTES_PER_SECOND
    return (*options, (LOW_SPEED_LIMIT, least))


def tls_options(verify_tls: bool | str) -> Options:
    """`True` or a CA bundle's path verifies the peer; only an explicit False does not."""
    if verify_tls is False:
        return ((SSL_VERIFYPEER, 0), (SSL_VERIFYHOST, 0))
    if isinstance(verify_tls, str):
        return ((CAINFO, verify_tls),)
    return ()
