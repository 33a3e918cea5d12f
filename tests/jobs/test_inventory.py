"""`ls` and `du`: one level or all, versions, globs, and sums by folder."""

from __future__ import annotations

from typing import Any

import pytest

from s3amfs.core.locations import S3Location
from s3amfs.core.tree_events import Listed, PrefixTotal
from s3amfs.errors import NotFound
from s3amfs.jobs.inventory import disk_usage, list_buckets, list_objects
from s3amfs.wire.messages import Reply
from tests.support.scripted import Asked, reply, scripted

SIZES = {"a": 1, "a.gz": 2, "d/x": 4, "d/y.gz": 8, "d/e/z": 16, "f/w": 32}


def listing(asked: Asked) -> str:
    prefix, delimiter = asked.query.get("prefix", ""), asked.query.get("delimiter", "")
    items, folders = "", dict[str, None]()
    for key, size in sorted(SIZES.items()):
        if not key.startswith(prefix) or key <= asked.query.get("start-after", ""):
            continue
        rest, slash, _ = key[len(prefix) :].partition(delimiter) if delimiter else (key, "", "")
        if slash:
            folders[prefix + rest + slash] = None
        else:
            items += f"<Contents><Key>{key}</Key><Size>{size}</Size><ETag>e</ETag></Contents>"
    items += "".join(f"<CommonPrefixes><Prefix>{folder}</Prefix></CommonPrefixes>" for folder in folders)
    return f"<ListBucketResult><IsTruncated>false</IsTruncated>{items}</ListBucketResult>"


def versions_of(asked: Asked) -> str:
    """Two pages, the second from the older version of d/x on."""
    second = "key-marker" in asked.query
    rows = [("a", "1", "Version"), ("a.gz", "1", "Version"), ("d/x", "3", "DeleteMarker"), ("d/x", "2", "Version")]
    rows = [row for row in rows if row[0].startswith(asked.query.get("prefix", ""))]
    here = [row for row in rows if (row[1] == "2") == second]
    items = "".join(version(key, number, latest=number != "2", kind=kind) for key, number, kind in here)
    cut = len(here) < len(rows) and not second
    more = "<NextKeyMarker>d/x</NextKeyMarker><NextVersionIdMarker>3</NextVersionIdMarker>" if cut else ""
    return f"<ListVersionsResult><IsTruncated>{str(cut).lower()}</IsTruncated>{more}{items}</ListVersionsResult>"


def version(key: str, number: str, *, latest: bool = True, kind: str = "Version") -> str:
    is_latest = "true" if latest else "false"
    about = f"<Key>{key}</Key><VersionId>{number}</VersionId><IsLatest>{is_latest}</IsLatest>"
    return f"<{kind}>{about}{'<Size>1</Size>' if kind == 'Version' else ''}</{kind}>"


def server(asked: Asked) -> Reply:
    return reply(200, versions_of(asked) if "versions" in asked.query else listing(asked))


def found(key: str, **more: Any) -> list[str]:
    client, _ = scripted(server)
    items = list_objects(S3Location("bbb", key), client, **more)
    return [item.prefix if isinstance(item, PrefixTotal) else item.key for item in items]


@pytest.mark.parametrize(
    ("key", "recursive", "names"),
    [
        ("", False, ["a", "a.gz", "d/", "f/"]),
        ("d/", False, ["d/e/", "d/x", "d/y.gz"]),
        ("d", False, ["d/e/", "d/x", "d/y.gz"]),
        ("a", False, ["a"]),
        ("d", True, ["d/e/z", "d/x", "d/y.gz"]),
        ("", True, ["a", "a.gz", "d/e/z", "d/x", "d/y.gz", "f/w"]),
        ("**.gz", False, ["a.gz", "d/y.gz"]),
        ("*.gz", True, ["a.gz"]),
    ],
)
def test_objects(key: str, recursive: bool, names: list[str]) -> None:
    assert found(key, recursive=recursive) == names


@pytest.mark.parametrize("key", ["none", "none/", "none*"])
def test_nothing_of_that_name(key: str) -> None:
    with pytest.raises(NotFound, match="nothing with that name"):
        found(key)


def test_an_empty_bucket_is_no_error() -> None:
    client, _ = scripted(
        lambda asked: reply(200, "<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>")
    )
    assert list(list_objects(S3Location("bbb", ""), client)) == []


def test_versions_page_by_page() -> None:
    client, engine = scripted(server)
    listed = list(list_objects(S3Location("bbb", ""), client, recursive=True, versions=True))
    shown = [(i.key, i.version_id, i.is_latest, i.deleted, i.size) for i in listed if isinstance(i, Listed)]
    assert shown == [
        ("a", "1", True, False, 1),
        ("a.gz", "1", True, False, 1),
        ("d/x", "3", True, True, None),
        ("d/x", "2", False, False, 1),
    ]
    assert len(engine.asked) == 2


def test_versions_of_one_key() -> None:
    assert found("a", versions=True) == ["a"]
    assert found("d/", versions=True) == ["d/x", "d/x"]


def sums(key: str) -> list[tuple[str, int | None, int | None, bool]]:
    client, _ = scripted(server)
    return [(t.prefix, t.objects, t.bytes, t.total) for t in disk_usage(S3Location("bbb", key), client)]


def test_sums_of_folders_and_of_all() -> None:
    assert sums("") == [("d/", 3, 28, False), ("f/", 1, 32, False), ("", 6, 63, True)]
    assert sums("d") == sums("d/") == [("d/e/", 1, 16, False), ("d/", 3, 28, True)]
    assert sums("**.gz") == [("d/", 1, 8, False), ("", 2, 10, True)]
    assert sums("none") == [("none/", 0, 0, True)]


def test_buckets_page_by_page() -> None:
    def answer(asked: Asked) -> Reply:
        more = "continuation-token" not in asked.query
        name = "one" if more else "two"
        token = "<ContinuationToken>t</ContinuationToken>" if more else ""
        return reply(
            200,
            f"<ListAllMyBucketsResult><Buckets><Bucket><Name>{name}</Name></Bucket></Buckets>{token}</ListAllMyBucketsResult>",
        )

    client, engine = scripted(answer)
    assert [listed.key for listed in list_buckets(client)] == ["one", "two"]
    assert len(engine.asked) == 2
