"""In which form parts are sent, and what their answers say of the server."""

from __future__ import annotations

from dataclasses import replace

import pytest

from s3amfs.core.capabilities import DOUBT
from s3amfs.core.claims import Compared
from s3amfs.core.failures import Failure, Kind
from s3amfs.core.manifest import PartRecord
from s3amfs.core.ssec import CustomerKey
from s3amfs.engine.attempt import PartResult
from s3amfs.engine.upload_body import PartChecks
from s3amfs.errors import Unsupported
from s3amfs.transfers.checksum_choice import Checking, PartForms, by_etag, choose, etag_is_md5, whole_crc, whole_etag
from s3amfs.transfers.options import ChecksumChoice, ObjectOptions
from s3amfs.transfers.report import Report
from s3amfs.wire.aws.capabilities import Capabilities

PLAIN = ObjectOptions()
SECRET = ObjectOptions(customer_key=CustomerKey(bytes(32)))
ODD = Failure(Kind.FATAL, "Bad Request (HTTP 400)", status=400)


def done(number: int, how: Compared = Compared.CHECKSUM) -> PartResult:
    return PartResult(number, 5, compared=how)


class Server:
    """What is known of a server, and the forms of one upload to it."""

    def __init__(self, options: ObjectOptions = PLAIN, choice: ChecksumChoice | None = None) -> None:
        self.can = Capabilities()
        self.forms = PartForms(choose(choice, self.can, options), self.can)

    def form(self, number: int, *, local: bool = True) -> str:
        checks = self.forms.checks(number, local=local)
        if checks.trailer is not None:
            return "trailer"
        return "digest" if checks.digest else "plain"

    def refuse(self, number: int, failure: Failure = ODD) -> bool:
        """Whether it is worth another try."""
        return self.forms.judge(number, failure).other_form


def test_one_odd_answer_changes_nothing() -> None:
    server = Server()
    assert server.form(1) == "trailer"
    assert server.refuse(1)
    assert server.form(1) == server.form(2) == "trailer"
    server.forms.done(done(1))
    assert server.can.trailers is True
    assert server.forms.notices == []


def test_off_when_the_same_part_has_worked_without() -> None:
    server = Server()
    server.form(1)
    assert server.refuse(1)
    server.form(1)
    assert server.refuse(1)
    assert server.form(1) == "plain"
    assert server.can.trailers is None  # not yet
    server.forms.done(done(1, Compared.ETAG))
    assert server.can.trailers is False
    assert server.form(2) == "plain"
    assert len(server.forms.notices) == 1


def test_refused_in_each_form_it_is_that_requests_failure() -> None:
    server = Server()
    for _ in range(4):
        server.form(1)
        last = server.refuse(1)
    assert not last
    assert server.can == Capabilities()


def test_what_is_proven_is_not_given_up() -> None:
    server = Server()
    server.form(1)
    server.forms.done(done(1))
    server.form(2)
    assert server.refuse(2)
    assert server.form(2) == "trailer"
    assert not server.refuse(2)
    assert server.can.trailers is True


def test_the_source_is_not_the_target() -> None:
    server = Server()
    server.form(1)
    failure = Failure(Kind.UNSUPPORTED, "405", status=405, of_source=True)
    assert server.forms.judge(1, failure) is failure
    assert server.can == Capabilities()


def test_under_a_customer_key_the_digest_is_sent() -> None:
    server = Server(SECRET)
    for _ in range(2):
        assert server.form(1) == "trailer"
        server.refuse(1)
    assert server.form(1) == "digest"
    server.forms.done(done(1, Compared.DIGEST))
    assert server.form(2) == "digest"
    assert server.form(3, local=False) == "plain"


def test_object_lock_without_trailers() -> None:
    server = Server()
    server.form(1)
    server.refuse(1, Failure(Kind.UNSUPPORTED, "NotImplemented: x-amz-trailer", status=501))
    assert server.form(1) == "plain"
    assert server.refuse(1, Failure(Kind.FATAL, "InvalidRequest: Content-MD5 is required", status=400))
    assert server.form(1) == "digest"
    server.forms.done(done(1, Compared.ETAG))
    assert (server.can.trailers, server.can.needs_digest) == (False, True)
    assert server.form(2) == "digest"


def test_a_checksum_that_was_asked_for_is_not_left_out() -> None:
    server = Server(choice="crc64nvme")
    server.form(1)
    assert server.refuse(1)
    assert server.form(1) == "trailer"
    assert not server.refuse(1)


