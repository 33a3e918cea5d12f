"""Trees and split jobs whose objects are to be encrypted or tagged, on servers that drop that without a word."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from s3amfs.core.locations import LocalPath, S3Location
from s3amfs.core.split_job import Share, parse_job
from s3amfs.engine.connect import S3Client, S3Config, connect
from s3amfs.errors import Unsupported
from s3amfs.jobs import split
from s3amfs.transfers.options import ObjectOptions, UploadOptions
from tests.support.examined import lax, lax_bucket
from tests.support.faults import Headers, Rule, edit_request
from tests.support.files import make_file
from tests.support.proxy import FaultProxy
from tests.support.trees import make_tree

__all__ = ["lax", "lax_bucket"]
MIB = 1024 * 1024
FILES = {"a": b"1", "b/c": b"22", "b/d": b"333"}
DROPPED = ("x-amz-server-side-encryption", "x-amz-tagging", "x-amz-storage-class")


def dropping(line: str, headers: Headers) -> tuple[str, Headers]:
    return line, [(name, value) for name, value in headers if name.lower() not in DROPPED]


@pytest.fixture
def dropper(lax: str) -> Iterator[FaultProxy]:
    """Drops encryption, tags and class of whatever is stored."""
    with FaultProxy(lax) as proxy:
        for kind in ("Put", "Create", "Copy"):
            proxy.rules.append(Rule(kind, edit_request(dropping)))
        yield proxy


def client_at(url: str) -> S3Client:
    return connect(S3Config(endpoint_url=url, access_key="key", secret_key="secret", region="us-east-1"))


@pytest.mark.parametrize("exists", ["refuse", "overwrite"])
def test_small_files_in_the_clear_fail(
    run: Any, dropper: FaultProxy, lax_bucket: str, tmp_path: Path, exists: str
) -> None:
    client = client_at(dropper.endpoint_url)
    source = make_tree(tmp_path / "src", FILES)
    options = ObjectOptions(sse="AES256")
    done = run(source, f"s3://{lax_bucket}/p", client=client, object=options, exists=exists)
    assert (done.rc, done.did("upload", "copy")) == (1, {})
    again = run(source, f"s3://{lax_bucket}/q", client=client, object=options, exists=exists)
    assert (again.rc, again.did("upload", "copy")) == (1, {})
    assert not [request for request in dropper.of("Put") if "/q/" in request.path], "nothing is sent once it is known"


def test_copies_in_the_clear_fail(run: Any, dropper: FaultProxy, lax: str, lax_bucket: str, tmp_path: Path) -> None:
    source = make_tree(tmp_path / "src", FILES)
    assert run(source, f"s3://{lax_bucket}/p", client=client_at(lax)).rc == 0
    options = ObjectOptions(sse="AES256")
    done = run(f"s3://{lax_bucket}/p", f"s3://{lax_bucket}/q", client=client_at(dropper.endpoint_url), object=options)
    assert (done.rc, done.did("upload", "copy")) == (1, {})


def test_what_else_is_dropped_is_said_once(run: Any, dropper: FaultProxy, lax_bucket: str, tmp_path: Path) -> None:
    source = make_tree(tmp_path / "src", FILES)
    options = ObjectOptions(tags={"a": "1"}, storage_class="STANDARD_IA")
    done = run(source, f"s3://{lax_bucket}/p", client=client_at(dropper.endpoint_url), object=options)
    assert (done.rc, set(done.did())) == (0, set(FILES))
    assert sorted(note.partition(" drops ")[2].partition(":")[0] for note in done.notes) == [
        "tags",
        "the storage class STANDARD_IA",
    ]


def test_a_server_that_keeps_it_costs_one_request_a_file(run: Any, lax: str, lax_bucket: str, tmp_path: Path) -> None:
    files = {f"f{number}": b"x" for number in range(20)}
    source = make_tree(tmp_path / "src", files)
    with FaultProxy(lax) as proxy:
        done = run(
            source, f"s3://{lax_bucket}/p", client=client_at(proxy.endpoint_url), object=ObjectOptions(sse="AES256")
        )
        assert (done.rc, len(done.did())) == (0, 20)
        assert proxy.count("Head") <= 6


def test_finish_of_a_split_job_looks_as_upload_does(dropper: FaultProxy, lax_bucket: str, tmp_path: Path) -> None:
    client, path = client_at(dropper.endpoint_url), str(tmp_path / "job.json")
    source = LocalPath(str(make_file(tmp_path / "big", 6 * MIB, 1)))
    asked = UploadOptions(
        part_size=5 * MIB, object=ObjectOptions(sse="AES256", tags={"a": "1"}), state_dir=str(tmp_path / "state")
    )
    split.start_upload(source, S3Location(lax_bucket, "k"), client, asked, path)
    job = parse_job(Path(path).read_text(), path)
    assert job.asked == {"sse": "AES256", "tags": {"a": "1"}}
    given = UploadOptions(state_dir=str(tmp_path / "state"))
    split.move_upload(job, Share(1, 1), client, given, path)
    with pytest.raises(Unsupported, match="no encryption is named"):
        split.finish_upload(job, client, given, path)
