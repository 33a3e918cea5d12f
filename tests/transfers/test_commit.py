"""The one commit: who wins against another writer, on servers that obey conditions, refuse them and ignore them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from s3amfs.core.expected import NOTHING, WHATEVER, Expected, Operation, this_etag
from s3amfs.core.failures import Failure, Kind
from s3amfs.core.locations import LocalPath, S3Location
from s3amfs.core.retry import RetryPolicy
from s3amfs.core.ssec import CustomerKey
from s3amfs.engine.connect import S3Client
from s3amfs.errors import (
    AccessDenied,
    BadCredentials,
    ObjectExists,
    SourceChanged,
    TargetChanged,
    TransferError,
)
from s3amfs.transfers import commit as commit_module
from s3amfs.transfers.commit import Commit, delete
from s3amfs.transfers.options import ObjectOptions, UploadOptions
from s3amfs.verbs.upload import upload
from s3amfs.wire.messages import Reply
from s3amfs.wire.s3 import api as s3api
from tests.support import faults
from tests.support.clients import PART, Events
from tests.support.faults import Headers, Recorded, Rule
from tests.support.files import make_file
from tests.support.proxy import FaultProxy
from tests.support.scripted import Asked, ScriptedEngine, refusal, reply, scripted

pytestmark = pytest.mark.usefixtures("state")


def meanwhile(action: Callable[[], object]) -> faults.Fault:
    """Another writer acts once the request has left."""

    def edit(first: str, headers: Headers) -> tuple[str, Headers]:
        action()
        return first, headers

    return faults.Fault("meanwhile", edit_request=edit)


def source(kind: str, tmp_path: Path, boto: Any, bucket: str) -> LocalPath | S3Location:
    """Whose upload ends with a Put, a Complete or a Copy."""
    size = 2 * PART if kind == "Complete" else 1000
    file = make_file(tmp_path / "mine", size, 1)
    if kind != "Copy":
        return LocalPath(str(file))
    boto.upload_file(str(file), bucket, "source")
    return S3Location(bucket, "source")


@pytest.mark.parametrize("kind", ["Put", "Complete", "Copy"])
@pytest.mark.parametrize("exists", ["refuse", "skip"])
def test_a_faster_writer_stays(
    kind: str, exists: Any, through: S3Client, proxy: FaultProxy, boto: Any, bucket: str, tmp_path: Path
) -> None:
    options = UploadOptions(part_size=PART, exists=exists)
    proxy.rules.append(Rule(kind, meanwhile(lambda: boto.put_object(Bucket=bucket, Key="k", Body=b"theirs")), times=1))
    mine = source(kind, tmp_path, boto, bucket)
    if exists == "skip":
        assert upload(mine, S3Location(bucket, "k"), through, options).skipped
    else:
        with pytest.raises(ObjectExists):
            upload(mine, S3Location(bucket, "k"), through, options)
    assert boto.get_object(Bucket=bucket, Key="k")["Body"].read() == b"theirs"
    operation: Any = kind.lower()
    assert through.session.capabilities(bucket).conditions[operation, "nothing"] is True


@pytest.mark.parametrize("kind", ["Put", "Complete", "Copy"])
def test_an_object_that_changed_stays(
    kind: str, through: S3Client, proxy: FaultProxy, boto: Any, bucket: str, tmp_path: Path
) -> None:
    etag = boto.put_object(Bucket=bucket, Key="k", Body=b"first")["ETag"].strip('"')
    options = UploadOptions(part_size=PART, exists="overwrite", expected=this_etag(etag))
    proxy.rules.append(Rule(kind, meanwhile(lambda: boto.put_object(Bucket=bucket, Key="k", Body=b"theirs")), times=1))
    with pytest.raises(SourceChanged):
        upload(source(kind, tmp_path, boto, bucket), S3Location(bucket, "k"), through, options)
    assert boto.get_object(Bucket=bucket, Key="k")["Body"].read() == b"theirs"


@pytest.mark.parametrize("kind", ["Put", "Complete", "Copy"])
@pytest.mark.parametrize("status", [400, 501])
def test_a_server_that_refuses_the_header_gets_a_second_try(
    kind: str,
    status: int,
    through: S3Client,
    proxy: FaultProxy,
    boto: Any,
    bucket: str,
    tmp_path: Path,
    events: Events,
) -> None:
    def refused(request: Recorded) -> bool:
        return request.kind == kind and "if-none-match" in request.headers

    proxy.rules.append(
        Rule(refused, faults.error(status, "InvalidArgument", extra="<Header>If-None-Match</Header>"), times=9)
    )
    mine = source(kind, tmp_path, boto, bucket)
    upload(mine, S3Location(bucket, "k"), through, UploadOptions(part_size=PART), on_event=events)
    assert boto.head_object(Bucket=bucket, Key="k")["ContentLength"] in (1000, 2 * PART)
    assert len([text for text in events.warnings if "conditional requests" in text]) == 1
    upload(mine, S3Location(bucket, "k2"), through, UploadOptions(part_size=PART), on_event=events)
    assert len([text for text in events.warnings if "conditional requests" in text]) == 1
    assert proxy.count(kind, status=status) == 1


@pytest.mark.parametrize("kind", ["Put", "Complete", "Copy"])
def test_a_server_that_ignores_conditions_is_looked_at_right_before(
    kind: str, through: S3Client, proxy: FaultProxy, boto: Any, bucket: str, tmp_path: Path
) -> None:
    """Somebody stores the object while the parts move: the look finds it, though the server would not."""
    operation: Any = kind.lower()
    through.session.capabilities(bucket).conditions[operation, "etag"] = False
    etag = boto.put_object(Bucket=bucket, Key="k", Body=b"first")["ETag"].strip('"')
    boto.put_object(Bucket=bucket, Key="k", Body=b"theirs")
    options = UploadOptions(part_size=PART, exists="overwrite", expected=this_etag(etag))
    with pytest.raises(SourceChanged):
        upload(source(kind, tmp_path, boto, bucket), S3Location(bucket, "k"), through, options)
    assert proxy.count(kind) == 0
    assert boto.get_object(Bucket=bucket, Key="k")["Body"].read() == b"theirs"


def test_delete_leaves_what_somebody_else_has_stored(
    through: S3Client, proxy: FaultProxy, boto: Any, bucket: str
) -> None:
    etag = boto.put_object(Bucket=bucket, Key="k", Body=b"first")["ETag"].strip('"')
    where, warned = S3Location(bucket, "k"), list[str]()
    proxy.rules.append(
        Rule("Delete", meanwhile(lambda: boto.put_object(Bucket=bucket, Key="k", Body=b"theirs")), times=1)
    )
    with pytest.raises(SourceChanged):
        delete(through, where, this_etag(etag), warned.append)
    assert boto.get_object(Bucket=bucket, Key="k")["Body"].read() == b"theirs"
    with pytest.raises(SourceChanged):  # seen by the look, too, where the server ignores the condition
        through.session.capabilities(bucket).conditions["delete", "etag"] = False
        delete(through, where, this_etag(etag), warned.append)
    assert len(warned) == 1
    now = boto.head_object(Bucket=bucket, Key="k")["ETag"].strip('"')
    delete(through, where, this_etag(now), warned.append)
    delete(through, where, this_etag(now), warned.append)
    assert boto.list_objects_v2(Bucket=bucket).get("Contents", []) == []


def test_a_put_whose_answer_is_lost_is_our_own(
    through: S3Client, proxy: FaultProxy, boto: Any, bucket: str, tmp_path: Path
) -> None:
    for kind in ("Put", "Complete", "Copy"):
        proxy.rules.append(Rule(kind, faults.lose_answer(), times=1))
        mine = source(kind, tmp_path, boto, bucket)
        upload(mine, S3Location(bucket, kind), through, UploadOptions(part_size=PART))
        assert boto.head_object(Bucket=bucket, Key=kind)["ContentLength"] in (1000, 2 * PART)


def test_what_aws_can_is_known() -> None:
    from s3amfs.wire.aws.capabilities import known_of

    assert known_of("https://s3.amazonaws.com").conditions["copy", "nothing"] is True
    assert known_of("https://s3.amazonaws.com.evil.example").conditions == {}
    assert known_of("http://127.0.0.1:1234").etag_md5 is None
    assert s3api.ObjectInfo(1, "e", weak_etag=True).expected == replace(this_etag("e"), weak=True)


@pytest.mark.parametrize("size", [1000, 2 * PART], ids=["Put", "Complete"])
def test_a_server_that_compares_the_quotes_of_if_match(
    through: S3Client, boto: Any, bucket: str, proxy: FaultProxy, tmp_path: Path, size: int
) -> None:
    """Ceph's gateway 16: the condition goes without them once it is seen that the object is the one expected."""
    boto.put_object(Bucket=bucket, Key="k", Body=b"base")
    expected = this_etag(through.head(bucket, "k").etag)
    quoted = faults.error(412, "PreconditionFailed")
    proxy.rules.append(Rule(lambda request: request.headers.get("if-match", "").startswith('"'), quoted))
    file = make_file(tmp_path / "mine", size, 1)
    options = UploadOptions(exists="overwrite", expected=expected, part_size=PART)
    upload(LocalPath(str(file)), S3Location(bucket, "k"), through, options)
    assert boto.get_object(Bucket=bucket, Key="k")["Body"].read() == file.read_bytes()
    (done,) = [request for request in proxy.of("Put", "Complete") if request.status == 200]
    assert done.headers["if-match"] == expected.etag
    # The same where it is another object: nobody's work is lost.
    boto.put_object(Bucket=bucket, Key="k", Body=b"theirs")
    with pytest.raises(SourceChanged):
        upload(LocalPath(str(file)), S3Location(bucket, "k"), through, options)
    assert boto.get_object(Bucket=bucket, Key="k")["Body"].read() == b"theirs"