@pytest.mark.parametrize(("local", "again"), [(True, "digest"), (False, "plain")])
def test_the_same_odd_etag_twice_is_no_damage(local: bool, again: str) -> None:
    """A server that knows Content-MD5 finds damage by itself; a stream can't be read twice for it."""
    server = Server(choice="md5")
    differs = Failure(Kind.CORRUPT, "the server's ETag abc is not the MD5 of what was sent", code=DOUBT)
    assert server.form(1, local=local) == "plain"
    assert server.refuse(1, differs)
    assert server.form(1, local=local) == again
    assert server.can.etag_md5 is None, "once is no proof"
    assert server.refuse(1, differs)
    assert server.can.etag_md5 is False
    assert not server.forms.checks(1, local=local).compare_etag


def test_odd_etags_that_differ_each_time_are_damage() -> None:
    server = Server(choice="md5")
    again = []
    for number in range(6):
        server.form(1)
        again.append(server.refuse(1, Failure(Kind.CORRUPT, f"ETag {number}", code=DOUBT)))
    assert again == [True, True, True, True, False, False]
    assert server.can.etag_md5 is None


def test_where_etags_are_known_to_be_md5s_another_one_is_damage() -> None:
    server = Server(choice="md5")
    server.form(1)
    server.forms.done(done(1, Compared.ETAG))
    server.form(2)
    assert not server.refuse(2, Failure(Kind.CORRUPT, "ETag", code=DOUBT))


@pytest.mark.parametrize("declares", [True, False])
def test_copied_parts(declares: bool) -> None:
    can = Capabilities()
    checking = choose(None if declares else "md5", can, PLAIN, copies=True)
    forms = PartForms(checking, can, None if declares else "copied_checksums")
    forms.copies(1)
    first = forms.judge(1, ODD)
    forms.copies(1)
    second = forms.judge(1, ODD)
    assert (first.other_form, second.other_form) == (True, False)
    assert forms.is_of_copy(second)
    assert not forms.is_of_copy(ODD)
    forms.done(done(1, Compared.NOTHING))
    assert can.copied_checksums is declares


def test_the_configuration_may_want_no_checksums() -> None:
    can = Capabilities(sends_checksums=False)
    assert choose(None, can, PLAIN).algorithm is None
    assert choose("crc64nvme", can, PLAIN).algorithm == "crc64nvme"


def test_what_is_known_to_be_lacking_cannot_be_forced() -> None:
    with pytest.raises(Unsupported):
        choose("crc64nvme", Capabilities(trailers=False), PLAIN)


def test_the_whole_from_its_parts() -> None:
    assert whole_crc([PartRecord(1, 3, "e", None, "")], "crc32c") == ""
    assert whole_etag(["x" * 32]) == ""
    assert whole_etag(["0" * 32, "1" * 32]).endswith("-2")
    assert whole_etag(["0" * 32, "1" * 30]) == whole_etag(["0" * 32, "1" * 34]) == "", "no MD5s"


def test_the_crc_of_the_whole_needs_that_of_every_part() -> None:
    one, two = PartRecord(1, 3, "e", 5, ""), PartRecord(2, 3, "e", 0, "")
    assert whole_crc([one, two], "crc64nvme")
    assert whole_crc([one, PartRecord(2, 3, "e", None, "")], "crc64nvme") == ""
    assert whole_crc([PartRecord(1, 3, "e", None, "")], "crc64nvme") == ""
    assert whole_crc([], "crc64nvme") == ""
    assert whole_crc([one], None) == ""


def test_checksums_that_copies_lack_are_no_matter_without_copies() -> None:
    can = Capabilities()
    can.copied_checksums = False
    assert choose(None, can, ObjectOptions()).algorithm == "crc64nvme"
    assert choose(None, can, ObjectOptions(), copies=True).algorithm is None
    with pytest.raises(Unsupported):
        choose("crc64nvme", can, ObjectOptions(), copies=True)
    can.copied_checksums = None
    can.crc64nvme = False
    assert choose("crc32c", can, ObjectOptions()).algorithm == "crc32c"
    assert choose(None, can, ObjectOptions()).algorithm is None
    can.trailers = False
    with pytest.raises(Unsupported):
        choose("crc32c", can, ObjectOptions())
    none = choose("none", can, ObjectOptions())
    assert (none.algorithm, none.parts.trailer, none.parts.compare_etag, none.parts.crc) == (None, None, False, None)


def test_a_copy_prefers_the_crc_of_its_source() -> None:
    old = Capabilities(crc64nvme=False)
    assert choose(None, Capabilities(), PLAIN, copies=True, preferred="crc32").parts.crc == "crc32"
    assert choose("crc32c", Capabilities(), PLAIN, copies=True, preferred="crc32").algorithm == "crc32c"
    assert choose(None, old, PLAIN, copies=True, preferred="crc32").algorithm is None
    assert PartForms(choose(None, Capabilities(), PLAIN, preferred="crc32"), old).copies(1) == "crc32"


# -- how an upload begins -------------------------------------------------------------------------------------------

KMS = ObjectOptions(sse="aws:kms")


@pytest.mark.parametrize(
    ("options", "is_md5"),
    [
        (PLAIN, True),
        (ObjectOptions(sse="AES256"), True),
        (KMS, False),
        (ObjectOptions(sse="aws:kms:dsse"), False),
        (SECRET, False),
        (ObjectOptions(customer_key=CustomerKey(bytes(32)), sse="AES256"), False),
    ],
)
def test_under_whose_encryption_an_etag_is_the_md5(options: ObjectOptions, is_md5: bool) -> None:
    assert etag_is_md5(options) is is_md5
    for choice in ("none", "md5", "crc32c", None):
        assert choose(choice, Capabilities(), options).etag_is_md5 is is_md5


@pytest.mark.parametrize(
    ("options", "known", "compares", "is_known"),
    [
        (PLAIN, None, True, False),
        (PLAIN, True, True, True),
        (PLAIN, False, False, False),
        (SECRET, None, False, False),
        (SECRET, True, False, True),
    ],
)
def test_etags_are_compared_unless_they_are_known_to_be_no_md5s(
    options: ObjectOptions, known: bool | None, compares: bool, is_known: bool
) -> None:
    expected = PartChecks(None, compare_etag=compares, etag_known=is_known, crc="crc64nvme")
    for checking in (
        by_etag(options, Capabilities(etag_md5=known)),
        choose("md5", Capabilities(etag_md5=known), options),
    ):
        assert checking == Checking(None, expected, etag_is_md5(options), fixed=False)


@pytest.mark.parametrize(("choice", "name"), [(None, "crc64nvme"), ("crc64nvme", "crc64nvme"), ("crc32c", "crc32c")])
def test_a_crc_goes_in_the_trailer_and_etags_are_not_compared(choice: ChecksumChoice | None, name: str) -> None:
    expected = PartChecks(trailer=name, compare_etag=False, crc=name)
    assert choose(choice, Capabilities(), PLAIN) == Checking(name, expected, True, fixed=choice is not None)
    assert Checking(name, expected) == Checking(name, expected, etag_is_md5=True, fixed=False)


# -- forms of parts -------------------------------------------------------------------------------------------------


def checks_in(can: Capabilities, options: ObjectOptions = PLAIN, *, local: bool = True) -> PartChecks:
    """Of a part of an upload that has begun with trailers."""
    return PartForms(choose(None, Capabilities(), options), can).checks(1, local=local)


def test_without_trailers_etags_are_compared_as_far_as_they_are_md5s() -> None:
    plain = PartChecks(None, compare_etag=True, etag_known=False, crc="crc64nvme", digest=False)
    assert checks_in(Capabilities(trailers=False)) == plain
    assert checks_in(Capabilities(trailers=False, etag_md5=True)) == replace(plain, etag_known=True)
    assert checks_in(Capabilities(trailers=False, etag_md5=False)) == replace(plain, compare_etag=False)
    secret = checks_in(Capabilities(trailers=False), SECRET)
    assert (secret.compare_etag, secret.digest) == (False, True), "no ETag shows damage: the server compares an MD5"
    assert not checks_in(Capabilities(trailers=False), SECRET, local=False).digest, "it can't be read twice"


def test_a_server_that_needs_digests_gets_them_where_bytes_can_be_read_twice() -> None:
    can = Capabilities(trailers=False, needs_digest=True)
    assert checks_in(can).digest
    assert not checks_in(can, local=False).digest


def test_a_choice_of_the_user_holds_whatever_the_server_lacks() -> None:
    forms = PartForms(choose("crc32c", Capabilities(), PLAIN), Capabilities(trailers=False))
    assert forms.checks(1, local=True).trailer == "crc32c"
    none = PartForms(choose("none", Capabilities(), PLAIN), Capabilities()).checks(1, local=True)
    assert (none.digest, none.compare_etag, none.trailer) == (False, False, None)


def test_a_part_that_was_begun_with_a_trailer_goes_on_without_once_the_server_is_known() -> None:
    server = Server()
    assert (server.form(1), server.form(2)) == ("trailer", "trailer")
    server.refuse(2)
    for _ in range(2):
        server.form(1)
        server.refuse(1)
    server.form(1)
    server.forms.done(done(1, Compared.ETAG))
    assert server.can.trailers is False
    assert server.form(2) == "plain"
    assert server.refuse(2), "the refusal with a trailer was one of another form"
    server.forms.done(done(2, Compared.ETAG))
    assert len(server.forms.notices) == 1, "said once"


