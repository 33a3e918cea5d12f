"""The proxy relays faithfully, records, and does the damage it is told to do."""

from __future__ import annotations

import socket
import threading
import time
from typing import Any

import botocore.exceptions
import pytest

from s3amfs.demo.seaweed import SeaweedServer
from tests.conftest import boto_client
from tests.support import faults
from tests.support.faults import Rule
from tests.support.files import content
from tests.support.proxy import FaultProxy


@pytest.fixture
def through(proxy: FaultProxy, s3: SeaweedServer) -> Any:
    return boto_client(proxy.endpoint_url, s3.access_key, s3.secret_key)


def multipart(client: Any, bucket: str, key: str, parts: int = 2, size: int = 5 << 20) -> str:
    upload = client.create_multipart_upload(Bucket=bucket, Key=key)["UploadId"]
    done = []
    for n in range(1, parts + 1):
        answer = client.upload_part(Bucket=bucket, Key=key, UploadId=upload, PartNumber=n, Body=content(size, n))
        done.append({"PartNumber": n, "ETag": answer["ETag"]})
    client.complete_multipart_upload(Bucket=bucket, Key=key, UploadId=upload, MultipartUpload={"Parts": done})
    return str(upload)


def test_relays_and_records(proxy: FaultProxy, through: Any, bucket: str) -> None:
    upload = multipart(through, bucket, "k k/ü")
    got = through.get_object(Bucket=bucket, Key="k k/ü", Range="bytes=5-5000004")["Body"].read()
    assert got == content(5 << 20, 1)[5:5_000_005]
    assert [r.kind for r in proxy.of()] == ["Create", "UploadPart", "UploadPart", "Complete", "GetRange"]
    part = proxy.of("UploadPart")[1]
    assert (part.part_number, part.upload_id, part.status, part.upstream_status) == (2, upload, 200, 200)
    assert part.body_length >= 5 << 20 and part.bucket == bucket and part.key == "k%20k/%C3%BC"
    assert "authorization" not in part.headers
    assert proxy.of("GetRange")[0].response_length == 5_000_000
    assert proxy.count("UploadPart", status=200) == 2 and not proxy.parts_sent_again()


def test_flip_in_request_is_refused_by_the_server(proxy: FaultProxy, through: Any, bucket: str) -> None:
    proxy.rules.append(Rule("Put", faults.flip("request"), nth=1))
    with pytest.raises(botocore.exceptions.ClientError):
        through.put_object(Bucket=bucket, Key="a", Body=content(100_000))
    through.put_object(Bucket=bucket, Key="a", Body=content(100_000))


def test_flip_in_response(proxy: FaultProxy, through: Any, boto: Any, bucket: str) -> None:
    boto.put_object(Bucket=bucket, Key="a", Body=content(100_000))
    proxy.rules.append(Rule("GetRange", faults.flip("response", 1234)))
    got = through.get_object(Bucket=bucket, Key="a", Range="bytes=0-99999")["Body"].read()
    differing = [i for i, (x, y) in enumerate(zip(got, content(100_000), strict=True)) if x != y]
    assert differing == [1234]


def test_answer_is_lost_but_the_server_has_it(proxy: FaultProxy, through: Any, boto: Any, bucket: str) -> None:
    proxy.rules.append(Rule("Put", faults.lose_answer()))
    with pytest.raises(botocore.exceptions.ConnectionClosedError):
        through.put_object(Bucket=bucket, Key="a", Body=b"there")
    assert boto.get_object(Bucket=bucket, Key="a")["Body"].read() == b"there"
    request = proxy.of("Put")[0]
    assert (request.status, request.upstream_status, request.fault) == (0, 200, "lose_answer")


def test_who_is_gone_has_been_told_nothing(proxy: FaultProxy) -> None:
    proxy.rules.append(Rule("Head", faults.stall("before_response", seconds=0.2)))
    with socket.create_connection(("127.0.0.1", proxy.port)) as client:
        client.sendall(b"HEAD /no-bucket/key HTTP/1.1\r\nHost: here\r\n\r\n")
        assert proxy.wait_for(lambda: proxy.count("Head") == 1)
    assert proxy.wait_for(lambda: proxy.of("Head")[0].done)
    (request,) = proxy.of("Head")
    assert request.upstream_status >= 400
    assert request.status == 0


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (faults.slow_down(retry_after=2), "SlowDown"),
        (faults.internal_error(), "InternalError"),
        (faults.expired_token(), "ExpiredToken"),
        (faults.request_timeout(), "RequestTimeout"),
    ],
)
def test_made_up_errors(proxy: FaultProxy, through: Any, bucket: str, fault: faults.Fault, code: str) -> None:
    proxy.rules.append(Rule("Put", fault, times=1))
    with pytest.raises(botocore.exceptions.ClientError, match=code) as caught:
        through.put_object(Bucket=bucket, Key="a", Body=content(3_000_000))
    assert proxy.of("Put")[0].upstream_status == 0
    if code == "SlowDown":
        assert caught.value.response["ResponseMetadata"]["HTTPHeaders"]["retry-after"] == "2"
    through.put_object(Bucket=bucket, Key="a", Body=content(3_000_000))


