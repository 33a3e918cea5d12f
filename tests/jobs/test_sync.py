from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from s3amfs.core.deletions import MaxDelete
from s3amfs.core.filters import Filters, Rule
from s3amfs.errors import InvalidDestination, InvalidSource, NotFound, TransferLocked, UsageError
from s3amfs.jobs.job_journal import JobJournal
from tests.support.faults import Rule as Fault
from tests.support.faults import answer, error
from tests.support.trees import LONG_AGO, make_tree, read_prefix, read_tree, tree_of

FILES = {"a b": b"1", "a/b": b"22", "a/c/d": b"333", "f.txt": b"4444", "big": bytes(9 * 1024 * 1024)}


@pytest.fixture
def src(tmp_path: Path) -> Path:
    return make_tree(tmp_path / "src", FILES)


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


def test_down_equal_content_gets_the_objects_time(run: Any, src: Path, bucket: str, tmp_path: Path) -> None:
    run(src, f"s3://{bucket}")
    dst = make_tree(tmp_path / "dst", FILES | {"f.txt": b"other"[:4]})
    done = run(f"s3://{bucket}", dst)
    assert done.did() == {"f.txt": "download"}
    assert all(os.stat(dst / name).st_mtime > LONG_AGO for name in FILES)
    assert run(f"s3://{bucket}", dst).did() == {}


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


def test_delete_comes_last_and_only_what_is_extra(run: Any, src: Path, bucket: str, boto: Any, tmp_path: Path) -> None:
    run(src, f"s3://{bucket}/p")
    run(f"s3://{bucket}/p", tmp_path / "dst")
    boto.put_object(Bucket=bucket, Key="outside", Body=b"")
    (src / "a/c/d").unlink()
    (src / "f.txt").unlink()
    without = run(src, f"s3://{bucket}/p")
    assert without.did() == {}
    dry = run(src, f"s3://{bucket}/p", delete=True, dry_run=True)
    assert dry.did() == {"a/c/d": "delete", "f.txt": "delete"}
    assert len(read_prefix(boto, bucket, "p/")) == 5
    assert run(src, f"s3://{bucket}/p", delete=True).did() == {"a/c/d": "delete", "f.txt": "delete"}
    assert set(read_prefix(boto, bucket)) == {"p/a b", "p/a/b", "p/big", "outside"}
    assert run(f"s3://{bucket}/p", tmp_path / "dst", delete=True).did() == {"a/c/d": "delete", "f.txt": "delete"}
    assert not (tmp_path / "dst/a/c").exists()
    assert (tmp_path / "dst/a").is_dir()


def test_too_many_deletions_are_refused(run: Any, tmp_path: Path, bucket: str, boto: Any) -> None:
    src = make_tree(tmp_path / "src", {f"{number:03}": b"" for number in range(120)})
    run(src, f"s3://{bucket}")
    for number in range(70):
        (src / f"{number:03}").unlink()
    make_tree(src, {"new": b"n"})
    refused = run(src, f"s3://{bucket}", delete=True)
    assert (refused.rc, refused.did()) == (18, {"new": "upload"})  # what had to move stays
    assert run(src, f"s3://{bucket}", delete=True, dry_run=True).rc == 18
    assert run(src, f"s3://{bucket}", delete=True, max_delete=MaxDelete(count=69)).rc == 18
    assert len(read_prefix(boto, bucket)) == 121
    assert run(src, f"s3://{bucket}", delete=True, max_delete=MaxDelete(count=70)).rc == 0
    assert len(read_prefix(boto, bucket)) == 51


def test_an_empty_source_deletes_nothing(run: Any, src: Path, tmp_path: Path, bucket: str, boto: Any) -> None:
    run(src, f"s3://{bucket}")
    (tmp_path / "empty").mkdir()
    assert run(tmp_path / "empty", f"s3://{bucket}", delete=True).rc == 18
    assert run(f"s3://{bucket}/none", src, delete=True).rc == 18
    assert read_prefix(boto, bucket) == FILES == read_tree(src)
    assert run(tmp_path / "empty", f"s3://{bucket}", delete=True, max_delete=MaxDelete(percent=100)).rc == 0
    assert read_prefix(boto, bucket) == {}


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


def test_a_failed_transfer_keeps_what_is_extra(
    run: Any, src: Path, bucket: str, boto: Any, proxy: Any, s3: Any
) -> None:
    from s3amfs.engine.connect import S3Config, connect

    boto.put_object(Bucket=bucket, Key="extra", Body=b"")
    through = connect(
        S3Config(endpoint_url=proxy.endpoint_url, access_key=s3.access_key, secret_key=s3.secret_key, retry_budget=0.1)
    )
    proxy.rules.append(Fault(lambda seen: seen.kind == "Put" and seen.key == "f.txt", error(403, "AccessDenied")))
    done = run(src, f"s3://{bucket}", delete=True, client=through)
    assert done.rc == 1
    assert done.did("fail", "delete") == {"f.txt": "fail"}
    assert set(read_prefix(boto, bucket)) == {"extra", *FILES} - {"f.txt"}
    proxy.rules.clear()
    again = run(src, f"s3://{bucket}", delete=True, client=through)
    assert (again.rc, again.did()) == (0, {"f.txt": "upload", "extra": "delete"})


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