def test_a_part_nobody_knows_is_neither_judged_nor_noted() -> None:
    server = Server()
    assert server.forms.judge(7, ODD) is ODD
    server.forms.done(done(7))
    assert server.can == Capabilities()
    server.form(1)
    server.forms.done(done(1))
    server.can.trailers = None
    server.forms.done(done(1))
    assert server.can.trailers is None, "a part is done once"


def test_refusals_for_other_reasons_are_not_counted() -> None:
    server = Server()
    server.form(1)
    for failure in (Failure(Kind.DENIED, "no", status=403), Failure(Kind.SERVER, "500", status=500)):
        for _ in range(3):
            assert server.forms.judge(1, failure) is failure
    assert server.refuse(1)
    assert server.form(1) == "trailer", "the first refusal that may be about trailers"


def test_damage_is_damage_where_trailers_work_and_without_trailers() -> None:
    damage = Failure(Kind.CORRUPT, "BadDigest", status=400, code="BadDigest")
    unknown = Server()
    unknown.form(1)
    assert unknown.refuse(1, damage), "it may be a server that misunderstands the framing"
    known = Server()
    known.can.trailers = True
    known.form(1)
    assert known.forms.judge(1, damage) is damage
    plain = Server(choice="md5")
    plain.form(1)
    assert plain.forms.judge(1, damage) is damage


def test_a_doubt_is_left_to_a_caller_that_asks_about_etags_itself() -> None:
    can = Capabilities()
    forms = PartForms(choose("md5", can, PLAIN), can, judges_etags=False)
    differs = Failure(Kind.CORRUPT, "ETag abc", code=DOUBT)
    for _ in range(3):
        forms.checks(1, local=True)
        assert forms.judge(1, differs) is differs
    assert (can.etag_md5, forms.notices) == (None, [])


def test_a_digest_that_is_demanded_of_a_stream_is_remembered_for_what_follows() -> None:
    server = Server(choice="md5")
    demand = Failure(Kind.FATAL, "InvalidRequest: Content-MD5 is required", status=400)
    assert server.form(1, local=False) == "plain"
    assert not server.refuse(1, demand)
    assert server.can.needs_digest is True
    assert server.form(2) == "digest"


def test_only_a_demand_for_a_digest_says_that_one_is_needed() -> None:
    server = Server(choice="md5")
    for _ in range(2):
        server.form(1, local=False)
        last = server.refuse(1)
    assert not last
    assert server.can.needs_digest is None
    digests = Server(choice="md5")
    digests.can.needs_digest = True
    digests.form(1)
    digests.can.needs_digest = None
    digests.forms.done(done(1, Compared.DIGEST))
    assert digests.can.needs_digest is None, "nobody has seen it refused without"


def test_which_comparison_shows_that_etags_are_md5s() -> None:
    for how, known in ((Compared.ETAG, True), (Compared.CHECKSUM, None), (Compared.NOTHING, None)):
        server = Server(choice="md5")
        server.form(1)
        server.forms.done(done(1, how))
        assert server.can.etag_md5 is known


def test_an_upload_begun_without_trailers_shows_that_they_are_not_taken() -> None:
    for suspect, trailers in (("trailers", False), (None, None)):
        can = Capabilities()
        forms = PartForms(by_etag(PLAIN, can), can, suspect)  # type: ignore[arg-type]
        forms.checks(1, local=True)
        forms.done(done(1, Compared.NOTHING))
        assert (can.trailers, forms.notices) == (trailers, [])


def test_a_copied_part_says_nothing_of_checksums_that_nobody_declared_or_suspected() -> None:
    can = Capabilities()
    forms = PartForms(by_etag(PLAIN, can), can)
    assert forms.copies(3) == "crc64nvme"
    forms.done(done(3, Compared.NOTHING))
    assert (can.copied_checksums, forms.copied) == (None, {3})
    assert PartForms(choose("none", can, PLAIN), can).copies(1) is None


def test_a_refused_copy_that_another_form_does_not_help_is_final() -> None:
    can = Capabilities()
    forms = PartForms(choose(None, can, PLAIN, copies=True), can)
    forms.copies(1)
    denied = Failure(Kind.DENIED, "no", status=403)
    judged = forms.judge(1, denied)
    assert not judged.other_form
    assert forms.is_of_copy(judged)


def test_what_was_found_out_is_said_in_order_and_once() -> None:
    said: list[str] = []
    forms = Server().forms
    forms.notices += ["first", "second"]
    report = Report("upload", "-", "s3://b/k", lambda event: said.append(event.text()))
    forms.report(report)
    forms.report(report)
    assert said == ["warning: first", "warning: second"]
