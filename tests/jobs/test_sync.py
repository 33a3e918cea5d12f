from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from s3amfs.core.deletions import MaxDelete
from s3amfs.core.filters import Filters, Rule
from s3amfs.errors import InvalidDestination, InvalidSource, NotFound, TransferLocked, UsageError
from s3amfs.jobs.job_journal import JobJournal
from tests.support.faults import Rule as Fault
from tests.support.faults import answer
from tests.support.trees import FILES, LONG_AGO, make_tree, read_prefix, read_tree, tree_of


def test_up_then_nothing(run: Any, src: Path, bucket: str, boto: Any) -> None:
    first = run(src, f"s3://{bucket}/p")
    assert (first.rc, first.did()) == (0, dict.fromkeys(FILES, "upload"))
    assert read_prefix(boto, bucket, "p/") == FILES
    second = run(src, f"s3://{bucket}/p")
    assert (second.rc, second.did()) == (0, {})
    assert set(second.did("same")) == set(FILES)


def test_down_then_nothing(run: Any, src: Path, bucket: str, tmp_path: Path) -> None:
    run(src, f"s3://{bucket}/p")
    first = run(f"s3://{bucket}/p/", tmp_path / "new" / "dst")
    assert (first.rc, first.did()) == (0, dict.fromkeys(FILES, "download"))
    assert read_tree(tmp_path / "new" / "dst") == FILES  # and no .s3am/
    assert run(f"s3://{bucket}/p", tmp_path / "new" / "dst").did() == {}


def test_across_then_nothing(run: Any, src: Path, new_bucket: Any, boto: Any) -> None:
    one, other = new_bucket(), new_bucket()
    run(src, f"s3://{one}")
    boto.put_object(Bucket=one, Key="dir/", Body=b"")
    first = run(f"s3://{one}", f"s3://{other}/q")
    assert (first.rc, set(first.did())) == (0, {*FILES, "dir/"})
    assert read_prefix(boto, other, "q/") == FILES | {"dir/": b""}
    assert run(f"s3://{one}", f"s3://{other}/q").did() == {}


def test_between_services_bytes_are_relayed(
    run: Any, client: Any, s3: Any, src: Path, new_bucket: Any, boto: Any
) -> None:
    from s3amfs.engine.connect import S3Config, connect

    other = connect(S3Config(endpoint_url=s3.endpoint_url, access_key=s3.access_key, secret_key=s3.secret_key))
    one, two = new_bucket(), new_bucket()
    run(src, f"s3://{one}")
    boto.put_object(Bucket=one, Key="kept", Body=b"x", Metadata={"m": "1"}, ContentType="text/x")
    assert run(f"s3://{one}", f"s3://{two}", source_client=other).rc == 0
    assert read_prefix(boto, two) == FILES | {"kept": b"x"}
    head = boto.head_object(Bucket=two, Key="kept")
    assert (head["Metadata"], head["ContentType"]) == ({"m": "1"}, "text/x")


def test_changes_are_found(run: Any, src: Path, bucket: str, boto: Any) -> None:
    run(src, f"s3://{bucket}")
    make_tree(src, {"f.txt": b"5555"}, mtime=None)  # equal size, new content
    os.utime(src / "a b")  # a new time, equal content
    boto.put_object(Bucket=bucket, Key="a/b", Body=b"xx")  # somebody else's, equal size
    done = run(src, f"s3://{bucket}")
    assert done.did() == {"f.txt": "upload", "a/b": "upload"}
    assert "equal content" in done.reason("a b")
    assert read_prefix(boto, bucket) == FILES | {"f.txt": b"5555"}
    assert run(src, f"s3://{bucket}").did() == {}


def test_no_request_but_list_for_what_is_unchanged(
    run: Any, src: Path, bucket: str, tmp_path: Path, proxy: Any, s3: Any
) -> None:
    from s3amfs.engine.connect import S3Config, connect

    through = connect(S3Config(endpoint_url=proxy.endpoint_url, access_key=s3.access_key, secret_key=s3.secret_key))
    run(src, f"s3://{bucket}", client=through)
    run(f"s3://{bucket}", tmp_path / "dst", client=through)
    proxy.clear()
    assert run(src, f"s3://{bucket}", client=through).did() == {}
    assert run(f"s3://{bucket}", tmp_path / "dst", client=through).did() == {}
    assert {request.kind for request in proxy.requests} == {"List"}


def test_what_is_impossible_as_a_whole(run: Any, tmp_path: Path, bucket: str, src: Path) -> None:
    with pytest.raises(NotFound):
        run(tmp_path / "none", f"s3://{bucket}")
    with pytest.raises(InvalidSource):
        run(src / "f.txt", f"s3://{bucket}")
    with pytest.raises(InvalidDestination):
        run(f"s3://{bucket}", src / "f.txt")
    with pytest.raises(NotFound):
        run(src, f"s3://{bucket}-none")
    with pytest.raises(NotFound):
        run(f"s3://{bucket}-none", tmp_path / "dst")
    with pytest.raises(UsageError):
        run(src, tmp_path / "dst")
    with pytest.raises(UsageError):
        run(f"s3://{bucket}/a", f"s3://{bucket}/a/b")


