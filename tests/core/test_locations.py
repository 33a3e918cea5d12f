"""What SRC and DST mean."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s3amfs.core.locations import (
    SPOOL_PREFIX,
    LocalPath,
    Location,
    S3Location,
    Stdin,
    Url,
    is_spool,
    last_component,
    local_path,
    parse_s3_url,
    parse_source,
    resolve_download_target,
    resolve_target,
)
from s3amfs.errors import InvalidDestination, InvalidS3Url, InvalidSource, S3AMError


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("-", Stdin()),
        ("a/b", LocalPath("a/b")),
        ("/a b#c?d", LocalPath("/a b#c?d")),
        ("a:b", LocalPath("a:b")),
        ("file:/a%20b", LocalPath("/a b")),
        ("file:///a/b", LocalPath("/a/b")),
        ("FILE://localhost/a", LocalPath("/a")),
        ("s3://bucket/k", S3Location("bucket", "k")),
        ("s3://bucket//lead/../a%41+b?c#d", S3Location("bucket", "/lead/../a%41+b?c#d")),
        ("s3://my.dotted.bucket/ü", S3Location("my.dotted.bucket", "ü")),
        (
            "s3://arn:aws:s3:eu-west-1:123456789012:accesspoint/name/deep/key",
            S3Location("arn:aws:s3:eu-west-1:123456789012:accesspoint/name", "deep/key"),
        ),
        ("https://u:p@h/x?sig=1#f", Url("https://u:p@h/x?sig=1#f", "https://h/x")),
        ("sftp://h/x", Url("sftp://h/x", "sftp://h/x")),
    ],
)
def test_sources(text: str, found: Location) -> None:
    assert parse_source(text) == found


NO_PORTS = ["http://h:99999/x", "https://u:p@h:80x/x", "ftp://h:-1/x"]


@pytest.mark.parametrize(
    "text", ["", "file://other/a", "file:a", "file:///a%00", "http:///x", "http://h/a b", "a\0b", *NO_PORTS]
)
def test_invalid_sources(text: str) -> None:
    with pytest.raises(InvalidSource):
        parse_source(text)


@pytest.mark.parametrize("text", ["s3:///k", "s3://a_!/k", "s3://b", "s3://bucket/" + "ü" * 513, "s3:bucket/k"])
def test_invalid_s3_urls(text: str) -> None:
    with pytest.raises((InvalidS3Url, InvalidSource)):
        parse_source(text)


def test_key_length_is_in_bytes() -> None:
    assert parse_s3_url("s3://bucket/" + "ü" * 512).key == "ü" * 512


def test_secrets_are_hidden() -> None:
    url = parse_source("ftp://user:pa@ss@host/f?token=abc")
    for shown in (str(url), repr(url)):
        assert "pa" not in shown
        assert "abc" not in shown
    with pytest.raises(InvalidSource) as caught:
        parse_source("ftp://user:secret@host/a b")
    assert "secret" not in str(caught.value)


def test_targets() -> None:
    source = parse_source("http://h/dir/na%20me.bin?x=1")
    assert resolve_target("s3://bucket", source) == S3Location("bucket", "na me.bin")
    assert resolve_target("s3://bucket/a/", source) == S3Location("bucket", "a/na me.bin")
    assert resolve_target("s3://bucket/a", source) == S3Location("bucket", "a")
    assert last_component(parse_source("ftp://h/f;type=i")) == "f"
    with pytest.raises(InvalidDestination):
        resolve_target("s3://bucket/", Stdin())
    with pytest.raises(InvalidDestination):
        resolve_target("/local", source)


def test_download_targets() -> None:
    source = S3Location("b", "dir/name")
    folders = {"/folder"}
    assert resolve_download_target("/folder", source, folders.__contains__) == LocalPath("/folder/name")
    assert resolve_download_target("x/", source, folders.__contains__) == LocalPath("x/name")
    assert resolve_download_target("file:///a%20b", source, folders.__contains__) == LocalPath("/a b")
    for text in ("", "a.partial", "a.progress", "http://h/x", "s3://b/k"):
        with pytest.raises(InvalidDestination):
            resolve_download_target(text, source, folders.__contains__)
    with pytest.raises(InvalidDestination):
        resolve_download_target("/folder", S3Location("b", "a/.."), folders.__contains__)


@given(st.text(max_size=60))
def test_a_source_is_something_or_an_error(text: str) -> None:
    with contextlib.suppress(S3AMError):
        assert str(parse_source(text))


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=200))
def test_keys_are_verbatim(key: str) -> None:
    assert parse_s3_url("s3://bucket/" + key).key == key


@given(st.text(max_size=30))
def test_hostile_urls_never_escape(text: str) -> None:
    with contextlib.suppress(S3AMError):
        parse_source("http://" + text)


def test_the_digest_of_a_url_is_of_its_query_too_and_of_no_password() -> None:
    def digest(text: str) -> str | None:
        found = parse_source(text)
        assert isinstance(found, Url)
        return found.digest

    assert digest("https://host/f") is digest("ftp://u:p@host/f") is None
    assert digest("https://host/f?id=1") != digest("https://host/f?id=2")
    assert digest("https://host/f?id=1") == digest("https://u:p@host/f?id=1#there")
    assert digest("https://host/f?id=a@b") != digest("https://host/f?id=c@b")


def test_a_bucket_of_a_ceph_tenant_keeps_its_tenant() -> None:
    assert parse_s3_url("s3://tenant:bkt/k") == S3Location("tenant:bkt", "k")
    for text in ("s3://:bkt/k", "s3://a:b:bkt/k", "s3://ten-ant:bkt/k", "s3://tenant:/k"):
        with pytest.raises(InvalidS3Url):
            parse_s3_url(text)


@pytest.mark.parametrize(("length", "whole"), [(98, True), (99, False)])
def test_long_texts_are_cut_in_messages(length: int, whole: bool) -> None:
    text = "x" * length
    with pytest.raises(InvalidS3Url) as caught:
        parse_s3_url(text)
    shown = str(caught.value).partition(" is not")[0]
    assert shown == (repr(text) if whole else "'" + "x" * 96 + "...")


@pytest.mark.parametrize(
    ("text", "path"), [("a/b", "a/b"), ("/a b", "/a b"), ("file:///a%20b", "/a b"), ("", ""), ("a\0b", ""), ("-", "")]
)
@pytest.mark.parametrize(("what", "error"), [("source", InvalidSource), ("target", InvalidDestination)])
def test_names_of_local_folders(text: str, path: str, what: str, error: type[S3AMError]) -> None:
    if path:
        assert local_path(text, what=what) == LocalPath(path)
    else:
        with pytest.raises(error):
            local_path(text, what=what)


@pytest.mark.parametrize(("path", "found"), [(f"/x/{SPOOL_PREFIX}k", True), (f"/{SPOOL_PREFIX}x/k", False)])
def test_names_of_spools(path: str, found: bool) -> None:
    assert is_spool(path) is found
