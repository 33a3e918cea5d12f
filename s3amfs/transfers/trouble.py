"""Parts answered with 5xx again and again may be of an upload that is no more: that is asked, not waited for."""

from __future__ import annotations

from ..core.failures import Failure, Kind
from ..core.retry import RetryPolicy
from ..engine.client import S3Client
from ..errors import S3AMError
from ..wire.s3 import api as s3api
from . import unfinished

TROUBLES = 5
"""Answers of 5xx after which it is asked whether the upload is still there; then after twice as many."""


class Trouble:
    """The answers of 5xx to the parts of one upload."""

    def __init__(self) -> None:
        self._count = self._looked_at = 0

    def note(self, failure: Failure) -> bool:
        """Counts `failure` of a part; returns `is_due`. Any thread."""
        if failure.kind is Kind.SERVER and not failure.of_source:
            self._count += 1
        return self.is_due

    @property
    def is_due(self) -> bool:
        """Whether it is time for `look`."""
        return self._count > max(TROUBLES, 2 * self._looked_at)

    def look(self, client: S3Client, upload: s3api.MultipartUpload) -> Failure | None:
        """The failure to end with where the server says that `upload` is no more; asked once, and only if it is due."""
        if not self.is_due:
            return None
        self._looked_at = self._count
        once = S3Client(client.session, client.given_engine)
        once.policy = RetryPolicy(budget=0.0)
        try:
            if unfinished.is_alive(once, upload):
                return None
        except S3AMError:  # the same trouble: nothing is known
            return None
        return Failure(Kind.GONE, "its parts are refused, and the server has no such upload")