# -- by a script ----------------------------------------------------------------------------------------------------

TARGET = S3Location("box", "k")
THIS = this_etag("e")
LOST = refusal(412, "PreconditionFailed")
FAILED_CONDITION = Failure(Kind.CONDITION, "412", status=412)


class Name:
    """What stands under the target's name, and one change of it."""

    def __init__(
        self,
        there: Reply | str | None,
        expected: Expected = NOTHING,
        operation: Operation = "put",
        obeys: bool | None = None,
        key: CustomerKey | None = None,
    ) -> None:
        """there: the ETag of the object, None for no object, or another answer to HEAD."""
        self.there = there
        self.client, self.engine = scripted(self.answer)
        self.warned: list[str] = []
        self.known = self.client.session.capabilities("box").conditions
        if obeys is not None:
            self.known[operation, expected.kind] = obeys
        self.commit = Commit(self.client, TARGET, expected, operation, self.warned.append, customer_key=key)

    def answer(self, asked: Asked) -> Reply:
        if asked.method != "HEAD" or isinstance(self.there, Reply):
            return self.there if isinstance(self.there, Reply) else reply(204)
        return refusal(404) if self.there is None else reply(etag=f'"{self.there}"', content_length="5")

    @property
    def looks(self) -> int:
        return len(self.engine.asked)


@pytest.mark.parametrize(
    ("expected", "operation", "obeys", "there", "looks", "warnings", "error"),
    [
        (WHATEVER, "put", None, "e", 0, 0, None),
        (NOTHING, "put", True, "e", 0, 0, None),
        (NOTHING, "put", None, None, 1, 0, None),
        (NOTHING, "put", None, "e", 1, 0, ObjectExists),
        (NOTHING, "put", False, None, 1, 1, None),
        (NOTHING, "put", False, "e", 1, 1, ObjectExists),
        (THIS, "put", None, "e", 1, 0, None),
        (THIS, "put", None, "other", 1, 0, TargetChanged),
        (THIS, "put", None, None, 1, 0, TargetChanged),
        (THIS, "delete", None, None, 1, 0, None),
        (THIS, "delete", None, "other", 1, 0, TargetChanged),
        (THIS, "delete", False, "e", 1, 1, None),
        (this_etag("e", weak=True), "put", True, "e", 1, 1, None),
        (this_etag("e", weak=True), "put", True, "other", 1, 1, TargetChanged),
    ],
)
def test_the_look_before_a_change(
    expected: Expected,
    operation: Operation,
    obeys: bool | None,
    there: str | None,
    looks: int,
    warnings: int,
    error: type[Exception] | None,
) -> None:
    for looked in (False, True):
        name = Name(there, expected, operation, obeys)
        if error is None or looked:
            name.commit.before(looked=looked)
        else:
            with pytest.raises(error):
                name.commit.before()
        assert (name.looks, len(name.warned)) == (0 if looked else looks, warnings)
        assert name.commit.condition == (WHATEVER if obeys is False or expected.weak else expected)


def test_a_server_without_conditions_is_warned_of_once_for_each_kind() -> None:
    name = Name(None, obeys=False)
    for _ in range(2):
        name.commit.before()
    name.known["put", "etag"] = False
    Commit(name.client, TARGET, THIS, "put", name.warned.append).before(looked=True)
    assert len(name.warned) == 2


def test_a_name_that_may_not_be_looked_at() -> None:
    """Where the server decides the look is no more than a help; where nothing else protects the object it is needed."""
    denied = refusal(403, "AccessDenied")
    Name(denied).commit.before()
    with pytest.raises(AccessDenied, match="nothing would protect what is there"):
        Name(denied, obeys=False).commit.before()
    with pytest.raises(BadCredentials):
        Name(refusal(403, "InvalidAccessKeyId")).commit.before()
    with pytest.raises(TransferError):
        Name(refusal(500)).commit.before()


@pytest.mark.parametrize("expected", [NOTHING, THIS])
def test_an_object_under_another_key_is_something(expected: Expected) -> None:
    name = Name(refusal(403, "InvalidSSECustomerKey"), expected, key=CustomerKey(bytes(32)))
    with pytest.raises((ObjectExists, TargetChanged)):
        name.commit.before()


@pytest.mark.parametrize(
    ("expected", "obeys", "there", "looks", "warnings"),
    [
        (NOTHING, None, "mine", 1, 0),
        (NOTHING, None, None, 1, 0),
        (NOTHING, None, "theirs", 1, 1),
        (NOTHING, False, "theirs", 1, 1),
        (NOTHING, True, "theirs", 0, 0),
        (NOTHING, None, refusal(403, "AccessDenied"), 1, 0),
        (NOTHING, False, refusal(403, "AccessDenied"), 1, 0),
        (THIS, None, "e", 1, 0),
        (THIS, None, "theirs", 1, 1),
        (THIS, None, "mine", 1, 0),
        (NOTHING, None, "e", 1, 1),
        (NOTHING, None, "", 1, 1),
        (WHATEVER, None, "theirs", 0, 0),
    ],
)
def test_the_look_after_a_change(
    expected: Expected, obeys: bool | None, there: Reply | str | None, looks: int, warnings: int
) -> None:
    """A listing or cache may lag behind: what was there before is no other writer's."""
    name = Name(there, expected, obeys=obeys)
    name.commit.after("mine")
    assert (name.looks, len(name.warned)) == (looks, warnings)
    assert ("put", expected.kind) not in name.known or name.known["put", expected.kind] is obeys


