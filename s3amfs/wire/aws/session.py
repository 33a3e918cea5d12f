"""One S3 service and account: credentials, configuration, endpoints; turns an `S3Request` into a signed `HttpRequest`.

Everything AWS comes from botocore (providers, configuration files, endpoint rules, SigV4), without a botocore client.
Importing this module is cheap: botocore (0.3 s, 30 MB, nearly all of it `botocore.compat`, so a leaner choice of its
modules saves a tenth at most) is loaded when an `S3Session` is made. Thread-safe. No network but to fetch credentials.
"""

from __future__ import annotations

import importlib
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ...core.failures import Failure, Kind
from ...core.remembered import conditions_of, encryption_of, features_of
from ...errors import InvalidS3Url
from ..curl.options import PATH_AS_IS, Options, timeout_options, tls_options
from ..messages import HttpRequest, S3Request, check_headers
from .capabilities import JUDGED, Capabilities, as_configured, known_of, without_what_is_missing
from .config import AddressingStyle, S3Config
from .credentials import CredentialSource, light_session, own_errors

if TYPE_CHECKING:
    from .endpoints import Endpoint, EndpointRules

__all__ = ["AddressingStyle", "S3Config", "S3Session"]

_ENDPOINTS_KEPT = 1000
_PATIENCE = 10
"""Times the stall time-out for requests that make the server work (copies, completions)."""


Recall = Callable[[str, str | None, str], Mapping[str, bool]]
"""(endpoint, bucket, identity) -> capability: whether the service has it."""


