"""Encryption, ACL, class and metadata: asked for where S3 takes them, whichever way an object is written."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from s3amfs import S3AMFileSystem
from tests.support.faults import Headers, Rule, edit_request, internal_error
from tests.support.files import make_file
from tests.support.proxy import FaultProxy

MIB = 1024 * 1024
KEY_ID = "arn:aws:kms:us-east-1:123456789012:key/mine"
HOW = {
    "ServerSideEncryption": "aws:kms",
    "SSEKMSKeyId": KEY_ID,
    "ACL": "bucket-owner-full-control",
    "StorageClass": "STANDARD_IA",
    "Metadata": {"colour": "blue"},
}
HEADERS = {
    "x-amz-server-side-encryption": "aws:kms",
    "x-amz-server-side-encryption-aws-kms-key-id": KEY_ID,
    "x-amz-acl": "bucket-owner-full-control",
    "x-amz-storage-class": "STANDARD_IA",
    "x-amz-meta-colour": "blue",
}
Write = Callable[[S3AMFileSystem, str, int, Path, dict[str, Any]], None]


def put(fs: S3AMFileSystem, path: str, size: int, folder: Path, how: dict[str, Any]) -> None:
    make_file(folder / "f", size, 1)
    fs.put_file(str(folder / "f"), path, **how)


def pipe(fs: S3AMFileSystem, path: str, size: int, folder: Path, how: dict[str, Any]) -> None:
    fs.pipe_file(path, bytes(size), **how)


def write(fs: S3AMFileSystem, path: str, size: int, folder: Path, how: dict[str, Any]) -> None:
    with fs.open(path, "wb", **how) as file:
        file.write(bytes(size))


def copy(fs: S3AMFileSystem, path: str, size: int, folder: Path, how: dict[str, Any]) -> None:
    fs.pipe_file(f"{path}-source", bytes(size))
    fs.cp_file(f"{path}-source", path, **how)


@pytest.fixture
def arguments_of_moto(moto_proxy: FaultProxy, boto_of_moto: Any) -> dict[str, Any]:
    boto_of_moto.create_bucket(Bucket="how")
    return {
        "key": "key",
        "secret": "secret",
        "endpoint_url": moto_proxy.endpoint_url,
        "multipart_threshold": MIB,
        "skip_instance_cache": True,
    }


@pytest.mark.parametrize("of", ["the instance", "the call"])
@pytest.mark.parametrize(("size", "part_size"), [(10, None), (6 * MIB, "5MiB"), (6 * MIB, None)])
@pytest.mark.parametrize("way", [put, pipe, write, copy])
def test_asked_for(
    arguments_of_moto: dict[str, Any],
    moto_proxy: FaultProxy,
    boto_of_moto: Any,
    tmp_path: Path,
    way: Write,
    size: int,
    part_size: str | None,
    of: str,
) -> None:
    of_instance = {"s3_additional_kwargs": HOW} if of == "the instance" else {}
    fs = S3AMFileSystem(**arguments_of_moto, **of_instance, part_size=part_size)
    way(fs, "how/k", size, tmp_path, HOW if of == "the call" else {})
    asking = [request for request in moto_proxy.of("Put", "Create", "Copy") if request.key == "k"]
    assert [{name: request.headers.get(name) for name in HEADERS} for request in asking] == [HEADERS]
    for request in moto_proxy.of("UploadPart", "CopyPart", "Complete", "Get", "GetRange", "Head"):
        assert set(request.headers) & set(HEADERS) == set()  # S3 refuses them there
    if size > MIB and part_size is not None:
        assert moto_proxy.count("UploadPart", "CopyPart") >= 2
    if way is not copy or size > MIB:  # s3fs's own copies leave it to S3 whether metadata are replaced
        head = boto_of_moto.head_object(Bucket="how", Key="k")
        assert (head["Metadata"], head["StorageClass"]) == ({"colour": "blue"}, "STANDARD_IA")
        assert (head["ServerSideEncryption"], head["SSEKMSKeyId"]) == ("aws:kms", KEY_ID)


@pytest.mark.parametrize("size", [10, 6 * MIB])
def test_a_call_has_the_say_over_the_instance(
    arguments_of_moto: dict[str, Any], moto_proxy: FaultProxy, tmp_path: Path, size: int
) -> None:
    fs = S3AMFileSystem(**arguments_of_moto, s3_additional_kwargs=HOW)
    for way in (put, pipe, write):
        moto_proxy.clear()
        way(fs, "how/k", size, tmp_path, {"StorageClass": "GLACIER", "Metadata": {"colour": "red"}})
        asked = moto_proxy.of("Put", "Create")[0].headers
        assert (asked["x-amz-storage-class"], asked["x-amz-meta-colour"]) == ("GLACIER", "red")
        assert asked["x-amz-server-side-encryption-aws-kms-key-id"] == KEY_ID


def test_acl_of_open(arguments_of_moto: dict[str, Any], moto_proxy: FaultProxy) -> None:
    """s3fs's own argument."""
    fs = S3AMFileSystem(**arguments_of_moto)
    with fs.open("how/k", "wb", acl="public-read") as file:
        file.write(bytes(6 * MIB))
    assert [request.headers["x-amz-acl"] for request in moto_proxy.of("Put", "Create")] == ["public-read"]


