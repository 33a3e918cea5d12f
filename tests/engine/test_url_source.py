"""Sources that libcurl reads: what is asked of them, and what their failures mean after a first look."""

from __future__ import annotations

import pytest

from s3amfs.core.failures import Failure, Kind
from s3amfs.core.locations import Url
from s3amfs.core.manifest import SourceIdentity
from s3amfs.engine.url_source import Probe, UrlSource
from s3amfs.wire.failures import to_error


@pytest.mark.parametrize(
    ("failure", "kind", "words"),
    [
        (Failure(Kind.DENIED, "Access denied: 530 (FTP 530)", status=530), Kind.THROTTLE, "--download-slots"),
        (Failure(Kind.DENIED, "Access denied (FTP 550)", status=550), Kind.DENIED, "fresh URL"),
    ],
)
def test_a_login_that_worked_before_is_no_question_of_the_password(failure: Failure, kind: Kind, words: str) -> None:
    explained = UrlSource(Url("ftp://u:p@h/f", "ftp://h/f"), Probe(SourceIdentity("ftp://h/f"), True)).explain(failure)
    assert explained.kind is kind
    said = str(to_error(explained, "upload to s3://b/k"))
    assert words in said
    assert "ftp://h/f" in said


def test_a_signed_url_that_expires_asks_for_a_fresh_one_and_no_credentials() -> None:
    url = Url("https://h/f?X-Amz-Signature=secret", "https://h/f")
    failure = Failure(Kind.EXPIRED, "ExpiredToken: The provided token has expired. (HTTP 400)", 400, "ExpiredToken")
    explained = UrlSource(url, Probe(SourceIdentity("https://h/f"), True)).explain(failure)
    assert not explained.retryable
    said = str(to_error(explained, "upload to s3://b/k"))
    assert "source https://h/f:" in said
    assert "fresh URL" in said
    assert "--resume" in said
    assert "secret" not in said
