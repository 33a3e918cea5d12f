"""The failure of a part as an exception, for what runs inside callbacks."""

from __future__ import annotations

from ..core.failures import Failure


class PartProblem(Exception):
    """Raised by sources, targets and bodies inside callbacks; carries the failure of the part."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure
