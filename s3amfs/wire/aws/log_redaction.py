"""Redacts customer keys and session tokens in the DEBUG logs of botocore and s3fs (headers of requests)."""

from __future__ import annotations

import logging
import re

LOGGERS = ("botocore.endpoint", "botocore.auth", "botocore.parsers", "s3fs")
_SECRET = re.compile(
    r"""((?:customer-?key(?:-?md5)?|security-token|session_?token|secret_?access_?key)['"]?\s*[:=]\s*)"""
    r"""(?:b?(['"])(?:\\.|(?!\2).)*\2|[^'",}&\s]+)"""
    r"""|(<(?:SessionToken|SecretAccessKey)>)[^<]*""",
    re.IGNORECASE,
)
"""A name in a header, an argument, a query or JSON and its value, quoted or bare; what STS answers in XML."""


class _HidesSecrets(logging.Filter):
    """A filter, so it is called only for records that will be emitted."""

    def filter(self, record: logging.LogRecord) -> bool:
        said = record.getMessage()
        hidden = _SECRET.sub(r"\1\3***", said)
        if hidden != said:
            record.msg, record.args = hidden, ()
        return True


_filter = _HidesSecrets()


def hide_secrets() -> None:
    """From now on, in this process; called again it changes nothing."""
    for name in LOGGERS:
        logging.getLogger(name).addFilter(_filter)