@pytest.mark.parametrize(
    ("failure", "again", "doubtful", "known"),
    [
        (Failure(Kind.FATAL, "Header If-None-Match", status=400), True, False, False),
        (Failure(Kind.UNSUPPORTED, "If-None-Match is not implemented", status=501), True, False, False),
        (Failure(Kind.UNSUPPORTED, "NotImplemented", status=501), True, True, None),
        (Failure(Kind.UNSUPPORTED, "NotImplemented", status=501, of_source=True), False, False, None),
        (Failure(Kind.FATAL, "Bad Request", status=400), False, False, None),
        (FAILED_CONDITION, False, False, None),
        (Failure(Kind.SERVER, "500", status=500), False, False, None),
    ],
)
def test_which_refusals_are_of_the_condition(failure: Failure, again: bool, doubtful: bool, known: bool | None) -> None:
    name = Name(None)
    assert name.commit.refused(failure) is again
    assert (name.commit.is_doubtful, name.known.get(("put", "nothing"))) == (doubtful, known)
    assert name.commit.condition == (WHATEVER if again else NOTHING)
    assert not name.commit.refused(failure), "it goes without a condition once"
    name.commit.after("mine")
    assert name.known.get(("put", "nothing")) is (False if again else None), "the request without it has worked"


def test_a_501_is_no_doubt_where_the_caller_has_another_explanation() -> None:
    name = Name(None)
    assert not name.commit.refused(Failure(Kind.UNSUPPORTED, "NotImplemented", status=501), doubt=False)
    assert not name.commit.is_doubtful
    assert not Name(None, WHATEVER).commit.refused(Failure(Kind.UNSUPPORTED, "NotImplemented", status=501))


@pytest.mark.parametrize(
    ("expected", "there", "failure", "lost", "known"),
    [
        (NOTHING, "e", FAILED_CONDITION, True, True),
        (NOTHING, "e", Failure(Kind.MISSING, "404", status=404), False, None),
        (NOTHING, "e", Failure(Kind.SERVER, "500", status=500), False, None),
        (THIS, "other", FAILED_CONDITION, True, True),
        (THIS, "e", FAILED_CONDITION, False, None),
        (THIS, None, Failure(Kind.MISSING, "404", status=404, code="NoSuchKey"), True, None),
        (THIS, None, Failure(Kind.MISSING, "404", status=404, code="NoSuchBucket"), False, None),
        (WHATEVER, "e", FAILED_CONDITION, False, None),
    ],
)
def test_which_failures_say_that_something_else_stands_there(
    expected: Expected, there: str | None, failure: Failure, lost: bool, known: bool | None
) -> None:
    name = Name(there, expected)
    assert name.commit.is_lost(failure) is lost
    assert name.known.get(("put", expected.kind)) is known
    error = name.commit.error(failure, "s3://box/k")
    assert isinstance(error, (ObjectExists if expected is NOTHING else TargetChanged)) or not lost


def test_a_condition_that_fails_for_its_quotes_goes_without_them_once() -> None:
    name = Name("e", THIS)
    assert name.commit.refused(FAILED_CONDITION)
    assert name.commit.condition == replace(THIS, bare=True)
    assert name.commit.is_lost(FAILED_CONDITION), "without quotes it means what it says"
    assert not name.commit.refused(FAILED_CONDITION)


def test_one_failed_condition_is_looked_into_once() -> None:
    name = Name("other", THIS)
    first, second = replace(FAILED_CONDITION), replace(FAILED_CONDITION)
    for _ in range(3):
        assert not name.commit.refused(first)
        assert name.commit.is_lost(first)
    assert name.looks == 1
    name.there = "e"
    assert name.commit.is_lost(first)
    assert not name.commit.is_lost(second)
    assert name.looks == 2
    source = replace(FAILED_CONDITION, of_source=True)
    assert not name.commit.refused(source)
    assert name.looks == 2, "the condition of a source says nothing of the target"


def sending(*answers: Reply, there: str | None = None) -> tuple[S3Client, ScriptedEngine]:
    """A server that answers changes so, one after the other."""
    left = list(answers)

    def answer(asked: Asked) -> Reply:
        if asked.method == "HEAD":
            return refusal(404) if there is None else reply(etag=f'"{there}"', content_length="5")
        return left.pop(0)

    client, engine = scripted(answer)
    return client, engine