def test_a_second_writer_is_not_overwritten(run: Any, src: Path, bucket: str, boto: Any, proxy: Any, s3: Any) -> None:
    """What appears, or changes, between the listing and the put stays."""
    from s3amfs.engine.connect import S3Config, connect

    through = connect(S3Config(endpoint_url=proxy.endpoint_url, access_key=s3.access_key, secret_key=s3.secret_key))
    boto.put_object(Bucket=bucket, Key="a/b", Body=b"old one")

    def other_writer(seen: Any) -> bool:
        if seen.kind == "Put" and seen.key in ("a/b", "f.txt"):
            boto.put_object(Bucket=bucket, Key=seen.key, Body=b"theirs!")
        return False

    proxy.rules.append(Fault(other_writer, answer(500)))
    done = run(src, f"s3://{bucket}", client=through)
    assert done.rc == 1
    assert done.did("fail") == {"a/b": "fail", "f.txt": "fail"}
    assert read_prefix(boto, bucket)["a/b"] == b"theirs!"
    assert read_prefix(boto, bucket)["f.txt"] == b"theirs!"


def test_hostile_names_down(run: Any, bucket: str, client: Any, tmp_path: Path) -> None:
    for key in ("good", "a", "a/b", "a.txt", "line\nbreak", "é", "e\u0301", "x" * 255):
        client.put(bucket, f"p/{key}", key.encode())
    done = run(f"s3://{bucket}/p", tmp_path / "dst")
    stored = read_tree(tmp_path / "dst")
    assert done.rc == 1
    assert set(stored) >= {"good", "a/b", "a.txt", "line\nbreak", "é", "e\u0301", "x" * 255}
    assert all(content == name.encode() for name, content in stored.items())
    failed = done.did("fail")
    assert failed == {"a": "fail"}  # the folder wins
    assert len(stored) + len(failed) == len([entry for entry in done.entries if entry.action != "skip"])


def test_hostile_names_up(run: Any, tmp_path: Path, bucket: str, boto: Any) -> None:
    src = make_tree(tmp_path / "src", {"good": b"1", "line\nbreak": b"2", "n\udcff": b"3", "é": b"4"})
    os.mkfifo(src / "fifo")
    (src / "dangling").symlink_to("nothing")
    (src / "link").symlink_to("good")
    done = run(src, f"s3://{bucket}")
    assert done.rc == 1
    assert done.did("fail") == {"n\udcff": "fail", "fifo": "fail", "dangling": "fail"}
    assert read_prefix(boto, bucket) == {"good": b"1", "line\nbreak": b"2", "é": b"4", "link": b"1"}


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


def test_a_link_at_the_target_is_never_followed(run: Any, bucket: str, client: Any, tmp_path: Path) -> None:
    outside = make_tree(tmp_path / "outside", {"x": b"theirs", "f": b"theirs"})
    dst = tmp_path / "dst"
    dst.mkdir()
    (dst / "d").symlink_to(outside)
    (dst / "f").symlink_to(outside / "f")
    client.put(bucket, "d/x", b"mine!!")
    client.put(bucket, "f", b"mine!!")
    done = run(f"s3://{bucket}", dst, delete=True)
    assert (done.rc, done.did("fail")) == (1, {"d/x": "fail"})
    assert read_tree(outside) == {"x": b"theirs", "f": b"theirs"}
    assert (dst / "f").read_bytes() == b"mine!!"
    assert not (dst / "f").is_symlink()
    again = run(f"s3://{bucket}", dst, delete=True)  # the link was only at the target
    assert (again.rc, read_tree(dst)) == (0, {"d/x": b"mine!!", "f": b"mine!!"})


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


def test_renames_are_made_at_the_target(run: Any, tmp_path: Path, new_bucket: Any, boto: Any) -> None:
    one, other = new_bucket(), new_bucket()
    src = make_tree(tmp_path / "src", {"old/f": b"content", "stays": b"s", "new": b"n"})
    options = {"delete": True, "track_renames": True}
    for source, target in ((src, f"s3://{one}"), (f"s3://{one}", f"s3://{other}"), (f"s3://{one}", tmp_path / "dst")):
        assert run(source, target, **options).rc == 0
    (src / "old/f").rename(src / "moved")
    make_tree(src, {"fresh": b"another"})
    foretold = run(src, f"s3://{one}", dry_run=True, **options)
    up = run(src, f"s3://{one}", **options)
    assert (up.rc, up.did()) == (0, {"moved": "rename", "fresh": "upload", "old/f": "delete"})
    assert (foretold.rc, foretold.did()) == (0, up.did())
    across = run(f"s3://{one}", f"s3://{other}", **options)
    assert (across.rc, across.did()) == (0, {"moved": "rename", "fresh": "copy", "old/f": "delete"})
    foretold = run(f"s3://{one}", tmp_path / "dst", dry_run=True, **options)
    down = run(f"s3://{one}", tmp_path / "dst", **options)
    assert (down.rc, down.did()) == (0, {"moved": "rename", "fresh": "download"})
    assert (foretold.rc, foretold.did()) == (0, down.did())
    wanted = {"moved": b"content", "stays": b"s", "new": b"n", "fresh": b"another"}
    assert read_prefix(boto, one) == read_prefix(boto, other) == read_tree(tmp_path / "dst") == wanted
    assert run(f"s3://{one}", tmp_path / "dst", **options).did() == {}
