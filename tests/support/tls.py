"""A certificate authority made for one test run: `ca` is to be trusted; localhost and 127.0.0.1 are certified."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path


class Certificates:
    """Paths (PEM): `ca`, `certificate`, `key`, and `both` (certificate and key in one file, as pyftpdlib wants)."""

    def __init__(self, folder: Path) -> None:
        self.ca = folder / "ca.pem"
        self.certificate = folder / "server.pem"
        self.key = folder / "server.key"
        self.both = folder / "both.pem"
        self._make(folder)

    def _make(self, folder: Path) -> None:
        def openssl(*args: object) -> None:
            subprocess.run(["openssl", *map(str, args)], check=True, capture_output=True, stdin=subprocess.DEVNULL)

        ca_key, request, names = folder / "ca.key", folder / "server.csr", folder / "names"
        curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")
        authority = ("-subj", "/CN=s3amfs test authority", "-days", "30", "-addext", "keyUsage=critical,keyCertSign")
        openssl("req", "-x509", *curve, "-keyout", ca_key, "-out", self.ca, *authority)
        openssl("req", *curve, "-keyout", self.key, "-out", request, "-subj", "/CN=localhost")
        names.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n")
        signed_by = ("-CA", self.ca, "-CAkey", ca_key, "-CAcreateserial", "-extfile", names, "-days", "30")
        openssl("x509", "-req", "-in", request, "-out", self.certificate, *signed_by)
        self.both.write_bytes(self.certificate.read_bytes() + self.key.read_bytes())

    def server_context(self) -> ssl.SSLContext:
        """A context for a Python server."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        return context