def test_a_request_goes_once_more_without_the_condition_that_is_refused_by_name() -> None:
    refused = reply(400, "<Error><Code>InvalidArgument</Code><Message>If-None-Match</Message></Error>")
    client, engine = sending(refused, reply(etag='"mine"'))
    warned: list[str] = []
    stored = commit_module.put(client, TARGET, b"data", ObjectOptions(), NOTHING, warned.append)
    assert stored.etag == "mine"
    conditions = ["if-none-match" in asked.headers for asked in engine.asked if asked.method == "PUT"]
    assert conditions == [True, False]
    assert [asked.method for asked in engine.asked] == ["HEAD", "PUT", "HEAD", "PUT", "HEAD"], "looks around each try"
    assert len(warned) == 1
    client, engine = sending(LOST)
    with pytest.raises(ObjectExists):
        commit_module.put(client, TARGET, b"data", ObjectOptions(), NOTHING, warned.append)
    assert [asked.method for asked in engine.asked] == ["HEAD", "PUT"]


def test_a_small_object_has_its_checksum_where_the_server_takes_one() -> None:
    for takes, expected in ((None, commit_module.crc64(b"data")), (False, None)):
        client, engine = sending(reply(etag='"mine"'))
        client.session.capabilities("box").checksum_headers = takes
        commit_module.put(client, TARGET, b"data", ObjectOptions(), WHATEVER, pytest.fail)
        assert engine.asked[0].headers.get("x-amz-checksum-crc64nvme") == expected


@pytest.mark.parametrize(
    ("answers", "found", "ours"),
    [
        ([refusal(500), LOST], b"data", True),
        ([refusal(500), LOST], b"else", False),
        ([replace(LOST, sent_again=True)], b"data", True),
        ([LOST], b"data", False),
        ([refusal(500), refusal(403, "AccessDenied")], b"data", False),
    ],
    ids=["its answer was lost", "another's object", "it was sent twice", "nothing was lost", "another refusal"],
)
@pytest.mark.parametrize("has_crc", [True, False], ids=["by its CRC", "by its MD5"])
def test_an_object_that_an_earlier_try_has_stored_is_ours(
    monkeypatch: pytest.MonkeyPatch, answers: list[Reply], found: bytes, ours: bool, has_crc: bool
) -> None:
    monkeypatch.setattr(RetryPolicy, "of", lambda *_: RetryPolicy(base=0.0))
    left = list(answers)

    def answer(asked: Asked) -> Reply:
        if asked.method == "HEAD":
            checksum = {"x_amz_checksum_crc64nvme": commit_module.crc64(found)} if has_crc else {}
            etag = "there" if has_crc else hashlib.md5(found).hexdigest()
            return reply(etag=f'"{etag}"', content_length="4", x_amz_version_id="v", **checksum)
        return left.pop(0)

    client, _ = scripted(answer)
    client.session.capabilities("box").conditions["put", "nothing"] = True
    if ours:
        stored = commit_module.put(client, TARGET, b"data", ObjectOptions(), NOTHING, pytest.fail)
        assert (stored.etag, stored.version_id) == ("there" if has_crc else hashlib.md5(found).hexdigest(), "v")
    else:
        with pytest.raises((ObjectExists, AccessDenied)):
            commit_module.put(client, TARGET, b"data", ObjectOptions(), NOTHING, pytest.fail)
    assert left == []


def test_what_is_deleted_may_be_gone_already() -> None:
    for answer, error in ((reply(204), None), (refusal(404, "NoSuchKey"), None), (LOST, TargetChanged)):
        client, engine = sending(answer, there="e" if error is None else "other")
        client.session.capabilities("box").conditions["delete", "etag"] = True
        if error is None:
            delete(client, replace(TARGET, version_id="v"), THIS, pytest.fail)
        else:
            with pytest.raises(error):
                delete(client, replace(TARGET, version_id="v"), THIS, pytest.fail)
        assert engine.asked[0].query == {"versionId": "v"}
