"""Host and path of every request equal those of a real botocore client, for a table of configurations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import BotoCoreError

from s3amfs.errors import InvalidS3Url, UsageError
from s3amfs.wire.aws.session import S3Config, S3Session
from s3amfs.wire.s3 import api as s3api
from tests.wire.oracle import ACCESS, SECRET, Oracle

# Each: arguments of S3Config, then region, endpoint and Config of the client that must agree.
CONFIGS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "default": ({}, {}),
    "us-east-1": ({"region": "us-east-1"}, {"region": "us-east-1"}),
    "eu": ({"region": "eu-central-1"}, {"region": "eu-central-1"}),
    "china": ({"region": "cn-north-1"}, {"region": "cn-north-1"}),
    "govcloud": ({"region": "us-gov-west-1"}, {"region": "us-gov-west-1"}),
    "unknown region": ({"region": "xx-moon-7"}, {"region": "xx-moon-7"}),
    "fips region name": ({"region": "fips-us-gov-west-1"}, {"region": "fips-us-gov-west-1"}),
    "path": (
        {"region": "eu-west-1", "addressing_style": "path"},
        {"region": "eu-west-1", "s3": {"addressing_style": "path"}},
    ),
    "virtual": (
        {"region": "eu-west-1", "addressing_style": "virtual"},
        {"region": "eu-west-1", "s3": {"addressing_style": "virtual"}},
    ),
    "dual-stack": (
        {"region": "eu-west-1", "use_dualstack": True},
        {"region": "eu-west-1", "use_dualstack_endpoint": True},
    ),
    "fips": ({"region": "us-west-2", "use_fips": True}, {"region": "us-west-2", "use_fips_endpoint": True}),
    "fips dual-stack": (
        {"region": "us-east-1", "use_fips": True, "use_dualstack": True},
        {"region": "us-east-1", "use_fips_endpoint": True, "use_dualstack_endpoint": True},
    ),
    "accelerate": (
        {"region": "us-west-2", "use_accelerate": True},
        {"region": "us-west-2", "s3": {"use_accelerate_endpoint": True}},
    ),
    "accelerate dual-stack": (
        {"region": "us-west-2", "use_accelerate": True, "use_dualstack": True},
        {"region": "us-west-2", "s3": {"use_accelerate_endpoint": True, "use_dualstack_endpoint": True}},
    ),
    **{
        f"endpoint {url}": ({"endpoint_url": url}, {"endpoint_url": url})
        for url in (
            "http://127.0.0.1:8333",
            "http://localhost:8333/",
            "http://[::1]:9000",
            "https://s3.example.org",
            "https://S3.Example.ORG:443",
            "https://s3.example.org:9000/base",
            "https://s3.example.org/base/",
            "https://s3.eu-west-1.amazonaws.com",
            "https://s3-accelerate.amazonaws.com",
        )
    },
    "endpoint virtual": (
        {"endpoint_url": "https://s3.example.org", "region": "eu-west-1", "addressing_style": "virtual"},
        {"endpoint_url": "https://s3.example.org", "region": "eu-west-1", "s3": {"addressing_style": "virtual"}},
    ),
    "endpoint IP virtual": (
        {"endpoint_url": "http://10.0.0.1:80", "addressing_style": "virtual"},
        {"endpoint_url": "http://10.0.0.1:80", "s3": {"addressing_style": "virtual"}},
    ),
    "endpoint path virtual": (
        {"endpoint_url": "http://h.example/p", "addressing_style": "virtual"},
        {"endpoint_url": "http://h.example/p", "s3": {"addressing_style": "virtual"}},
    ),
    "endpoint fips": (
        {"endpoint_url": "https://s3.example.org", "use_fips": True, "use_dualstack": True},
        {"endpoint_url": "https://s3.example.org", "use_fips_endpoint": True, "use_dualstack_endpoint": True},
    ),
}

BUCKETS = (
    "plain-bucket",
    "with.dots.in.name",
    "UPPER_case",
    "abc",
    "192.168.1.1",
    "x" * 63,
    "arn:aws:s3:us-west-2:123456789012:accesspoint/point",
    "arn:aws:s3:eu-west-1:123456789012:accesspoint:point",
    "arn:aws-cn:s3:cn-north-1:123456789012:accesspoint:point",
    "arn:aws:s3::123456789012:accesspoint:mfzwi23gnjvgw.mrap",
    "arn:aws:s3-outposts:us-west-2:123456789012:outpost/op-01234567890123456/accesspoint/point",
    "arn:aws:s3-object-lambda:us-west-2:123456789012:accesspoint/lambda",
)

KEYS = (
    "key",
    "a b+c%d#e?f&g=h;i:j@k,l$m!n'o(p)q*r",
    "/leading",
    "//two",
    "a//b/",
    "a/../b/./c",
    "..",
    ".",
    "größe/日本語/🎉",
    "%2F%2e%2E",
    "~tilde_-.",
    'quote"<>\\^`{|}',
    "line\nend\ttab",
    "a" * 1024,
)


def session(**config: Any) -> S3Session:
    return S3Session(S3Config(access_key=ACCESS, secret_key=SECRET, **config))


def outcome(function: Any) -> str:
    try:
        return str(function())
    except (BotoCoreError, InvalidS3Url, UsageError):
        return "refused"
    except ValueError:  # botocore's, from newer Pythons, for a bucket's name before an IPv6 address
        return "refused"


def plain(url: str) -> str:
    """Host in lower case, no port that is the scheme's own (neither is told to the server)."""
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host.lower()}{slash}{path}"