class S3Session:
    """Signs requests for one configuration; shared by all transfers that use it."""

    def __init__(self, config: S3Config | None = None, recall: Recall | None = None) -> None:
        """Reads the configuration files. recall: what earlier runs have found out about services.

        Raises UsageError (no such profile, bad endpoint) and BadCredentials.
        """
        self.config = config if config is not None else S3Config()
        self._recall = recall
        self._lock = threading.RLock()
        self._session: Any = self.config.session
        self._skew = 0.0
        self._regions: dict[str, str] = {}
        self._endpoints: dict[tuple[str | None, bool], Endpoint] = {}
        self._capabilities: dict[str | None, Capabilities] = {}
        self._rules: EndpointRules = own_errors(self._load)
        self._keys = CredentialSource(self.config, self._session)

    def __repr__(self) -> str:
        return f"S3Session({self.config!r})"

    def prepare(self, request: S3Request) -> HttpRequest:
        """`request` with its URL and a signature made now; blocks only if credentials have to be fetched.

        Raises BadCredentials (no credentials, or a provider failed) and InvalidS3Url (no endpoint for the bucket).
        """
        request = without_what_is_missing(request, self.capabilities(request.bucket))
        endpoint = self._endpoint(request)
        url = endpoint.url + _path(endpoint.url, request.key) + _query(request.query)
        headers = request.headers + endpoint.headers
        if self.config.requester_pays and request.bucket is not None:
            headers += (("x-amz-request-payer", "requester"),)
        check_headers(headers)
        if self.config.anonymous:
            if request.payload == "trailer":
                headers += (("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"),)
        else:
            from .signing import sign

            headers = sign(request, url, headers, endpoint, self._keys.current(), time.time() + self._skew)
        return HttpRequest(
            method=request.method,
            url=url,
            headers=headers,
            body=request.body,
            content_length=request.content_length,
            options=self._long_options if _takes_long(request) else self._options,
            is_s3=True,
            learn=partial(self.learn, bucket=request.bucket),
        )

    def endpoint_id(self, bucket: str | None = None) -> str:
        """The service as 'https://host': the same on every run, whatever region or addressing style is used."""
        return self._rules.identity(bucket)

    def uses_tls(self, bucket: str | None = None) -> bool:
        """Whether connections to the service are encrypted: that costs CPU and detects every change in transit."""
        return self.endpoint_id(bucket).startswith("https")

    def capabilities(self, bucket: str | None = None) -> Capabilities:
        """Capabilities of the endpoint for `bucket`: one shared object, written by any thread with new evidence."""
        known = self._capabilities.get(bucket)
        if known is not None:
            return known
        with self._lock:
            return self._capabilities.setdefault(bucket, self._prior(bucket))

    def _prior(self, bucket: str | None) -> Capabilities:
        """Capabilities before the first answer: from the endpoint's name, the doctor's findings and the settings."""
        known = known_of(self.endpoint_id(bucket))
        has = self._recall(self.endpoint_id(bucket), bucket, self.identity) if self._recall is not None else {}
        known.conditions.update(conditions_of(has))
        known.encrypts.update(encryption_of(has))
        for name, value in features_of(has).items():
            if not value or name not in JUDGED:  # what worked once must not keep a refusal from being judged now
                setattr(known, name, value)
        return as_configured(known, self._session.get_config_variable)

    @property
    def identity(self) -> str:
        """Which account signs, as far as that is known without asking for credentials: no secret."""
        if self.config.anonymous:
            return ""
        return self.config.access_key or self.config.profile or os.environ.get("AWS_ACCESS_KEY_ID") or "default"

    def region(self, bucket: str | None = None) -> str:
        """The region that requests about `bucket` are signed for, as far as known."""
        return self._endpoint(S3Request("HEAD", bucket)).region

    def learn(self, failure: Failure, bucket: str | None) -> None:
        """Takes up what the failure of a request about `bucket` says, so that the next one is sent as it should be."""
        if failure.kind is Kind.REDIRECT and bucket is not None and failure.region is not None:
            self.learn_region(bucket, failure.region)
        elif failure.kind is Kind.SKEW and failure.server_time is not None:
            self.note_skew(failure.server_time)

    def learn_region(self, bucket: str, region: str) -> None:
        """The server said that `bucket` is in `region`. No region name: ignored (it would become a host)."""
        if not region or len(region) > 63 or not all(part.isalnum() and part.isascii() for part in region.split("-")):
            return
        with self._lock:
            self._regions[bucket] = "eu-west-1" if region == "EU" else region
            self._endpoints.pop((bucket, False), None)
            self._endpoints.pop((bucket, True), None)

    def note_skew(self, server_time: float) -> None:
        """The server's clock (seconds since the epoch) was `server_time` just now: later signatures follow it."""
        self._skew = server_time - time.time()

    def credentials_fresh(self) -> bool:
        """Whether `prepare` can sign without fetching credentials (files, a process, the network)."""
        return self.config.anonymous or self._keys.fresh()

    def refresh_credentials(self, force: bool = False) -> None:
        """Gets credentials if there are none or they end soon; with `force` all providers are asked again.

        `force` is for ExpiredToken: files are read again, processes run again. Credentials given as such stay.
        Raises BadCredentials when there are none or a provider failed.
        """
        if not self.config.anonymous:
            self._keys.refresh(force)

    def _load(self) -> EndpointRules:
        _import_botocore()
        from .endpoints import EndpointRules

        if self._session is None:
            self._session = light_session(self.config.profile)
        self._options = self._curl_options(self.config.stall_timeout)
        self._long_options = self._curl_options(self.config.stall_timeout * _PATIENCE)
        return EndpointRules(self._session.get_component("data_loader"), self._settings())

    def _settings(self) -> Any:
        from botocore.utils import validate_region_name

        from .endpoints import EndpointSettings

        config, session = self.config, self._session
        region = config.region or session.get_config_variable("region")
        validate_region_name(region)
        s3 = dict(session.get_config_variable("s3") or {})
        if session.get_config_variable("defaults_mode").lower() != "legacy":
            s3["us_east_1_regional_endpoint"] = s3.get("us_east_1_regional_endpoint") or "regional"
        if config.addressing_style != "auto":
            s3["addressing_style"] = config.addressing_style
        if config.use_accelerate is not None:
            s3["use_accelerate_endpoint"] = config.use_accelerate
        fips = _first(config.use_fips, session.get_config_variable("use_fips_endpoint"))
        if region and region != (plain := region.replace("fips-", "").replace("-fips", "")):
            region, fips = plain, True  # as botocore's client._normalize_fips_region
        dual = _first(config.use_dualstack, s3.get("use_dualstack_endpoint") or None)
        return EndpointSettings(
            region=region,
            endpoint_url=config.endpoint_url or self._configured_endpoint(),
            use_fips=bool(fips),
            use_dualstack=bool(_first(dual, session.get_config_variable("use_dualstack_endpoint"))),
            s3=s3,
        )

    def _configured_endpoint(self) -> str | None:
        from botocore.configprovider import ConfiguredEndpointProvider

        if self._session.get_config_variable("ignore_configured_endpoint_urls"):
            return None
        provider = ConfiguredEndpointProvider(
            full_config=self._session.full_config, scoped_config=self._session.get_scoped_config(), client_name="s3"
        )
        found = provider.provide()
        return str(found) if found else None

    def _curl_options(self, stall_timeout: float) -> Options:
        # Keys may hold '/../': curl must not tidy them away.
        timeouts = timeout_options(self.config.connect_timeout, stall_timeout)
        return ((PATH_AS_IS, 1), *timeouts, *tls_options(self._verify()))

    def _verify(self) -> bool | str:
        if self.config.verify_tls is True:  # in botocore's order (endpoint.EndpointCreator)
            found = self._session.get_config_variable("ca_bundle") or os.environ.get("REQUESTS_CA_BUNDLE")
            return str(found) if found else True
        return self.config.verify_tls

    def _endpoint(self, request: S3Request) -> Endpoint:
        # GetBucketLocation is sent path-style: it is how a region is found that virtual hosts would need already.
        path_style = ("location", "") in request.query
        known = self._endpoints.get((request.bucket, path_style))
        if known is not None:
            return known
        region = self._regions.get(request.bucket) if request.bucket is not None else None
        found = self._rules.resolve(request.bucket, region, path_style=path_style)
        with self._lock:
            if len(self._endpoints) >= _ENDPOINTS_KEPT:
                self._endpoints.clear()
            self._endpoints[request.bucket, path_style] = found
        return found


