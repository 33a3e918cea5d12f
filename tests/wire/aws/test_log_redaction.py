"""Secrets are left out of what libraries log, whatever they look like there."""

from __future__ import annotations

import logging

import pytest

from s3amfs.wire.aws.log_redaction import hide_secrets


@pytest.mark.parametrize(
    ("said", "left"),
    [
        ("{'x-amz-server-side-encryption-customer-key': 'PLANTED=='}", "-customer-key': ***}"),
        ("headers={'x-amz-copy-source-server-side-encryption-customer-key-MD5': b'PLANTED', 'a': b'b'}", "'a': b'b'}"),
        ("CALL: put_object - () - {'SSECustomerKey': b'it\\'s \"PLANTED, }', 'Key': 'k'}", "'Key': 'k'}"),
        ("x-amz-date:20260101\nx-amz-security-token:PLANTED\nhost:h", "\nhost:h"),
        ("https://h/k?X-Amz-Security-Token=PLANTED&X-Amz-Date=1", "&X-Amz-Date=1"),
        ("<SecretAccessKey>PLANTED</SecretAccessKey><SessionToken>PLANTED=</SessionToken>", "***</SessionToken>"),
        (
            '{"roles":{"secretAccessKey":"PLANTED","sessionToken":"PLANTED","expires":1}}',
            '"expires":1}}',
        ),
        ("{'SSECustomerAlgorithm': 'AES256'}", "'AES256'}"),
    ],
)
def test_values_are_left_out(said: str, left: str, caplog: pytest.LogCaptureFixture) -> None:
    hide_secrets()
    with caplog.at_level(logging.DEBUG, "botocore.endpoint"):
        logging.getLogger("botocore.endpoint").debug("sent: %s", said)
    assert "PLANTED" not in caplog.text
    assert caplog.text.strip().endswith(left)
