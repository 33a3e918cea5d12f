"""In which form parts are sent, and what their answers say of the server."""

from __future__ import annotations

import pytest

from s3amfs.core.capabilities import DOUBT
from s3amfs.core.claims import Compared
from s3amfs.core.failures import Failure, Kind
from s3amfs.core.manifest import PartRecord
from s3amfs.core.ssec import CustomerKey
from s3amfs.engine.attempt import PartResult
from s3amfs.errors import Unsupported
from s3amfs.transfers.checksum_choice import PartForms, choose, whole_crc, whole_etag
from s3amfs.transfers.options import ChecksumChoice, ObjectOptions
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


def test_the_same_odd_etag_twice_is_no_damage() -> None:
    server = Server(choice="md5")
    differs = Failure(Kind.CORRUPT, "the server's ETag abc is not the MD5 of what was sent", code=DOUBT)
    server.form(1)
    assert server.refuse(1, differs)
    assert server.form(1) == "digest"  # a server that knows it finds damage by itself
    assert server.refuse(1, differs)
    assert server.can.etag_md5 is False
    assert not server.forms.checks(1, local=True).compare_etag


def test_odd_etags_that_differ_each_time_are_damage() -> None:
    server = Server(choice="md5")
    again = []
    for number in range(6):
        server.form(1)
        again.append(server.refuse(1, Failure(Kind.CORRUPT, f"ETag {number}", code=DOUBT)))
    assert again[-1] is False
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
    assert whole_etag(["0" * 32]).endswith("-1")


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
