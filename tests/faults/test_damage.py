"""What goes wrong on the way, and what the command makes of it: the right bytes, or an error and no object."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from s3amfs.core.capabilities import TRIES_PER_FORM
from tests.support import faults
from tests.support.cli import Cli, Result
from tests.support.faults import Fault, Rule
from tests.support.files import digest, make_file, object_digest
from tests.support.proxy import FaultProxy, Recorded

MIB = 1024 * 1024
PART = 5 * MIB
Headers = list[tuple[str, str]]


class Setup:
    """One file of 2.5 parts on its way through the proxy."""

    def __init__(self, cli: Cli, boto: Any, bucket: str, folder: Path, proxy: FaultProxy) -> None:
        self.cli, self.boto, self.bucket, self.proxy = cli, boto, bucket, proxy
        self.file, self.out = folder / "f", folder / "out"
        make_file(self.file, 5 * PART // 2, 1)

    def run(self, *words: object, **environment: str) -> Result:
        return self.cli(*words, env={"AWS_ENDPOINT_URL": self.proxy.endpoint_url, **environment})

    def upload(self, *options: object, **environment: str) -> Result:
        return self.run(
            "-v", "upload", "--part-size", "5M", *options, self.file, f"s3://{self.bucket}/k", **environment
        )

    def download(self, *options: object) -> Result:
        self.boto.upload_file(str(self.file), self.bucket, "d")
        return self.run("-v", "download", "--part-size", "5M", *options, f"s3://{self.bucket}/d", self.out)

    def check_object(self) -> None:
        assert object_digest(self.boto, self.bucket, "k") == digest(self.file)
        assert self.boto.list_multipart_uploads(Bucket=self.bucket).get("Uploads", []) == []
        assert self.proxy.parts_sent_again() == []

    def check_file(self) -> None:
        assert digest(self.out) == digest(self.file)


@pytest.fixture
def setup(cli: Cli, boto: Any, bucket: str, tmp_path: Path, proxy: FaultProxy) -> Setup:
    return Setup(cli, boto, bucket, tmp_path, proxy)


TEMPORARY = {
    "refused": faults.refuse(),
    "reset in the body": faults.reset("request_body"),
    "reset before the answer": faults.reset("request_head"),
    "500": faults.internal_error(),
    "503 with Retry-After": faults.slow_down(retry_after=1),
    "RequestTimeout": faults.request_timeout(),
    "flipped bit": faults.flip("request"),
    "expired token": faults.expired_token(),
}


@pytest.mark.parametrize("name", TEMPORARY)
def test_upload_survives(setup: Setup, name: str) -> None:
    setup.proxy.rules.append(Rule("UploadPart", TEMPORARY[name], nth=2))
    result = setup.upload()
    assert result.rc == 0, result.stderr
    setup.check_object()
    if name == "503 with Retry-After":
        parts = setup.proxy.of("UploadPart")
        refused = next(r for r in parts if r.status == 503)
        again = [r for r in parts if r.part_number == refused.part_number and r.started > refused.started]
        assert again[0].started - (refused.started + refused.seconds) >= 0.95


@pytest.mark.parametrize(
    "fault",
    [
        faults.reset("response_body"),
        faults.truncate(),
        faults.internal_error(),
        faults.slow_down(),
        faults.refuse(),
        faults.lose_answer(),
    ],
    ids=["reset", "truncated", "500", "503", "refused", "lost"],
)
def test_download_survives(setup: Setup, fault: Fault) -> None:
    setup.proxy.rules.append(Rule("GetRange", fault, nth=2))
    result = setup.download()
    assert result.rc == 0, result.stderr
    setup.check_file()


def test_a_flipped_bit_of_a_download_is_found(setup: Setup) -> None:
    setup.cli.ok("upload", setup.file, f"s3://{setup.bucket}/k")
    setup.proxy.rules.append(Rule("GetRange", faults.flip("response"), nth=2))
    result = setup.run("-v", "download", "--part-size", "5M", f"s3://{setup.bucket}/k", setup.out)
    assert result.rc == 0, result.stderr
    assert "fetching everything again" in result.stderr
    setup.check_file()


def test_a_wire_that_flips_always_publishes_nothing(setup: Setup) -> None:
    setup.proxy.rules.append(Rule(("GetRange", "Get"), faults.flip("response")))
    result = setup.download()
    assert result.rc == 16
    assert not setup.out.exists()
    assert list(setup.out.parent.glob(".out*")) == []
    setup.proxy.rules[:] = [Rule(("UploadPart", "Put"), faults.flip("request"))]
    result = setup.upload()
    assert result.rc == 16
    assert setup.boto.list_objects_v2(Bucket=setup.bucket, Prefix="k").get("Contents", []) == []


@pytest.mark.parametrize("seed", range(4))
def test_single_bits_of_many_parts(setup: Setup, seed: int) -> None:
    """50 flips each: with those of uploads and downloads 200 bits on the way, all found."""
    how = random.Random(seed)
    flips = 0

    def flip_some(request: Recorded) -> bool:
        nonlocal flips
        if request.kind != ("UploadPart", "GetRange")[seed % 2] or flips >= 50 or how.random() < 0.3:
            return False
        flips += 1
        return True

    make_file(setup.file, 14 * PART, seed)
    if seed % 2 == 0:
        setup.proxy.rules.append(Rule(flip_some, faults.flip("request")))
        result = setup.run("upload", "--part-size", "5M", setup.file, f"s3://{setup.bucket}/k")
        while flips < 50 or result.rc == 16:
            result = setup.run(
                "upload", "--force", "--exists", "overwrite", "--part-size", "5M", setup.file, f"s3://{setup.bucket}/k"
            )
        assert result.rc == 0, result.stderr
        assert object_digest(setup.boto, setup.bucket, "k") == digest(setup.file)
        return
    setup.cli.ok("upload", setup.file, f"s3://{setup.bucket}/k")
    setup.proxy.rules.append(Rule(flip_some, faults.flip("response")))
    for _ in range(20):
        result = setup.run(
            "download", "--part-size", "5M", "--file-exists", "overwrite", f"s3://{setup.bucket}/k", setup.out
        )
        assert result.rc in (0, 16), result.stderr
        if result.rc == 0:
            setup.check_file()
        if flips >= 50:
            break
    assert flips >= 50


@pytest.mark.parametrize("kind", ["Create", "UploadPart", "Complete", "Put", "CopyPart", "Copy"])
def test_a_lost_answer(setup: Setup, kind: str) -> None:
    setup.proxy.rules.append(Rule(kind, faults.lose_answer(), nth=1))
    if kind in ("CopyPart", "Copy"):
        setup.boto.upload_file(str(setup.file), setup.bucket, "source")
        size = ("--part-size", "5M") if kind == "CopyPart" else ()
        result = setup.run("upload", *size, f"s3://{setup.bucket}/source", f"s3://{setup.bucket}/k")
    elif kind == "Put":
        make_file(setup.file, 1000, 1)
        result = setup.upload()
    else:
        result = setup.upload()
    assert result.rc == 0, result.stderr
    setup.check_object()


@pytest.mark.parametrize("kind", ["Complete", "CopyPart", "Copy"])
def test_200_with_an_error_inside(setup: Setup, kind: str) -> None:
    setup.proxy.rules.append(Rule(kind, faults.ok_with_error(), nth=1))
    if kind == "Complete":
        result = setup.upload()
    else:
        setup.boto.upload_file(str(setup.file), setup.bucket, "source")
        size = ("--part-size", "5M") if kind == "CopyPart" else ()
        result = setup.run("upload", *size, f"s3://{setup.bucket}/source", f"s3://{setup.bucket}/k")
    assert result.rc == 0, result.stderr
    assert object_digest(setup.boto, setup.bucket, "k") == digest(setup.file)
    assert setup.boto.list_multipart_uploads(Bucket=setup.bucket).get("Uploads", []) == []


def without_checksums(line: str, headers: Headers) -> tuple[str, Headers]:
    return line, [(name, value) for name, value in headers if "checksum" not in name.lower()]


def test_a_server_that_tells_no_checksums(setup: Setup) -> None:
    setup.proxy.rules.append(Rule("*", faults.edit_response(without_checksums)))
    result = setup.upload()
    assert result.rc == 0, result.stderr
    assert object_digest(setup.boto, setup.bucket, "k") == digest(setup.file)
    assert setup.boto.list_multipart_uploads(Bucket=setup.bucket).get("Uploads", []) == []


def trailer(request: Recorded) -> bool:
    return request.headers.get("x-amz-trailer", "") != ""


def test_a_server_without_trailers_is_noticed_once(setup: Setup) -> None:
    setup.proxy.rules.append(Rule(trailer, faults.error(501, "NotImplemented")))
    result = setup.upload("--upload-slots", "1")
    assert result.rc == 0, result.stderr
    assert result.stderr.count("warning: the server takes no checksum trailers") == 1
    refused = [request.part_number for request in setup.proxy.of("UploadPart") if trailer(request)]
    assert refused == [1] * TRIES_PER_FORM  # one refusal may be odd; what one part shows holds for all
    setup.check_object()


def test_a_server_that_names_the_trailer_is_not_asked_twice(setup: Setup) -> None:
    named = faults.error(501, "NotImplemented", extra="<Header>x-amz-trailer</Header>")
    setup.proxy.rules.append(Rule(trailer, named))
    assert setup.upload("--upload-slots", "1").rc == 0
    assert len([request for request in setup.proxy.of("UploadPart") if trailer(request)]) == 1
    setup.check_object()


@pytest.mark.parametrize("large", [True, False])
def test_a_server_that_cannot_encrypt_says_500(setup: Setup, large: bool) -> None:
    asks = Rule(lambda request: "x-amz-server-side-encryption" in request.headers, faults.error(500, "InternalError"))
    setup.proxy.rules.append(asks)
    if not large:
        setup.file.write_bytes(b"small")
    result = setup.upload("--sse", "AES256", "--retry-budget", "1")
    assert result.rc == 1
    assert "AES256" in result.stderr.splitlines()[-1]


def wants_crc64(request: Recorded) -> bool:
    return request.kind == "Create" and request.headers.get("x-amz-checksum-algorithm", "") == "CRC64NVME"


def test_a_server_without_crc64nvme(setup: Setup) -> None:
    setup.proxy.rules.append(Rule(wants_crc64, faults.error(400, "InvalidRequest")))
    result = setup.upload()
    assert result.rc == 0, result.stderr
    assert "CRC64NVME" in result.stderr
    setup.check_object()


def test_a_server_that_lists_no_uploads(setup: Setup) -> None:
    setup.proxy.rules.append(Rule("ListUploads", faults.error(501, "NotImplemented")))
    setup.proxy.rules.append(Rule("UploadPart", faults.error(403, "AccessDenied"), nth=3))
    assert setup.upload("--upload-slots", "1").rc == 14
    del setup.proxy.rules[1:]
    assert setup.upload().rc == 4
    assert setup.upload("--resume").rc == 0
    setup.check_object()


def test_the_network_is_away_for_a_while(setup: Setup) -> None:
    running = setup.cli.start(
        "upload",
        "--part-size",
        "5M",
        "--upload-slots",
        "1",
        setup.file,
        f"s3://{setup.bucket}/k",
        env={"AWS_ENDPOINT_URL": setup.proxy.endpoint_url},
    )
    assert setup.proxy.wait_for(lambda: setup.proxy.count("UploadPart", status=200) >= 1)
    setup.proxy.down()
    setup.proxy.up()
    assert running.wait().rc == 0
    setup.check_object()


def test_the_retry_budget_ends_and_the_upload_can_be_resumed(setup: Setup) -> None:
    setup.proxy.rules.append(Rule(lambda r: r.part_number == 2, faults.internal_error()))
    result = setup.run("--retry-budget", "1", "upload", "--part-size", "5M", setup.file, f"s3://{setup.bucket}/k")
    assert result.rc == 1
    assert setup.boto.list_objects_v2(Bucket=setup.bucket).get("Contents", []) == []
    setup.proxy.rules.clear()
    assert setup.upload("--resume").rc == 0
    setup.check_object()


def test_expired_credentials_are_read_again(setup: Setup, s3: Any) -> None:
    """A real credential_process; the server refuses the first token in mid-transfer."""
    home = setup.cli.home
    (home / ".aws").mkdir()
    counter, script = home / "calls", home / "credentials.sh"
    document = json.dumps({"Version": 1, "AccessKeyId": s3.access_key, "SecretAccessKey": s3.secret_key})
    script.write_text(f"#!/bin/sh\necho x >> {counter}\necho '{document}'\n")
    script.chmod(0o700)
    (home / ".aws" / "config").write_text(f"[default]\nregion = us-east-1\ncredential_process = {script}\n")
    setup.proxy.rules.append(Rule("UploadPart", faults.expired_token(), nth=2))
    result = setup.upload("--upload-slots", "1", AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="")
    assert result.rc == 0, result.stderr
    assert counter.read_text().count("x") == 2
    setup.check_object()


def test_a_wrong_clock_is_corrected(setup: Setup) -> None:
    setup.proxy.rules.append(Rule("UploadPart", faults.error(403, "RequestTimeTooSkewed"), nth=2))
    result = setup.upload()
    assert result.rc == 0, result.stderr
    setup.check_object()


def test_two_processes_on_one_transfer(setup: Setup) -> None:
    setup.proxy.rules.append(Rule("UploadPart", faults.stall("request_head", seconds=600), nth=2))
    first = setup.cli.start(
        "upload",
        "--part-size",
        "5M",
        "--upload-slots",
        "1",
        setup.file,
        f"s3://{setup.bucket}/k",
        env={"AWS_ENDPOINT_URL": setup.proxy.endpoint_url},
    )
    assert setup.proxy.wait_for(lambda: setup.proxy.count("UploadPart") >= 2)
    second = setup.upload("--resume")
    assert second.rc == 1
    assert "another process" in second.stderr
    first.kill()
    first.wait()
    setup.proxy.rules.clear()
    assert setup.upload("--resume").rc == 0
    setup.check_object()


def manifest_of(setup: Setup) -> Path:
    setup.proxy.rules.append(Rule("UploadPart", faults.error(403, "AccessDenied"), nth=3))
    assert setup.upload("--upload-slots", "1").rc == 14
    setup.proxy.rules.clear()
    (found,) = setup.cli.home.rglob("*.manifest")
    return found


@pytest.mark.parametrize("how", ["truncated", "middle", "garbage", "newer", "empty"])
def test_damaged_manifests(setup: Setup, how: str) -> None:
    manifest = manifest_of(setup)
    data = manifest.read_bytes()
    assert manifest.stat().st_mode & 0o777 == 0o600
    assert manifest.parent.stat().st_mode & 0o777 == 0o700
    if how == "newer":
        from s3amfs.core.manifest import Header, SourceIdentity, encode

        manifest.write_bytes(encode(Header("upload", SourceIdentity("x"), "t", "e", 1, 1, None, version=99)))
    else:
        changed = {"truncated": data[:-7], "middle": data[:50] + b"!" + data[51:], "garbage": b"\0" * 99, "empty": b""}
        manifest.write_bytes(changed[how])
    result = setup.upload("--resume")
    assert result.rc == 0, result.stderr
    setup.check_object()
    if how in ("middle", "garbage", "newer"):
        assert "not usable" in result.stderr
    assert manifest.exists() == (how == "newer")


def test_no_state_folder(setup: Setup, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    result = setup.upload(S3AM_STATE_DIR=str(tmp_path / "file" / "sub"))
    assert result.rc == 0, result.stderr
    assert "no manifest can be kept" in result.stderr
    setup.check_object()


def test_planted_secrets_are_nowhere(setup: Setup, s3: Any, tmp_path: Path) -> None:
    key = "0123456789abcdefSECRETSECRETSECR"
    setup.proxy.rules.append(Rule("UploadPart", faults.error(403, "AccessDenied"), nth=3))
    results = [
        setup.upload("--debug", "--upload-slots", "1", "--sse-key", key),
        setup.upload("--debug", "--resume", "--sse-key", key),
        setup.run(
            "--json",
            "--debug",
            "upload",
            "ftp://user:PASSWORD@127.0.0.1:9/x",
            f"s3://{setup.bucket}/x",
            "--retry-budget",
            "0",
        ),
    ]
    written = b"".join(path.read_bytes() for path in setup.cli.home.rglob("*") if path.is_file())
    texts = [written.decode("latin-1"), *(result.stdout + result.stderr for result in results)]
    for secret in (key, s3.secret_key, "PASSWORD"):
        assert not any(secret in text for text in texts)