@pytest.mark.parametrize("name", CONFIGS)
def test_buckets_are_where_botocore_has_them(name: str) -> None:
    ours, theirs = CONFIGS[name]
    mine, oracle = session(**ours), Oracle(**theirs)
    for bucket in BUCKETS:
        expected = outcome(lambda b=bucket: plain(oracle.send("head_object", Bucket=b, Key="k/1").url))
        assert outcome(lambda b=bucket: mine.prepare(s3api.head_object(b, "k/1")).url) == expected, bucket
        expected = outcome(lambda b=bucket: plain(oracle.send("head_bucket", Bucket=b).url))
        assert outcome(lambda b=bucket: mine.prepare(s3api.head_bucket(b)).url) == expected, bucket
    expected = outcome(lambda: plain(oracle.send("get_bucket_location", Bucket="plain-bucket").url))
    assert outcome(lambda: mine.prepare(s3api.get_bucket_location("plain-bucket")).url) == expected
    expected = outcome(lambda: plain(oracle.send("list_buckets").url))
    assert outcome(lambda: mine.prepare(s3api.list_buckets()).url) == expected


@pytest.mark.parametrize("name", ["default", "path", "endpoint https://s3.example.org/base/"])
def test_keys_are_escaped_as_botocore_escapes_them(name: str) -> None:
    ours, theirs = CONFIGS[name]
    mine, oracle = session(**ours), Oracle(**theirs)
    for key in KEYS:
        sent = oracle.send("get_object", Bucket="plain-bucket", Key=key)
        assert mine.prepare(s3api.get_object("plain-bucket", key)).url == sent.url, key


def test_express_buckets_have_their_own_endpoint() -> None:
    request = session(region="us-west-2").prepare(s3api.head_object("data--usw2-az1--x-s3", "k"))
    assert request.url == "https://data--usw2-az1--x-s3.s3express-usw2-az1.us-west-2.amazonaws.com/k"
    assert "/us-west-2/s3express/aws4_request" in dict(request.headers)["Authorization"]


def test_a_region_learnt_changes_host_and_signature() -> None:
    mine = session()
    assert mine.prepare(s3api.head_object("some-bucket", "k")).url == "https://some-bucket.s3.amazonaws.com/k"
    before = mine.endpoint_id("some-bucket")
    mine.learn_region("some-bucket", "eu-west-3")
    request = mine.prepare(s3api.head_object("some-bucket", "k"))
    assert request.url == "https://some-bucket.s3.eu-west-3.amazonaws.com/k"
    assert "/eu-west-3/s3/aws4_request" in dict(request.headers)["Authorization"]
    assert mine.region("some-bucket") == "eu-west-3"
    assert mine.region("other-bucket") == "us-east-1"
    assert mine.endpoint_id("some-bucket") == before == "https://s3.amazonaws.com"