def test_filters_hold_on_both_sides(run: Any, src: Path, bucket: str, boto: Any) -> None:
    boto.put_object(Bucket=bucket, Key="x.tmp", Body=b"theirs")
    make_tree(src, {"y.tmp": b"mine"})
    filters = Filters([Rule(False, "*.tmp"), Rule(False, "a")])
    done = run(src, f"s3://{bucket}", delete=True, filters=filters)
    assert (done.rc, set(done.did())) == (0, {"a b", "big", "f.txt"})
    assert "x.tmp" in read_prefix(boto, bucket)
    again = run(src, f"s3://{bucket}", delete=True, delete_excluded=True, filters=filters)
    assert again.did() == {"x.tmp": "delete"}


def test_names_from_a_list(run: Any, src: Path, bucket: str, boto: Any) -> None:
    names = frozenset({"a/b", "gone"})
    boto.put_object(Bucket=bucket, Key="gone", Body=b"")
    boto.put_object(Bucket=bucket, Key="other", Body=b"")
    done = run(src, f"s3://{bucket}", names=names, delete=True, max_delete=MaxDelete(percent=100))
    assert (done.rc, done.did()) == (0, {"a/b": "upload", "gone": "delete"})
    missing = run(src, f"s3://{bucket}", names=frozenset({"a/b", "none"}))
    assert (missing.rc, missing.did()) == (1, {"none": "fail"})
    assert set(read_prefix(boto, bucket)) == {"a/b", "other"}


def test_a_listing_that_breaks_off_deletes_nothing(
    run: Any, src: Path, bucket: str, boto: Any, proxy: Any, s3: Any, tmp_path: Path
) -> None:
    from s3amfs.engine.connect import S3Config, connect

    names = {f"k{number:04}": b"" for number in range(1100)}
    run(make_tree(tmp_path / "many", names), f"s3://{bucket}/p")
    dst = make_tree(tmp_path / "dst", names | {"extra": b""})
    config = S3Config(
        endpoint_url=proxy.endpoint_url, access_key=s3.access_key, secret_key=s3.secret_key, retry_budget=0.1
    )
    proxy.rules.append(Fault(lambda seen: seen.kind == "List" and "start-after" in seen.query, answer(500)))
    done = run(f"s3://{bucket}/p", dst, delete=True, client=connect(config))
    assert (done.rc, done.did("delete")) == (1, {})
    assert "extra" in read_tree(dst)
    assert any("broke off" in note for note in done.notes)


def test_an_unreadable_folder_protects_what_is_below_it(run: Any, src: Path, bucket: str, boto: Any) -> None:
    loop = src / "a" / "c" / "back"
    run(src, f"s3://{bucket}")
    boto.put_object(Bucket=bucket, Key="a/c/back/x", Body=b"")
    boto.put_object(Bucket=bucket, Key="extra", Body=b"")
    loop.symlink_to(src, target_is_directory=True)
    done = run(src, f"s3://{bucket}", delete=True)
    assert done.rc == 1
    assert done.did() == {"a/c/back/": "fail", "a/c/back/x": "fail", "extra": "delete"}
    assert "a loop" in done.reason("a/c/back/")


def test_links_three_ways(run: Any, tmp_path: Path, new_bucket: Any, boto: Any) -> None:
    src = make_tree(tmp_path / "src", {"d/f": b"1"})
    (src / "to").symlink_to("d/f")
    (src / "dir").symlink_to("d")
    skip, keep = new_bucket(), new_bucket()
    assert run(src, f"s3://{skip}", links="skip").did() == {"d/f": "upload"}
    assert set(run(src, f"s3://{keep}", links="keep", rules={"keep_links": True}).did()) == {"d/f", "to", "dir"}
    assert run(src, f"s3://{keep}", links="keep", rules={"keep_links": True}).did() == {}
    back = run(f"s3://{keep}", tmp_path / "dst", links="keep", rules={"keep_links": True})
    assert back.rc == 0
    assert read_tree(tmp_path / "dst") == {"d/f": b"1", "to": b"-> d/f", "dir": b"-> d"}
    assert run(f"s3://{keep}", tmp_path / "dst", links="keep", rules={"keep_links": True}).did() == {}


def test_empty_folders(run: Any, tmp_path: Path, bucket: str, boto: Any) -> None:
    src = make_tree(tmp_path / "src", {"d/f": b"1"})
    (src / "empty").mkdir()
    assert run(src, f"s3://{bucket}").did() == {"d/f": "upload"}
    assert run(src, f"s3://{bucket}", rules={"empty_folders": True}).did() == {"empty/": "upload"}
    assert run(f"s3://{bucket}", tmp_path / "dst", rules={"empty_folders": True}).rc == 0
    assert (tmp_path / "dst" / "empty").is_dir()
    assert run(src, f"s3://{bucket}", delete=True).did() == {}
    assert run(src, f"s3://{bucket}", delete=True, rules={"empty_folders": True}).did() == {}


