"""Optional headers: a second try without them, and what is learned by it."""

from __future__ import annotations

from collections.abc import Callable

from s3amfs.core.failures import Failure, Kind
from s3amfs.engine.second_try import Outcome, send_with_options
from s3amfs.wire.aws.capabilities import Capabilities, optional_features
from s3amfs.wire.messages import Reply, S3Request
from s3amfs.wire.s3 import api as s3api

HEAD = s3api.head_object("b", "k")
CREATE = s3api.create_multipart_upload("b", "k", checksum_algorithm="crc64nvme")
UPLOAD = s3api.MultipartUpload("b", "k", "id", "crc64nvme")
COMPLETE = s3api.complete_multipart_upload(UPLOAD, [], checksum=("crc64nvme", "AAAA"), size=5)
ODD = Failure(Kind.FATAL, "Bad Request", status=400)
UNKNOWN = Failure(Kind.UNSUPPORTED, "NotImplemented", status=501, code="NotImplemented")


class Server:
    """refuses: what is wrong with a request; None: nothing."""

    def __init__(self, refuses: Callable[[S3Request, int], Failure | None]) -> None:
        self._refuses = refuses
        self.can = Capabilities()
        self.seen: list[S3Request] = []

    def send(self, request: S3Request) -> Outcome:
        self.seen.append(request)
        failure = self._refuses(request, len(self.seen))
        return Reply(200 if failure is None else failure.status), failure

    def ask(self, request: S3Request) -> Failure | None:
        return send_with_options(request, self.can, self.send)[1]


def test_one_odd_answer_is_repeated_as_it_was() -> None:
    server = Server(lambda request, number: ODD if number == 1 else None)
    assert server.ask(HEAD) is None
    assert server.seen == [HEAD, HEAD]
    assert server.can == Capabilities()


def test_left_out_from_then_on_once_the_same_request_has_worked_without() -> None:
    server = Server(lambda request, number: ODD if optional_features(request) else None)
    assert server.ask(HEAD) is None
    assert server.can.checksum_mode is False
    assert server.ask(HEAD) is None
    assert len(server.seen) == 4  # twice with, once without; then without at once
    assert not optional_features(server.seen[-1])


def test_refused_in_any_case_it_is_that_requests_failure() -> None:
    server = Server(lambda request, number: ODD)
    assert server.ask(HEAD) is ODD
    assert server.can == Capabilities()


def test_what_it_fails_for_by_itself_is_the_answer() -> None:
    missing = Failure(Kind.MISSING, "Not Found", status=404)
    server = Server(lambda request, number: ODD if optional_features(request) else missing)
    assert server.ask(HEAD) is missing
    assert server.can == Capabilities()


def test_what_has_worked_is_not_tried_without() -> None:
    server = Server(lambda request, number: None if number == 1 else ODD)
    assert server.ask(HEAD) is None
    assert server.can.checksum_mode is True
    assert server.ask(HEAD) is ODD
    assert len(server.seen) == 2


def test_a_size_that_differs_is_never_tried_without() -> None:
    differs = Failure(Kind.FATAL, "InvalidRequest: the size does not match what was computed", status=400)
    server = Server(lambda request, number: differs if "object_size" in optional_features(request) else None)
    assert server.ask(COMPLETE) is differs
    assert server.seen == [COMPLETE]


def test_a_server_that_knows_no_size_completes_without_it() -> None:
    server = Server(lambda request, number: UNKNOWN if "object_size" in optional_features(request) else None)
    assert server.ask(COMPLETE) is None
    assert server.can.object_size is False
    assert optional_features(server.seen[-1]) == ("whole_checksum",)


def test_what_the_user_has_asked_for_is_kept() -> None:
    server = Server(lambda request, number: ODD)
    failure = send_with_options(CREATE, server.can, server.send, ("crc64nvme",))[1]
    assert failure is ODD
    assert server.seen == [CREATE]
