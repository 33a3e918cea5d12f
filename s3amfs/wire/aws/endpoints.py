"""Where a bucket is: URL, signing name and region, decided by botocore's own endpoint rules for S3.

It repeats what a botocore client does before it sends (the parameters of the ruleset, path style for names that are no
host labels, ...) without the client, whose creation costs 0.45 s and 13 MB. `tests/wire/aws/test_endpoints.py` compares
every result with a client's. Nothing here signs or connects. Objects are immutable after construction: any thread.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field
from typing import Any
from urllib.parse import urlsplit

from botocore.endpoint_provider import EndpointProvider
from botocore.exceptions import EndpointProviderError
from botocore.loaders import Loader
from botocore.utils import ArnParser, is_s3_accelerate_url

from ...core.define import define
from ...errors import InvalidS3Url, UsageError

_RULES = "s3/2006-03-01/endpoint-rule-set-1"
IDENTITIES_KEPT = 1000
# Bucket names that are no host label go into the path (botocore handlers.customize_endpoint_resolver_builtins asks the
# same of botocore.endpoint_provider.VALID_HOST_LABEL_RE; the rules themselves decide on dots and https).


@define(frozen=True, slots=True)
class EndpointSettings:
    """Everything but the bucket that decides on the endpoint."""

    region: str | None = None
    endpoint_url: str | None = None
    use_fips: bool = False
    use_dualstack: bool = False
    s3: Mapping[str, Any] = field(default_factory=dict)
    """The `s3` section as botocore reads it: addressing_style, use_accelerate_endpoint, use_arn_region, ..."""


@define(frozen=True, slots=True)
class Endpoint:
    """Where requests about one bucket go and how they are signed."""

    url: str
    """`scheme://host[:port][/path]`; the bucket is in the host or the path already."""
    region: str
    """Signing region; for SigV4a the region set, comma-separated."""
    signing_name: str
    scheme: str
    """'sigv4' or 'sigv4a'."""
    headers: tuple[tuple[str, str], ...] = ()


class EndpointRules:
    """botocore's ruleset for S3, loaded once (about 10 ms, 1.5 MB)."""

    def __init__(self, loader: Loader, settings: EndpointSettings) -> None:
        # By path: load_service_model() would first list the folders of all 400 services, 30 ms.
        self._provider = EndpointProvider(loader.load_data(_RULES), loader.load_data("partitions"))
        self._settings = settings
        self._identities: dict[str | None, str] = {}
        if settings.endpoint_url is not None:
            check_endpoint_url(settings.endpoint_url)

    def resolve(self, bucket: str | None, region: str | None = None, *, path_style: bool = False) -> Endpoint:
        """The endpoint of `bucket` (a name or an access-point ARN; None: of the service).

        `region` overrides the configured one (learnt from the server). `path_style` forces the bucket into the path, as
        GetBucketLocation needs it. Raises InvalidS3Url when the rules refuse the combination.
        """
        try:
            found = self._provider.resolve_endpoint(**self._parameters(bucket, region, path_style))
        except EndpointProviderError as error:
            raise InvalidS3Url(f"no endpoint for bucket {bucket!r}: {error}") from None
        try:
            url = _lower_host(found.url)
        except ValueError as error:  # a bucket's name before an IPv6 address is no host; newer Pythons notice
            raise InvalidS3Url(f"no endpoint for bucket {bucket!r}: {error}") from None
        scheme = _pick_scheme(found.properties.get("authSchemes") or [])
        regions = scheme.get("signingRegion") or ",".join(scheme.get("signingRegionSet", ())) or "us-east-1"
        return Endpoint(
            url=url,
            region=regions,
            signing_name=scheme.get("signingName", "s3"),
            scheme=scheme["name"],
            headers=tuple((name, values[0]) for name, values in found.headers.items()),
        )

    def identity(self, bucket: str | None = None) -> str:
        """A stable name of the service: the same whatever region or addressing style is in use."""
        known = self._identities.get(bucket)
        if known is None:
            if len(self._identities) >= IDENTITIES_KEPT:
                self._identities.clear()
            known = self._identities[bucket] = self._identity(bucket)
        return known

    def _identity(self, bucket: str | None) -> str:
        if self._settings.endpoint_url is not None:
            parts = urlsplit(self._settings.endpoint_url)
            return f"{parts.scheme.lower()}://{parts.netloc.lower()}{parts.path.rstrip('/')}"
        region = self._settings.region or "us-east-1"
        if bucket is not None and ArnParser.is_arn(bucket):
            region = bucket.split(":")[3] or region
        partition = self._provider.ruleset.rule_lib.aws_partition(region)
        return f"https://s3.{partition['dnsSuffix']}"

    def _parameters(self, bucket: str | None, region: str | None, path_style: bool) -> dict[str, Any]:
        settings, s3 = self._settings, self._settings.s3
        given = settings.endpoint_url
        region, legacy = self._region(region)
        parameters: dict[str, Any] = {
            "Region": region,
            "UseFIPS": given is None and settings.use_fips,
            "UseDualStack": given is None and settings.use_dualstack,
            "UseGlobalEndpoint": legacy,
            "Accelerate": bool(s3.get("use_accelerate_endpoint")),
            "ForcePathStyle": self._path_style(bucket, path_style),
            "UseArnRegion": _default(s3.get("use_arn_region"), True),
            "DisableMultiRegionAccessPoints": bool(s3.get("s3_disable_multiregion_access_points")),
            # Directory buckets (S3 Express) are then signed like others instead of through CreateSession.
            "DisableS3ExpressSessionAuth": True,
        }
        if bucket is not None:
            parameters["Bucket"] = bucket
        if given is not None:
            parameters["Endpoint"] = given
        return parameters

    def _region(self, learnt: str | None) -> tuple[str, bool]:
        """Region and whether us-east-1 means the global endpoint (botocore args._should_force_s3_global)."""
        region = learnt or self._settings.region
        legacy = (self._settings.s3.get("us_east_1_regional_endpoint") or "legacy") == "legacy"
        if region is None:
            region = "us-east-1" if legacy else "aws-global"
        return region, legacy and region == "us-east-1"

    def _path_style(self, bucket: str | None, forced: bool) -> bool:
        s3, given = self._settings.s3, self._settings.endpoint_url
        if forced:
            return True
        if bucket is not None and ArnParser.is_arn(bucket):
            return False
        if s3.get("use_accelerate_endpoint"):
            return False
        if given is not None and not is_s3_accelerate_url(given):
            return s3.get("addressing_style") != "virtual"
        return s3.get("addressing_style") == "path"


