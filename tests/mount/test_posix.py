"""The judgement of `make posix`: a failure without a reason in the manual is one, and a reason without a failure."""

from __future__ import annotations

from tests.mount.posix import ROOT, judge, patterns

PRINTED = """\
unlink::remove_type::fifo                                                 FAILED
\tcalled `Result::unwrap()` on an `Err` value: EPERM
chmod::changes_mode                                                           ok
open::erofs_new_file                                                     skipped
rename::changes_ctime                                                     FAILED
"""


def test_failures_are_compared_with_the_table() -> None:
    table = (
        "| tests | reason |\n|---|---|\n| `*::fifo`, `link::*` | none here |\n| `x` | no test |\n"
        "| `open::a` | now and then: luck |\n"
    )
    assert patterns(table) == {"*::fifo": True, "link::*": True, "open::a": False}
    count, unknown, idle = judge(PRINTED, patterns(table))
    assert count == {"ok": 1, "FAILED": 2, "skipped": 1}
    assert unknown == ["rename::changes_ctime"]
    assert idle == ["link::*"]


def test_the_manual_has_the_table() -> None:
    assert "*::enametoolong_path" in patterns((ROOT / "docs" / "mount.md").read_text())