@pytest.mark.parametrize("fault", [faults.reset("response_body", 1000), faults.truncate(1000)])
def test_broken_response(proxy: FaultProxy, through: Any, boto: Any, bucket: str, fault: faults.Fault) -> None:
    boto.put_object(Bucket=bucket, Key="a", Body=content(100_000))
    proxy.rules.append(Rule("Get", fault))
    with pytest.raises((botocore.exceptions.HTTPClientError, OSError)):
        through.get_object(Bucket=bucket, Key="a")["Body"].read()
    assert proxy.of("Get")[0].response_length == 1000


def test_reset_in_the_request_body(proxy: FaultProxy, through: Any, bucket: str) -> None:
    proxy.rules.append(Rule("Put", faults.reset("request_body", 50_000)))
    with pytest.raises((botocore.exceptions.HTTPClientError, OSError)):
        through.put_object(Bucket=bucket, Key="a", Body=content(10_000_000))
    assert proxy.of("Put")[0].body_length == 50_000


def test_stall_ends_with_the_proxy(proxy: FaultProxy, through: Any, bucket: str) -> None:
    proxy.rules.append(Rule("Head", faults.stall("response_head")))
    failed = threading.Event()

    def ask() -> None:
        try:
            through.head_object(Bucket=bucket, Key="a")
        except botocore.exceptions.BotoCoreError:
            failed.set()

    asking = threading.Thread(target=ask)
    asking.start()
    assert proxy.wait_for(lambda: any(r.upstream_status for r in proxy.requests), 10)
    proxy.stop()
    asking.join(10)
    assert failed.is_set()


def test_down_and_up(proxy: FaultProxy, through: Any, bucket: str) -> None:
    through.put_object(Bucket=bucket, Key="a", Body=b"1")
    proxy.down()
    with pytest.raises(botocore.exceptions.BotoCoreError):
        through.put_object(Bucket=bucket, Key="a", Body=b"2")
    proxy.up()
    through.put_object(Bucket=bucket, Key="a", Body=b"3")


def test_throttle(proxy: FaultProxy, through: Any, boto: Any, bucket: str) -> None:
    boto.put_object(Bucket=bucket, Key="a", Body=content(1_000_000))
    proxy.rules.append(Rule("Get", faults.throttle(4e6)))
    began = time.monotonic()
    through.get_object(Bucket=bucket, Key="a")["Body"].read()
    assert time.monotonic() - began > 0.24


def test_chaos_draws_the_same_for_the_same_seed() -> None:
    def run(order: list[int]) -> dict[int, str]:
        chaos = faults.Chaos(0.3, seed=5)
        drawn = {}
        for n in order:
            request = faults.Recorded(1, "UploadPart", "PUT", "/b/k", {"partNumber": str(n)}, {}, 1, 0.0)
            fault = chaos.decide(request)
            drawn[n] = fault.name if fault else ""
        return drawn

    first = run(list(range(200)))
    assert first == run(list(reversed(range(200))))
    assert 30 < sum(map(bool, first.values())) < 90


def test_relays_fast(proxy: FaultProxy, through: Any, bucket: str) -> None:
    """On the path of many tests: a part of 64 MiB must not take seconds."""
    began = time.monotonic()
    through.put_object(Bucket=bucket, Key="a", Body=content(64 << 20))
    assert time.monotonic() - began < 10


def test_finds_a_part_that_was_sent_again(proxy: FaultProxy, through: Any, bucket: str) -> None:
    upload = through.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    for _ in range(2):
        through.upload_part(Bucket=bucket, Key="k", UploadId=upload, PartNumber=1, Body=b"x" * (5 << 20))
    assert [r.part_number for r in proxy.parts_sent_again()] == [1]
