"""An object that was to be encrypted is, or the transfer fails: servers exist that drop the headers and answer 200."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from s3amfs.core.locations import LocalPath, S3Location
from s3amfs.core.ssec import CustomerKey
from s3amfs.demo.seaweed import SeaweedServer
from s3amfs.engine.connect import S3Client, S3Config, connect
from s3amfs.errors import Unsupported
from s3amfs.transfers.options import ObjectOptions, UploadOptions
from s3amfs.verbs.upload import upload
from tests.conftest import boto_client
from tests.support.clients import PART
from tests.support.examined import lax, lax_bucket
from tests.support.faults import Headers, Rule, edit_request, error
from tests.support.files import make_file
from tests.support.proxy import FaultProxy

__all__ = ["lax", "lax_bucket"]
pytestmark = pytest.mark.usefixtures("state")
KEY = ObjectOptions(customer_key=CustomerKey(b"k" * 32))


def client_at(url: str) -> S3Client:
    return connect(S3Config(endpoint_url=url, access_key="key", secret_key="secret", region="us-east-1"))


@pytest.mark.parametrize("size", [1000, 2 * PART])
def test_a_key_that_the_server_drops(lax: str, lax_bucket: str, tmp_path: Path, size: int) -> None:
    """The second upload is refused before a byte of it is sent."""
    source, options = LocalPath(str(make_file(tmp_path / "f", size, 1))), UploadOptions(part_size=PART, object=KEY)
    with FaultProxy(lax) as proxy:
        client = client_at(proxy.endpoint_url)
        with pytest.raises(Unsupported, match="stored, but not encrypted"):
            upload(source, S3Location(lax_bucket, "a"), client, options)
        proxy.clear()
        with pytest.raises(Unsupported, match="nothing was sent"):
            upload(source, S3Location(lax_bucket, "b"), client, options)
        assert proxy.count("Put", "Create", "UploadPart") == 0


def without_encryption(line: str, headers: Headers) -> tuple[str, Headers]:
    return line, [(name, value) for name, value in headers if name.lower() != "x-amz-server-side-encryption"]


@pytest.mark.parametrize("sse", ["AES256", "aws:kms"])
def test_encryption_by_the_server_is_looked_at(lax: str, lax_bucket: str, tmp_path: Path, sse: str) -> None:
    source = LocalPath(str(make_file(tmp_path / "f", 1000, 1)))
    options = UploadOptions(object=ObjectOptions(sse=sse), exists="overwrite")
    with FaultProxy(lax) as proxy:
        upload(source, S3Location(lax_bucket, "k"), client_at(proxy.endpoint_url), options)
        proxy.rules.append(Rule("Put", edit_request(without_encryption)))
        with pytest.raises(Unsupported, match=f"the request for {sse}"):
            upload(source, S3Location(lax_bucket, "k"), client_at(proxy.endpoint_url), options)


def test_trouble_that_ends_is_no_missing_feature(lax: str, lax_bucket: str, tmp_path: Path) -> None:
    source = LocalPath(str(make_file(tmp_path / "f", 1000, 1)))
    options = UploadOptions(object=ObjectOptions(sse="AES256"))
    with FaultProxy(lax) as proxy:
        proxy.rules.append(Rule("Put", error(500, "InternalError"), times=4))
        upload(source, S3Location(lax_bucket, "k"), client_at(proxy.endpoint_url), options)
    assert boto_client(lax, "key", "secret").head_object(Bucket=lax_bucket, Key="k")["ServerSideEncryption"] == "AES256"


def test_a_server_that_encrypts_is_asked_once(
    through: S3Client, proxy: FaultProxy, bucket: str, tmp_path: Path, s3: SeaweedServer, boto: Any
) -> None:
    source, options = LocalPath(str(make_file(tmp_path / "f", 1000, 1))), UploadOptions(object=KEY, exists="overwrite")
    upload(source, S3Location(bucket, "k"), through, options)
    once = proxy.count("Head")
    upload(source, S3Location(bucket, "k"), through, options)
    assert proxy.count("Head") == once == 1
    with pytest.raises(Exception, match="400"):
        boto.head_object(Bucket=bucket, Key="k")