def test_preserve(run: Any, tmp_path: Path, bucket: str, boto: Any) -> None:
    src = make_tree(tmp_path / "src", {"f": b"1"})
    (src / "f").chmod(0o741)
    kept = {"preserve": True}
    run(src, f"s3://{bucket}", rules=kept)
    assert boto.head_object(Bucket=bucket, Key="f")["Metadata"]["mode"] == str(0o100741)
    dst = tmp_path / "dst"
    assert run(f"s3://{bucket}", dst, rules=kept).rc == 0
    there = (dst / "f").stat()
    assert (there.st_mtime, there.st_mode & 0o7777) == (LONG_AGO, 0o741)
    assert run(f"s3://{bucket}", dst, rules=kept).did() == {}
    assert run(src, f"s3://{bucket}", rules=kept).did() == {}
    (src / "f").chmod(0o700)
    assert run(src, f"s3://{bucket}", rules=kept).did() == {"f": "upload"}
    if os.geteuid() == 0:
        os.chown(src / "f", 1234, 1234)
        assert run(src, f"s3://{bucket}", rules=kept).did() == {"f": "upload"}
        run(f"s3://{bucket}", dst, rules=kept)
        os.chown(dst / "f", 0, 0)
        assert run(f"s3://{bucket}", dst, rules=kept).did() == {"f": "download"}
        assert (dst / "f").stat().st_uid == 1234


def test_an_earlier_run_that_kept_less_says_nothing_about_the_rest(
    run: Any, tmp_path: Path, bucket: str, boto: Any
) -> None:
    src, dst = make_tree(tmp_path / "src", {"f": b"1", "g": b"2"}), tmp_path / "dst"
    (src / "f").chmod(0o741)
    kept = {"preserve": True}
    for rules in ({}, kept):
        assert run(src, f"s3://{bucket}", rules=rules).did() == {"f": "upload", "g": "upload"}
        assert run(src, f"s3://{bucket}", rules=rules).did() == {}
    for remembers in (True, False):
        shutil.rmtree(dst, ignore_errors=True)
        assert run(f"s3://{bucket}", dst).did() == {"f": "download", "g": "download"}
        if not remembers:
            shutil.rmtree(tmp_path / "state/jobs")
        assert run(f"s3://{bucket}", dst, rules=kept).did() == {"f": "download"}
        assert {(dst / name).stat().st_mtime for name in "fg"} == {LONG_AGO}
    assert run(f"s3://{bucket}", dst).did() == {}, "what is kept besides does not matter to a plain run"


def test_a_link_and_a_file_of_its_text_are_not_equal(run: Any, tmp_path: Path, bucket: str, boto: Any) -> None:
    src, dst = make_tree(tmp_path / "src", {"f": b"1"}), tmp_path / "dst"
    (src / "to").symlink_to("nothing")
    keep = {"links": "keep", "rules": {"keep_links": True}}
    assert run(src, f"s3://{bucket}", **keep).rc == 0
    assert run(f"s3://{bucket}", dst).did() == {"f": "download", "to": "download"}
    assert run(f"s3://{bucket}", dst, **keep).did() == {"to": "download"}
    assert read_tree(dst) == {"f": b"1", "to": b"-> nothing"}
    (src / "to").unlink()
    (src / "to").write_bytes(b"nothing")
    assert run(src, f"s3://{bucket}").did() == {"to": "upload"}
    assert "mode" not in boto.head_object(Bucket=bucket, Key="to")["Metadata"]


def test_replaced_and_deleted_files_are_kept_in_the_backup_folder(
    run: Any, src: Path, new_bucket: Any, boto: Any, tmp_path: Path
) -> None:
    one, kept = new_bucket(), new_bucket()
    run(src, f"s3://{one}")
    run(f"s3://{one}", tmp_path / "dst")
    make_tree(src, {"f.txt": b"newer"})
    (src / "a/b").unlink()
    backup = {"backup_dir": tree_of(f"s3://{kept}/old")}
    assert run(src, f"s3://{one}", delete=True, **backup).did() == {"f.txt": "upload", "a/b": "delete"}
    assert read_prefix(boto, kept, "old/") == {"f.txt": b"4444", "a/b": b"22"}
    local = tree_of(tmp_path / "old")
    assert run(f"s3://{one}", tmp_path / "dst", delete=True, backup_dir=local).rc == 0
    assert read_tree(tmp_path / "old") == {"f.txt": b"4444", "a/b": b"22"}


def test_one_job_at_a_time(run: Any, src: Path, bucket: str, client: Any, tmp_path: Path) -> None:
    from s3amfs.jobs.sides import Ends

    names = Ends(tree_of(src), tree_of(f"s3://{bucket}"), client).names()
    held = JobJournal(*names, str(tmp_path / "state"))
    with pytest.raises(TransferLocked):
        run(src, f"s3://{bucket}")
    held.close()
    assert run(src, f"s3://{bucket}").rc == 0
