"""How each other tool uploads a file and downloads an object, with the checksums it has; None where it is not here."""

from __future__ import annotations

import importlib.util
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path

Command = tuple[list[str], dict[str, str]]
Make = Callable[[str, str, str], Command]
"""(endpoint, 'up' or 'down', local file) -> command and its environment."""

BOTO3 = """
import sys, boto3
way, endpoint, path = sys.argv[1:]
s3 = boto3.client("s3", endpoint_url=endpoint)
s3.upload_file(path, "bench", "up-boto3") if way == "up" else s3.download_file("bench", "down", path)
"""
OBSTORE = """
import os, sys, obstore
from obstore.store import S3Store
way, endpoint, path = sys.argv[1:]
options = {"allow_http": True, "allow_invalid_certificates": True}  # it trusts no certificate that is given by a file
store = S3Store("bench", endpoint=endpoint, virtual_hosted_style_request=False, client_options=options)
if way == "up":
    obstore.put(store, "up-obstore", open(path, "rb"), chunk_size=8 * 1024 * 1024, max_concurrency=12)
else:
    with open(path, "wb") as out:
        for chunk in obstore.get(store, "down").stream(min_chunk_size=8 * 1024 * 1024):
            out.write(chunk)
"""
CRT = """
import os, sys
from urllib.parse import urlsplit
from awscrt import auth, http, io, s3
way, endpoint, path = sys.argv[1:]
host = urlsplit(endpoint).netloc
tls = {"tls_mode": s3.S3RequestTlsMode.DISABLED}
if endpoint.startswith("https"):
    trust = io.TlsContextOptions()
    trust.override_default_trust_store_from_path(None, os.environ["SSL_CERT_FILE"])
    tls = {"tls_connection_options": io.ClientTlsContext(trust).new_connection_options()}
bootstrap = io.ClientBootstrap.get_or_create_static_default()
provider = auth.AwsCredentialsProvider.new_static("AKIDEXAMPLE", "secret")
signing = s3.create_default_s3_signing_config(region="us-east-1", credential_provider=provider)
client = s3.S3Client(bootstrap=bootstrap, region="us-east-1", signing_config=signing, part_size=8 << 20,
                     throughput_target_gbps=10, **tls)
headers = http.HttpHeaders([("host", host)])
put = way == "up"
if put:
    headers.add("Content-Length", str(os.stat(path).st_size))
request = http.HttpRequest("PUT" if put else "GET", "/bench/up-crt" if put else "/bench/down", headers)
trailer = {"algorithm": s3.S3ChecksumAlgorithm.CRC64NVME, "location": s3.S3ChecksumLocation.TRAILER}
checksum = s3.S3ChecksumConfig(**(trailer if put else {"validate_response": True}))
kind = s3.S3RequestType.PUT_OBJECT if put else s3.S3RequestType.GET_OBJECT
files = {"send_filepath": path} if put else {"recv_filepath": path}
client.make_request(type=kind, request=request, checksum_config=checksum, **files).finished_future.result()
"""


def _python(module: str, code: str) -> Make | None:
    if importlib.util.find_spec(module) is None:
        return None
    return lambda endpoint, way, path: ([sys.executable, "-c", code, way, endpoint, path], {})


def program(name: str) -> str | None:
    """Where a program is: beside this Python (the extra 'bench' puts s5cmd there) or on the PATH."""
    return shutil.which(name, path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}")


def _s5cmd(endpoint: str, way: str, path: str) -> Command:
    ends = [path, "s3://bench/up-s5cmd"] if way == "up" else ["s3://bench/down", path]
    return [program("s5cmd") or "", "--endpoint-url", endpoint, "cp", *ends], {}


def _rclone(endpoint: str, way: str, path: str) -> Command:
    flags = ["--s3-no-check-bucket", "--s3-no-head", "--s3-upload-concurrency", "8", "--s3-chunk-size", "8M"]
    flags += ["--multi-thread-streams", "8", "--config", "/dev/null", "--retries", "1", "--low-level-retries", "1"]
    ends = [path, "n:bench/up-rclone"] if way == "up" else ["n:bench/down", path]
    remote = {
        "RCLONE_CONFIG_N_TYPE": "s3",
        "RCLONE_CONFIG_N_PROVIDER": "Other",
        "RCLONE_CONFIG_N_ENV_AUTH": "true",
        "RCLONE_CONFIG_N_ENDPOINT": endpoint,
    }
    return ["rclone", "copyto", *flags, *ends], remote


def trust(certificate: str, name: str) -> dict[str, str]:
    """The environment in which the tool trusts `certificate`."""
    return {"AWS_CA_BUNDLE" if name in ("s3am", "boto3") else "SSL_CERT_FILE": certificate}


def others() -> dict[str, Make | None]:
    """Tools to compare with, by name."""
    return {
        "s5cmd": _s5cmd if program("s5cmd") else None,
        "obstore": _python("obstore", OBSTORE),
        "rclone": _rclone if program("rclone") else None,
        "AWS CRT": _python("awscrt", CRT),
        "boto3": _python("boto3", BOTO3),
    }