def without_encryption(line: str, headers: Headers) -> tuple[str, Headers]:
    return line, [(name, value) for name, value in headers if name.lower() != "x-amz-server-side-encryption"]


@pytest.mark.parametrize("way", [put, pipe])
def test_trouble_hides_no_server_that_drops_the_encryption(
    arguments_of_moto: dict[str, Any], moto_proxy: FaultProxy, tmp_path: Path, way: Write
) -> None:
    """A small object whose one request fails is not left to s3fs, which looks at nothing."""
    moto_proxy.rules.append(Rule("Put", internal_error(), nth=1))
    moto_proxy.rules.append(Rule("Put", edit_request(without_encryption)))
    with pytest.raises(OSError, match="no encryption is named"):
        way(S3AMFileSystem(**arguments_of_moto), "how/k", 10, tmp_path, {"ServerSideEncryption": "AES256"})
    assert moto_proxy.count("Put", status=200) == 1


def test_a_small_copy_is_looked_at(arguments_of_moto: dict[str, Any], moto_proxy: FaultProxy) -> None:
    """s3fs would make it, and look at nothing."""
    fs = S3AMFileSystem(**arguments_of_moto)
    fs.pipe_file("how/a", b"x")
    fs.cp_file("how/a", "how/b", ServerSideEncryption="AES256")
    S3AMFileSystem.clear_instance_cache()  # what the server was seen to do is known of it
    moto_proxy.rules.append(Rule("Copy", edit_request(without_encryption)))
    with pytest.raises(OSError, match="no encryption is named"):
        S3AMFileSystem(**arguments_of_moto).cp_file("how/a", "how/c", ServerSideEncryption="AES256")


@pytest.mark.parametrize("size", [10, 6 * MIB])
@pytest.mark.parametrize("way", [put, pipe, write, copy])
def test_tags_that_are_dropped_are_said(
    arguments_of_moto: dict[str, Any],
    moto_proxy: FaultProxy,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    way: Write,
    size: int,
) -> None:
    for kind in ("Put", "Create", "Copy"):
        moto_proxy.rules.append(Rule(kind, edit_request(without_tags)))
    fs = S3AMFileSystem(**arguments_of_moto)
    way(fs, "how/k", size, tmp_path, {"Tagging": "a=1"})
    assert [record.message for record in caplog.records if "drops tags" in record.message]


def without_tags(line: str, headers: Headers) -> tuple[str, Headers]:
    return line, [(name, value) for name, value in headers if name.lower() != "x-amz-tagging"]


def test_trouble_with_encryption_that_is_done(
    arguments_of_moto: dict[str, Any], moto_proxy: FaultProxy, boto_of_moto: Any
) -> None:
    moto_proxy.rules.append(Rule("Put", internal_error(), nth=1))
    answered = S3AMFileSystem(**arguments_of_moto).pipe_file("how/k", b"x", ServerSideEncryption="AES256")
    head = boto_of_moto.head_object(Bucket="how", Key="k")
    assert (head["ServerSideEncryption"], head["ETag"]) == ("AES256", answered["ETag"])


@pytest.mark.parametrize("size", [10, 6 * MIB])
def test_a_copy_keeps_the_class(arguments_of_moto: dict[str, Any], boto_of_moto: Any, size: int) -> None:
    boto_of_moto.put_object(Bucket="how", Key="k", Body=bytes(size), StorageClass="STANDARD_IA")
    fs = S3AMFileSystem(**arguments_of_moto)
    fs.ls("how")
    fs.cp_file("how/k", "how/copy")
    assert boto_of_moto.head_object(Bucket="how", Key="copy")["StorageClass"] == "STANDARD_IA"


@pytest.mark.parametrize("size", [10, 6 * MIB])
def test_a_copy_keeps_the_key_and_the_redirect(
    arguments_of_moto: dict[str, Any], moto_proxy: FaultProxy, boto_of_moto: Any, size: int
) -> None:
    described: dict[str, Any] = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": KEY_ID, "Metadata": {"a": "b"}}
    boto_of_moto.put_object(Bucket="how", Key="k", Body=bytes(size), WebsiteRedirectLocation="/there", **described)
    S3AMFileSystem(**arguments_of_moto).cp_file("how/k", "how/copy")
    asked = moto_proxy.of("Copy", "Create")[-1].headers
    assert asked["x-amz-server-side-encryption-aws-kms-key-id"] == KEY_ID
    assert asked["x-amz-website-redirect-location"] == "/there"
    head = boto_of_moto.head_object(Bucket="how", Key="copy")
    assert {name: head[name] for name in described} == described


def test_a_small_copy_is_a_look_and_a_request(
    arguments_of_moto: dict[str, Any], moto_proxy: FaultProxy, boto_of_moto: Any
) -> None:
    boto_of_moto.put_object(Bucket="how", Key="k", Body=b"x", Metadata={"a": "b"})
    fs = S3AMFileSystem(**arguments_of_moto)
    fs.ls("how")
    moto_proxy.clear()
    fs.cp_file("how/k", "how/copy")
    assert (moto_proxy.count("Head"), moto_proxy.count("Copy")) == (1, 1)
    assert boto_of_moto.head_object(Bucket="how", Key="copy")["Metadata"] == {"a": "b"}
