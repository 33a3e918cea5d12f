"""What a real botocore client would put on the wire: the independent oracle of these tests. Nothing is sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import botocore.session
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.loaders import create_loader

_LOADER = create_loader()  # botocore's data, read once for all clients
ACCESS, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"


@dataclass(frozen=True)
class Sent:
    method: str
    url: str
    headers: Mapping[str, str]
    """Names in lower case."""
    body: bytes


class Oracle:
    def __init__(
        self,
        *,
        region: str | None = None,
        endpoint_url: str | None = None,
        token: str | None = None,
        session: Any = None,
        **config: Any,
    ) -> None:
        session = session or botocore.session.Session()
        session.register_component("data_loader", _LOADER)
        self._sent: list[Sent] = []
        self.client = session.create_client(
            "s3",
            region_name=region,
            endpoint_url=endpoint_url,
            aws_access_key_id=ACCESS,
            aws_secret_access_key=SECRET,
            aws_session_token=token,
            config=Config(request_checksum_calculation="when_required", retries={"total_max_attempts": 1}, **config),
        )
        self.client.meta.events.register("before-send.s3", self._keep)

    def _keep(self, request: Any, **_: Any) -> Any:
        headers = {name.lower(): text(value) for name, value in request.headers.items()}
        body = request.body
        if hasattr(body, "read"):
            body = body.read()
        if isinstance(body, str):
            body = body.encode()
        self._sent.append(Sent(request.method, request.url, headers, bytes(body or b"")))
        return AWSResponse(request.url, 200, {"etag": '"e"'}, _Empty())

    def send(self, operation: str, **arguments: Any) -> Sent:
        """What the client sends for `operation`; its view of the (empty) answer does not matter."""
        self._sent.clear()
        try:
            getattr(self.client, operation)(**arguments)
        except Exception:  # an empty answer is no valid answer for some operations
            if not self._sent:
                raise
        return self._sent[0]


def text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


class _Empty:
    def stream(self, **_: Any) -> list[bytes]:
        return []

    def read(self, *_: Any) -> bytes:
        return b""