@pytest.mark.parametrize("region", ["evil.example/", "a b", "", "x@y", "é", "a" * 64])
def test_what_is_no_region_is_not_learnt(region: str) -> None:
    mine = session()
    mine.learn_region("some-bucket", region)
    assert mine.region("some-bucket") == "us-east-1"


def test_endpoint_ids() -> None:
    assert session(endpoint_url="http://LocalHost:8333/").endpoint_id("b") == "http://localhost:8333"
    assert session(endpoint_url="https://h/base/").endpoint_id("b") == "https://h/base"
    assert session(region="cn-north-1").endpoint_id("b") == "https://s3.amazonaws.com.cn"
    assert session(region="eu-west-1", use_dualstack=True).endpoint_id("b") == "https://s3.amazonaws.com"


@pytest.mark.parametrize(
    "url", ["ftp://h", "h:80", "http://", "http://h:port", "http://u:p@h", "http://h?x=1", "http://h#f", "http:///p"]
)
def test_bad_endpoints_are_refused_without_showing_secrets(url: str) -> None:
    with pytest.raises(UsageError) as caught:
        session(endpoint_url=url)
    assert "u:p" not in str(caught.value)


CONFIGURATION = """
[default]
region = eu-west-2
endpoint_url = http://global-file:1
services = mine
s3 =
    addressing_style = virtual
    use_accelerate_endpoint = false

[services mine]
s3 =
    endpoint_url = http://service-file:2

[profile accelerated]
region = us-west-2
s3 =
    use_accelerate_endpoint = true

[profile dual]
region = us-west-2
s3 =
    use_dualstack_endpoint = true

[profile regional]
s3 =
    us_east_1_regional_endpoint = regional

[profile standard]
defaults_mode = standard
region = us-east-1

[profile variants]
region = us-gov-west-1
use_fips_endpoint = true
use_dualstack_endpoint = true

[profile ignoring]
region = us-west-2
endpoint_url = http://global-file:1
ignore_configured_endpoint_urls = true

[profile arn]
region = us-east-1
s3 =
    use_arn_region = false
    s3_disable_multiregion_access_points = true
"""


@pytest.mark.parametrize(
    "profile", [None, "accelerated", "dual", "regional", "standard", "variants", "ignoring", "arn"]
)
@pytest.mark.parametrize(
    "environment",
    [
        {},
        {"AWS_ENDPOINT_URL": "http://global-env:3"},
        {"AWS_ENDPOINT_URL": "http://global-env:3", "AWS_ENDPOINT_URL_S3": "http://service-env:4"},
        {"AWS_ENDPOINT_URL_S3": "http://service-env:4", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"},
        {"AWS_DEFAULT_REGION": "ap-south-1", "AWS_USE_DUALSTACK_ENDPOINT": "true"},
        {"AWS_USE_FIPS_ENDPOINT": "true", "AWS_DEFAULT_REGION": "us-east-2"},
        {"AWS_S3_US_EAST_1_REGIONAL_ENDPOINT": "regional", "AWS_DEFAULT_REGION": "us-east-1"},
    ],
)
def test_configuration_files_and_environment(
    profile: str | None, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import botocore.session

    (tmp_path / "config").write_text(CONFIGURATION)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    theirs = Oracle(session=botocore.session.Session(profile=profile))
    mine = session(profile=profile)
    for bucket in (*BUCKETS[:3], *BUCKETS[6:10]):
        expected = outcome(lambda b=bucket: plain(theirs.send("head_object", Bucket=b, Key="k").url))
        assert outcome(lambda b=bucket: mine.prepare(s3api.head_object(b, "k")).url) == expected, bucket