def check_endpoint_url(url: str) -> None:
    """Raises UsageError unless `url` is usable as an endpoint: http(s), a host, no user info, query or fragment."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018 - raises ValueError
    except ValueError:
        raise UsageError(
            f"the endpoint URL has no valid host or port: use https://HOST[:PORT], not {_safe(url)!r}"
        ) from None
    if parts.scheme.lower() not in ("http", "https") or not parts.hostname:
        raise UsageError(f"the endpoint URL must be http(s)://HOST[:PORT][/PATH], not {_safe(url)!r}")
    if parts.username is not None or parts.query or parts.fragment:
        raise UsageError("the endpoint URL must not hold a user name, a query or a fragment")


def _safe(url: str) -> str:
    return re.sub(r"//[^/]*@", "//…@", url.split("?")[0])


def _pick_scheme(schemes: list[dict[str, Any]]) -> dict[str, Any]:
    """The first scheme that can be signed here, as botocore picks it (sigv4a needs awscrt.auth)."""
    from botocore.auth import AUTH_TYPE_MAPS

    for scheme in schemes:
        if scheme["name"] == "sigv4" or (scheme["name"] == "sigv4a" and "s3v4a" in AUTH_TYPE_MAPS):
            return scheme
    if any(scheme["name"] == "sigv4a" for scheme in schemes):
        raise UsageError("this bucket needs SigV4a signatures: pip install awscrt")
    names = ", ".join(str(scheme["name"]) for scheme in schemes)
    raise UsageError(f"this bucket needs a kind of signature that is not supported: {names or 'none'}")


def _lower_host(url: str) -> str:
    """Host in lower case: that is what gets signed, and curl sends Host as the URL has it."""
    parts = urlsplit(url)
    return f"{parts.scheme.lower()}://{parts.netloc.lower()}{parts.path}"


def _default(value: Any, default: bool) -> bool:
    return default if value is None else bool(value)