def _import_botocore() -> None:
    """Imports botocore without pyOpenSSL, which may be installed: it costs 10 MB and 80 ms.

    `botocore.httpsession` looks there for the standard library's SSLContext, and finds it in urllib3 as well.
    """
    unwanted = "urllib3.contrib.pyopenssl"
    if "botocore.httpsession" in sys.modules or unwanted in sys.modules:
        return
    hidden: dict[str, Any] = sys.modules
    hidden[unwanted] = None  # to import it is an ImportError now
    try:
        importlib.import_module("botocore.httpsession")
    finally:
        del sys.modules[unwanted]


def _path(base: str, key: str | None) -> str:
    """The path to append to an endpoint's URL, escaped as botocore escapes keys ('/' and '~' stay)."""
    has_path = "/" in base.partition("://")[2]
    if key is None:
        return "" if has_path else "/"
    # errors: a key from a file name may hold bytes that are no UTF-8; S3 takes none of these.
    try:
        escaped = quote(key, safe="/~")
    except UnicodeEncodeError:
        raise InvalidS3Url(f"the key {key!a} is not valid Unicode: rename the object") from None
    return escaped if base.endswith("/") else "/" + escaped


def _query(query: tuple[tuple[str, str], ...]) -> str:
    if not query:
        return ""
    pairs = (
        quote(name, safe="~") + (f"={quote(value, safe='~', errors='surrogateescape')}" if value else "")
        for name, value in query
    )
    return "?" + "&".join(pairs)


def _takes_long(request: S3Request) -> bool:
    """Copies and completions: the server works, for minutes maybe, and not every one sends signs of life meanwhile."""
    if request.method == "POST":
        return any(name == "uploadId" for name, _ in request.query)
    if request.method != "PUT" or request.content_length is not None:  # a copy has no body
        return False
    return any(name == "x-amz-copy-source" for name, _ in request.headers)


def _first(*values: Any) -> Any:
    return next((value for value in values if value is not None), None)
