"""Unfinished uploads are listed page by page, also where a server says only after which upload the next page begins."""

from __future__ import annotations

from typing import Any

import pytest

from s3amfs.demo.seaweed import SeaweedServer
from s3amfs.wire.messages import Reply
from s3amfs.wire.s3 import api as s3api
from s3amfs.wire.s3.xml import MalformedXml
from tests.support.clients import client_of

PAGE = b"""<?xml version="1.0"?><ListMultipartUploadsResult><UploadIdMarker>%s</UploadIdMarker>
<NextUploadIdMarker>%s</NextUploadIdMarker><IsTruncated>true</IsTruncated></ListMultipartUploadsResult>"""


def test_the_real_server_pages_by_the_upload(s3: SeaweedServer, boto: Any, bucket: str) -> None:
    begun = {boto.create_multipart_upload(Bucket=bucket, Key=f"k{n}")["UploadId"] for n in range(5)}
    client, found, after = client_of(s3, s3.endpoint_url), [], None
    while True:
        request = s3api.list_multipart_uploads(bucket, after=after, max_uploads=2)
        page = s3api.parse_uploads(client.call(request, bucket))
        found += [upload.upload_id for upload in page.uploads]
        after = page.next_markers
        if after is None:
            break
    assert sorted(found) == sorted(begun)


def test_only_the_upload_says_where_to_go_on() -> None:
    page = s3api.parse_uploads(Reply(200, {}, PAGE % (b"one", b"two")))
    assert page.next_markers == ("", "two")
    assert ("upload-id-marker", "two") in s3api.list_multipart_uploads("b", after=page.next_markers).query
    assert "key-marker" not in dict(s3api.list_multipart_uploads("b", after=page.next_markers).query)


@pytest.mark.parametrize(("before", "following"), [(b"one", b"one"), (b"", b"")])
def test_a_page_that_leads_nowhere_is_an_error(before: bytes, following: bytes) -> None:
    with pytest.raises(MalformedXml):
        s3api.parse_uploads(Reply(200, {}, PAGE % (before, following)))
